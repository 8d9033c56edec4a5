//! Sets of types, as a check knows them.

use crate::fhirpath::expression::Operator;

/// The types a part may yield.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kinds {
    /// The types; those of the System namespace begin with `System.`.
    pub names: Vec<String>,
    /// Whether the types are known: when they are and there are none, nothing is yielded.
    pub known: bool,
    /// Whether there may be several values.
    pub many: bool,
    /// Whether the values have no order.
    pub unordered: bool,
}

impl Kinds {
    pub(super) fn unknown() -> Kinds {
        Kinds { names: Vec::new(), known: false, many: true, unordered: false }
    }

    pub(super) fn nothing() -> Kinds {
        Kinds { names: Vec::new(), known: true, many: false, unordered: false }
    }

    pub(super) fn one(name: &str) -> Kinds {
        Kinds { names: vec![name.to_owned()], known: true, many: false, unordered: false }
    }

    pub(super) fn system(name: &str) -> Kinds {
        Kinds::one(&format!("System.{name}"))
    }

    pub(super) fn is_unknown(&self) -> bool {
        !self.known
    }

    /// One of the values.
    pub(super) fn single(&self) -> Kinds {
        Kinds { many: false, unordered: false, ..self.clone() }
    }

    pub(super) fn plural(self) -> Kinds {
        Kinds { many: true, ..self }
    }

    /// With the number and order of another.
    pub(super) fn marked(self, other: &Kinds) -> Kinds {
        Kinds { many: self.many || other.many, unordered: other.unordered, ..self }
    }

    /// The values of both.
    pub(super) fn joined(&self, other: &Kinds) -> Kinds {
        let mut names = self.names.clone();
        for name in &other.names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Kinds {
            names,
            known: self.known && other.known,
            many: true,
            unordered: self.unordered || other.unordered,
        }
    }
}

/// What a type is to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Boolean,
    Number,
    Text,
    Date,
    Time,
    Quantity,
    Other,
}

impl Family {
    pub(super) fn of(name: &str, is_kind_of: impl Fn(&str, &str) -> bool) -> Family {
        match name {
            "System.Boolean" | "boolean" => Family::Boolean,
            "System.Integer" | "System.Long" | "System.Decimal" | "decimal" | "integer" | "integer64"
            | "positiveInt" | "unsignedInt" => Family::Number,
            "System.Date" | "System.DateTime" | "date" | "dateTime" | "instant" => Family::Date,
            "System.Time" | "time" => Family::Time,
            "System.Quantity" => Family::Quantity,
            "System.String" | "xhtml" => Family::Text,
            _ if name.starts_with("System.") => Family::Other,
            // Every other primitive is a text.
            _ if name.starts_with(|c: char| c.is_ascii_lowercase()) => Family::Text,
            _ if is_kind_of(name, "Quantity") => Family::Quantity,
            _ => Family::Other,
        }
    }

    pub(super) fn is_time(self) -> bool {
        matches!(self, Family::Date | Family::Time)
    }

    fn is_number(self) -> bool {
        matches!(self, Family::Number | Family::Quantity)
    }

    /// Whether values of the two have an order.
    pub(super) fn orders_with(self, other: Family) -> bool {
        let both = self == other && !matches!(self, Family::Boolean | Family::Other);
        both || (self.is_number() && other.is_number())
    }

    /// Whether an arithmetic operator applies.
    pub(super) fn takes(self, operator: Operator, other: Family) -> bool {
        match operator {
            Operator::Plus if self == Family::Text => other == Family::Text,
            Operator::Plus | Operator::Minus if self.is_time() => other == Family::Quantity,
            Operator::Div | Operator::Mod => self == Family::Number && other == Family::Number,
            _ => self.is_number() && other.is_number(),
        }
    }
}

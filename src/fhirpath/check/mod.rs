//! Finding errors of meaning before an expression is used: members and types that do not exist, operators and
//! functions that are given what they cannot take, and an order asked of what has none.
//!
//! Implements the strict mode of <http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation>.

mod functions;
mod kinds;

use super::evaluate::SYSTEM;
use super::expression::{ExprId, Expression, Kind, Literal, Operator, TypeName};
use super::model::Model;
use super::temporal::TemporalKind;
use kinds::{Family, Kinds};

/// Why an expression can never be right for a type, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct SemanticError {
    /// What is wrong.
    pub text: String,
    /// The byte offset in the expression, from 0.
    pub position: usize,
    /// The line in the expression, from 1.
    pub line: u32,
    /// The column in the expression, from 1, in characters.
    pub column: u32,
}

impl Expression {
    /// Checks the expression against the type it will be evaluated on (`Patient`, `Patient.contact`, `Period`), or
    /// against nothing when it is to be evaluated alone. Returns the types it may yield, `System.` before those of
    /// the System namespace; an empty list says that they are not known.
    ///
    /// Fails on the first error of meaning.
    pub fn check(&self, model: &dyn Model, context: Option<&str>) -> Result<Vec<String>, SemanticError> {
        let context = match context {
            Some(name) => Kinds::one(name),
            None => Kinds::nothing(),
        };
        let mut checker = Checker { expression: self, model, context: context.clone(), defined: Vec::new() };
        let place = Place { this: &context };
        match checker.check(self.root(), place) {
            Ok(found) => Ok(found.names),
            Err((text, at)) => {
                let position = at as usize;
                let (line, column) = crate::fhir::tree::position(self.source(), position);
                Err(SemanticError { text, position, line, column })
            }
        }
    }
}

type Checked<T = Kinds> = Result<T, (String, u32)>;

/// What `$this` is.
#[derive(Clone, Copy)]
struct Place<'p> {
    this: &'p Kinds,
}

struct Checker<'c> {
    expression: &'c Expression,
    model: &'c dyn Model,
    context: Kinds,
    defined: Vec<String>,
}

impl Checker<'_> {
    fn fail<T>(&self, at: ExprId, text: impl Into<String>) -> Checked<T> {
        Err((text.into(), self.expression.place(at)))
    }

    fn check(&mut self, id: ExprId, place: Place<'_>) -> Checked {
        let expression = self.expression;
        match expression.kind(id) {
            Kind::This => Ok(place.this.single()),
            Kind::Position => Ok(Kinds::system("Integer")),
            Kind::Total => Ok(Kinds::unknown()),
            Kind::Literal(literal) => Ok(literal_kinds(literal)),
            Kind::Variable(name) => self.variable(name, id),
            Kind::Member(None, name) => self.first_member(place.this, name, id),
            Kind::Member(Some(base), name) => {
                let focus = self.check(*base, place)?;
                self.member(&focus, name, id)
            }
            Kind::Call(base, function, args) => {
                let focus = match base {
                    Some(base) => self.check(*base, place)?,
                    None => place.this.clone(),
                };
                self.call(&focus, *function, expression.args(*args), id, place)
            }
            Kind::Index(base, index) => {
                let focus = self.check(*base, place)?;
                self.ordered(&focus, id)?;
                let index_kinds = self.check(*index, place)?;
                self.expect(&index_kinds, &[Family::Number], *index, "a whole number")?;
                Ok(focus.single())
            }
            Kind::Group(inner) => self.check(*inner, place),
            Kind::Negate(inner) | Kind::Positive(inner) => {
                let found = self.check(*inner, place)?;
                self.expect(&found, &[Family::Number, Family::Quantity], id, "a number")?;
                Ok(found)
            }
            Kind::Binary(operator, left, right) => {
                let left = self.check(*left, place)?;
                let right = self.check(*right, place)?;
                self.binary(*operator, &left, &right, id)
            }
            Kind::Is(inner, name) => {
                self.check(*inner, place)?;
                self.known(name)?;
                Ok(Kinds::system("Boolean"))
            }
            Kind::As(inner, name) | Kind::OfType(inner, name) => {
                let focus = self.check(*inner, place)?;
                let mut found = self.known(name)?;
                found.many = focus.many;
                found.unordered = focus.unordered;
                Ok(found)
            }
        }
    }

    fn known(&self, name: &TypeName) -> Checked {
        let system = SYSTEM.contains(&&*name.name);
        let fhir = self.model.is_type(&name.name);
        match name.namespace.as_deref() {
            Some("System") if system => Ok(Kinds::system(&name.name)),
            Some("FHIR") if fhir => Ok(Kinds::one(&name.name)),
            None if fhir => Ok(Kinds::one(&name.name)),
            None if system => Ok(Kinds::system(&name.name)),
            _ => Err((format!("the type `{}` is not known", name.name), name.at)),
        }
    }

    fn variable(&self, name: &str, at: ExprId) -> Checked {
        match name {
            "context" => Ok(self.context.clone()),
            "resource" | "rootResource" => Ok(Kinds::unknown()),
            "ucum" | "sct" | "loinc" => Ok(Kinds::system("String")),
            _ if self.defined.iter().any(|defined| defined == name) => Ok(Kinds::unknown()),
            _ if name.starts_with("vs-") || name.starts_with("cs-") || name.starts_with("ext-") => {
                Ok(Kinds::system("String"))
            }
            _ => self.fail(at, format!("the variable `%{name}` is not known")),
        }
    }

    fn is_kind_of(&self, name: &str, wanted: &str) -> bool {
        let mut at = Some(name);
        for _ in 0..16 {
            match at {
                Some(name) if name == wanted => return true,
                Some(name) => at = self.model.base(name),
                None => return false,
            }
        }
        false
    }

    fn first_member(&self, this: &Kinds, name: &str, at: ExprId) -> Checked {
        if name.starts_with(|c: char| c.is_ascii_uppercase()) && self.model.is_type(name) {
            if this.is_unknown() || this.names.iter().any(|found| self.may_be(found, name)) {
                return Ok(if this.is_unknown() { Kinds::one(name) } else { this.single() });
            }
            return self.fail(at, format!("`{name}` is not the type that the expression is used on"));
        }
        self.member(this, name, at)
    }

    /// Whether a value of the type could be of the other: it specialises it, or is specialised by it.
    fn may_be(&self, found: &str, wanted: &str) -> bool {
        self.is_kind_of(found, wanted) || self.is_kind_of(wanted, found)
    }

    fn member(&self, focus: &Kinds, name: &str, at: ExprId) -> Checked {
        if focus.is_unknown() {
            return Ok(Kinds::unknown().marked(focus));
        }
        let mut found =
            Kinds { names: Vec::new(), known: true, many: focus.many, unordered: focus.unordered };
        let mut exists = focus.names.is_empty();
        for parent in &focus.names {
            match parent.as_str() {
                "System.Quantity" if name == "value" => found.names.push("System.Decimal".to_owned()),
                "System.Quantity" if name == "unit" || name == "code" => {
                    found.names.push("System.String".to_owned())
                }
                "System.TypeInfo" if name == "name" || name == "namespace" => {
                    found.names.push("System.String".to_owned());
                }
                // What such an element really is shows only in the data.
                "Resource" | "DomainResource" => return Ok(Kinds::unknown().marked(focus)),
                _ => match self.model.element(parent, name) {
                    Some(element) => {
                        found.many |= element.repeats;
                        for name in element.types {
                            if !found.names.contains(&name) {
                                found.names.push(name);
                            }
                        }
                    }
                    None => continue,
                },
            }
            exists = true;
        }
        if exists {
            return Ok(found);
        }
        let parent = focus.names.first().map_or("", |name| name.strip_prefix("System.").unwrap_or(name));
        let nearest = focus.names.iter().flat_map(|parent| self.model.names(parent));
        let nearest = nearest.map(|near| (strsim::damerau_levenshtein(&near, name), near)).min();
        let hint = match nearest {
            Some((distance, near)) if distance <= 2 => format!(" (did you mean `{near}`?)"),
            _ => String::new(),
        };
        self.fail(at, format!("`{parent}` has no element `{name}`{hint}"))
    }

    fn ordered(&self, focus: &Kinds, at: ExprId) -> Checked<()> {
        if focus.unordered {
            return self.fail(at, "the order of these values is not defined");
        }
        Ok(())
    }

    /// Fails when a collection surely holds nothing of the families that are needed.
    fn expect(&self, found: &Kinds, wanted: &[Family], at: ExprId, what: &str) -> Checked<()> {
        if found.is_unknown() || found.names.is_empty() {
            return Ok(());
        }
        if found.names.iter().any(|name| wanted.contains(&self.family(name))) {
            return Ok(());
        }
        self.fail(at, format!("{what} is needed here"))
    }

    fn family(&self, name: &str) -> Family {
        Family::of(name, |name, wanted| self.is_kind_of(name, wanted))
    }

    fn binary(&self, operator: Operator, left: &Kinds, right: &Kinds, at: ExprId) -> Checked {
        use Operator::*;
        match operator {
            Union => Ok(left.joined(right)),
            Less | LessOrEqual | Greater | GreaterOrEqual => {
                self.pair(left, right, at, |a, b| a.orders_with(b))?;
                Ok(Kinds::system("Boolean"))
            }
            Concatenate => Ok(Kinds::system("String")),
            Plus | Minus | Times | Divide | Div | Mod => {
                self.pair(left, right, at, |a, b| a.takes(operator, b))?;
                Ok(match (operator, left.names.as_slice()) {
                    (Div, _) => Kinds::system("Integer"),
                    (Plus | Minus, [name]) if self.family(name).is_time() => left.single(),
                    _ => Kinds::unknown(),
                })
            }
            _ => Ok(Kinds::system("Boolean")),
        }
    }

    /// Fails when no combination of the two sides' types is acceptable.
    fn pair(
        &self,
        left: &Kinds,
        right: &Kinds,
        at: ExprId,
        accept: impl Fn(Family, Family) -> bool,
    ) -> Checked<()> {
        let open = |kinds: &Kinds| kinds.is_unknown() || kinds.names.is_empty();
        if open(left) || open(right) {
            return Ok(());
        }
        for a in &left.names {
            for b in &right.names {
                if accept(self.family(a), self.family(b)) {
                    return Ok(());
                }
            }
        }
        self.fail(at, "the operator does not apply to values of these types")
    }
}

fn literal_kinds(literal: &Literal) -> Kinds {
    Kinds::system(match literal {
        Literal::Empty => return Kinds::nothing(),
        Literal::Boolean(_) => "Boolean",
        Literal::Integer(_) => "Integer",
        Literal::Decimal(_) => "Decimal",
        Literal::Text(_) => "String",
        Literal::Quantity(_) => "Quantity",
        Literal::Temporal(value) => match value.kind() {
            TemporalKind::Date => "Date",
            TemporalKind::DateTime => "DateTime",
            TemporalKind::Time => "Time",
        },
    })
}

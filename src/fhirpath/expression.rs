//! A parsed expression: a flat list of parts that name each other by number.

use super::function::Function;
use super::quantity::Quantity;
use super::syntax::{self, SyntaxError};
use super::temporal::Temporal;
use regex::Regex;
use rust_decimal::Decimal;
use std::sync::OnceLock;

/// One part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExprId(u32);

impl ExprId {
    pub(super) fn position(self) -> usize {
        self.0 as usize
    }
}

/// The arguments of a call: a run in the expression's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    start: u32,
    count: u32,
}

impl Arguments {
    pub(super) fn len(self) -> usize {
        self.count as usize
    }
}

/// A value written in the expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Empty,
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Box<str>),
    Temporal(Temporal),
    Quantity(Quantity<'static>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Is,
    As,
    Plus,
    Minus,
    Concatenate,
    Times,
    Divide,
    Div,
    Mod,
}

/// A type as written: `System.Boolean`, `FHIR.Patient`, `Patient`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    pub namespace: Option<Box<str>>,
    pub name: Box<str>,
    pub at: u32,
}

impl TypeName {
    pub(super) fn read(text: &str, at: u32) -> TypeName {
        match text.split_once('.') {
            Some((space @ ("System" | "FHIR"), name)) => {
                TypeName { namespace: Some(space.into()), name: name.into(), at }
            }
            _ => TypeName { namespace: None, name: text.into(), at },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    This,
    Position,
    Total,
    Literal(Literal),
    Variable(Box<str>),
    /// A member of the base, or of `$this`.
    Member(Option<ExprId>, Box<str>),
    Call(Option<ExprId>, Function, Arguments),
    Index(ExprId, ExprId),
    Group(ExprId),
    Negate(ExprId),
    Positive(ExprId),
    Binary(Operator, ExprId, ExprId),
    Is(ExprId, TypeName),
    As(ExprId, TypeName),
    OfType(ExprId, TypeName),
}

/// A FHIRPath expression, parsed once and evaluated as often as wanted; it can be shared between threads.
///
/// Implements <http://hl7.org/fhirpath/N1/> with the additions of <https://hl7.org/fhir/R4/fhirpath.html>.
#[derive(Debug)]
pub struct Expression {
    source: Box<str>,
    kinds: Vec<Kind>,
    places: Vec<u32>,
    list: Vec<ExprId>,
    root: ExprId,
    /// Regular expressions that are written as literals, beside `kinds`.
    patterns: Vec<(u32, OnceLock<Option<Regex>>)>,
    /// Paths from the resource, by place in `kinds`: whatever they are asked for, they lead to the same.
    fixed: Vec<ExprId>,
    simple: bool,
}

impl Expression {
    /// Parses an expression. Unknown functions and wrong numbers of arguments are syntax errors.
    pub fn parse(source: &str) -> Result<Expression, SyntaxError> {
        syntax::parse(source)
    }

    /// The text the expression was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn empty(source: &str) -> Expression {
        Expression {
            source: source.into(),
            kinds: Vec::new(),
            places: Vec::new(),
            list: Vec::new(),
            root: ExprId(0),
            patterns: Vec::new(),
            fixed: Vec::new(),
            simple: true,
        }
    }

    pub(super) fn push(&mut self, kind: Kind, at: u32) -> ExprId {
        let id = ExprId(u32::try_from(self.kinds.len()).unwrap_or(u32::MAX));
        self.kinds.push(kind);
        self.places.push(at);
        id
    }

    pub(super) fn arguments(&mut self, args: &[ExprId]) -> Arguments {
        let start = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.extend_from_slice(args);
        Arguments { start, count: u32::try_from(args.len()).unwrap_or(u32::MAX) }
    }

    pub(super) fn finish(&mut self, root: ExprId) {
        self.root = root;
        let mut patterns = Vec::new();
        for (at, kind) in self.kinds.iter().enumerate() {
            if let Kind::Call(_, function, args) = kind {
                self.simple &= *function != Function::DefineVariable;
                if function.takes_pattern() && matches!(self.argument(*args, 0), Some(Kind::Literal(_))) {
                    patterns.push((u32::try_from(at).unwrap_or(u32::MAX), OnceLock::new()));
                }
            }
        }
        self.patterns = patterns;
        let ids = (0..self.kinds.len()).filter_map(|at| u32::try_from(at).ok().map(ExprId));
        self.fixed = ids.filter(|id| self.leads_from_resource(*id)).collect();
        self.kinds.shrink_to_fit();
        self.places.shrink_to_fit();
        self.list.shrink_to_fit();
    }

    /// Whether no variable can be defined while evaluating.
    #[inline]
    pub(super) fn simple(&self) -> bool {
        self.simple
    }

    #[inline]
    pub(super) fn root(&self) -> ExprId {
        self.root
    }

    #[inline]
    pub(super) fn kind(&self, id: ExprId) -> &Kind {
        const NOTHING: &Kind = &Kind::Literal(Literal::Empty);
        self.kinds.get(id.position()).unwrap_or(NOTHING)
    }

    /// Whether a part is a path of plain members from `$this`: `code.coding`.
    pub(super) fn is_path(&self, id: ExprId) -> bool {
        match self.kind(id) {
            Kind::Member(base, name) => match base {
                Some(base) => self.is_path(*base),
                None => !name.starts_with(|first: char| first.is_ascii_uppercase()),
            },
            _ => false,
        }
    }

    /// Whether a part is a path of members from `%resource` or its like: `%resource.type`.
    fn leads_from_resource(&self, id: ExprId) -> bool {
        let Kind::Member(Some(base), _) = self.kind(id) else { return false };
        match self.kind(*base) {
            Kind::Variable(name) => matches!(&**name, "resource" | "rootResource" | "context"),
            _ => self.leads_from_resource(*base),
        }
    }

    /// Whether a part leads to the same wherever in the expression it is evaluated.
    #[inline]
    pub(super) fn is_fixed(&self, id: ExprId) -> bool {
        self.fixed.contains(&id)
    }

    #[inline]
    pub(super) fn args(&self, args: Arguments) -> &[ExprId] {
        let start = args.start as usize;
        self.list.get(start..start + args.len()).unwrap_or(&[])
    }

    fn argument(&self, args: Arguments, index: usize) -> Option<&Kind> {
        self.args(args).get(index).map(|id| self.kind(*id))
    }

    /// The byte offset of a part.
    pub(super) fn place(&self, id: ExprId) -> u32 {
        self.places.get(id.position()).copied().unwrap_or(0)
    }

    /// The slot of a call's regular expression, when it is written as a literal.
    pub(super) fn pattern(&self, id: ExprId) -> Option<&OnceLock<Option<Regex>>> {
        self.patterns.iter().find(|(at, _)| *at as usize == id.position()).map(|(_, slot)| slot)
    }

    /// The parts directly within one.
    pub(super) fn parts(&self, kind: &Kind) -> Vec<ExprId> {
        match kind {
            Kind::This | Kind::Position | Kind::Total | Kind::Literal(_) | Kind::Variable(_) => Vec::new(),
            Kind::Member(base, _) => base.iter().copied().collect(),
            Kind::Call(base, _, args) => base.iter().chain(self.args(*args)).copied().collect(),
            Kind::Group(inner) | Kind::Negate(inner) | Kind::Positive(inner) => vec![*inner],
            Kind::Is(inner, _) | Kind::As(inner, _) | Kind::OfType(inner, _) => vec![*inner],
            Kind::Index(left, right) | Kind::Binary(_, left, right) => vec![*left, *right],
        }
    }
}

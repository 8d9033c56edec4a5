//! Evaluation: one recursive walk over the expression, with a budget.

mod collections;
mod convert;
mod dates;
mod encode;
mod equality;
mod fhir;
mod filters;
mod math;
mod nodes;
mod operators;
mod paths;
mod strings;
#[cfg(test)]
mod tests;
mod types;

pub(super) use types::SYSTEM;

use super::expression::{ExprId, Expression, Kind, Literal, Operator};
use super::function::Function;
use super::model::Environment;
use super::value::{self, Collection, Item, one};
use crate::fhir::tree::{NodeId, Tree};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Why an evaluation stopped, and where in the expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct EvalError {
    /// What is wrong; never a value from the resource.
    pub text: String,
    /// The byte offset in the expression, from 0.
    pub position: usize,
    /// The line in the expression, from 1.
    pub line: u32,
    /// The column in the expression, from 1, in characters.
    pub column: u32,
    /// Whether the budget was spent.
    pub exhausted: bool,
}

/// An error inside the walk.
#[derive(Debug)]
pub(super) struct Fault {
    text: Cow<'static, str>,
    at: u32,
    exhausted: bool,
}

pub(super) type Outcome<T> = Result<T, Box<Fault>>;

impl Expression {
    /// Evaluates the expression on an element.
    ///
    /// Fails when the expression breaks a rule of the specification on this element (such as an operator that is
    /// given several values), or when the budget of the environment is spent.
    pub fn evaluate<'t>(
        &'t self,
        tree: &'t Tree<'_>,
        node: NodeId,
        environment: &'t Environment<'_>,
    ) -> Result<Collection<'t>, EvalError> {
        let mut machine = Machine::new(self, tree, Some(node), environment);
        let this = [Item::Node(node)];
        machine.eval(self.root(), Scope::of(&this)).map_err(|fault| self.error(&fault))
    }

    /// Evaluates an expression that needs no resource.
    pub fn evaluate_alone<'t>(
        &'t self,
        environment: &'t Environment<'_>,
    ) -> Result<Collection<'t>, EvalError> {
        static NOTHING: LazyLock<Tree<'static>> =
            LazyLock::new(|| Tree::from_value(&serde_json::Value::Object(serde_json::Map::new())));
        let mut machine = Machine::new(self, &NOTHING, None, environment);
        machine.eval(self.root(), Scope::of(&[])).map_err(|fault| self.error(&fault))
    }

    /// Evaluates an expression that says yes or no: an invariant. Nothing when it yields nothing.
    ///
    /// This is the fastest way: `and`, `or`, `implies`, `exists()` and their like need no collections.
    pub fn evaluate_boolean(
        &self,
        tree: &Tree<'_>,
        node: NodeId,
        environment: &Environment<'_>,
    ) -> Result<Option<bool>, EvalError> {
        let mut machine = Machine::new(self, tree, Some(node), environment);
        let this = [Item::Node(node)];
        machine.truth(self.root(), Scope::of(&this)).map_err(|fault| self.error(&fault))
    }

    fn error(&self, fault: &Fault) -> EvalError {
        let position = fault.at as usize;
        let (line, column) = crate::fhir::tree::position(self.source(), position);
        EvalError { text: fault.text.to_string(), position, line, column, exhausted: fault.exhausted }
    }
}

/// What `$this`, `$index` and `$total` mean.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 't> {
    /// One value, or none.
    this: &'s [Item<'t>],
    index: Option<i64>,
    total: Option<&'s Collection<'t>>,
}

impl<'s, 't> Scope<'s, 't> {
    fn of(this: &'s [Item<'t>]) -> Scope<'s, 't> {
        Scope { this, index: None, total: None }
    }

    fn item(self, item: &'s Item<'t>, index: usize) -> Scope<'s, 't> {
        Scope { this: std::slice::from_ref(item), index: i64::try_from(index).ok(), total: self.total }
    }
}

/// One evaluation.
pub(super) struct Machine<'t> {
    expression: &'t Expression,
    tree: &'t Tree<'t>,
    context: Option<NodeId>,
    environment: &'t Environment<'t>,
    fuel: u64,
    /// What `defineVariable` has defined, innermost last.
    defined: Vec<(Cow<'t, str>, Collection<'t>)>,
    /// Where paths from the resource lead that an argument has asked for.
    fixed: Vec<(ExprId, Collection<'t>)>,
}

impl<'t> Machine<'t> {
    fn new(
        expression: &'t Expression,
        tree: &'t Tree<'_>,
        context: Option<NodeId>,
        environment: &'t Environment<'_>,
    ) -> Machine<'t> {
        let (defined, fixed) = (Vec::new(), Vec::new());
        Machine { expression, tree, context, environment, fuel: environment.fuel, defined, fixed }
    }

    /// Takes steps from the budget.
    #[inline]
    fn spend(&mut self, steps: usize, at: ExprId) -> Outcome<()> {
        match self.fuel.checked_sub(steps as u64) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(Box::new(Fault {
                text: Cow::Borrowed("the evaluation takes more steps than are allowed"),
                at: self.expression.place(at),
                exhausted: true,
            })),
        }
    }

    #[cold]
    fn fail<T>(&self, at: ExprId, text: impl Into<Cow<'static, str>>) -> Outcome<T> {
        Err(Box::new(Fault { text: text.into(), at: self.expression.place(at), exhausted: false }))
    }

    /// Evaluates a part that is a scope of its own for `defineVariable`.
    fn eval(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Collection<'t>> {
        if self.expression.simple() {
            return self.step(id, scope);
        }
        let before = self.defined.len();
        let result = self.step(id, scope);
        self.defined.truncate(before);
        result
    }

    /// Evaluates one part.
    fn step(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Collection<'t>> {
        self.spend(1, id)?;
        let expression = self.expression;
        match expression.kind(id) {
            Kind::This => Ok(scope.this.iter().cloned().collect()),
            Kind::Position => Ok(value::maybe(scope.index.map(Item::Integer))),
            Kind::Total => Ok(scope.total.cloned().unwrap_or_default()),
            Kind::Literal(literal) => Ok(self.literal(literal)),
            Kind::Variable(name) => self.variable(name, id, scope),
            Kind::Member(None, name) => self.first_member(scope.this, name, id),
            Kind::Member(Some(_), _) if scope.index.is_some() && expression.is_fixed(id) => {
                self.fixed(id, scope)
            }
            Kind::Member(Some(base), name) => {
                let focus = self.step(*base, scope)?;
                self.members(&focus, name, id)
            }
            Kind::Call(base, function, args) => {
                let args = expression.args(*args);
                match base {
                    Some(base) => {
                        let focus = self.step(*base, scope)?;
                        self.call(&focus, *function, args, id, scope)
                    }
                    None => self.call(scope.this, *function, args, id, scope),
                }
            }
            Kind::Index(base, index) => {
                let focus = self.step(*base, scope)?;
                let at = self.integer(*index, scope)?;
                let item = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| focus.get(at).cloned());
                Ok(value::maybe(item))
            }
            Kind::Group(inner) => self.eval(*inner, scope),
            Kind::Negate(inner) => self.negate(*inner, id, scope),
            Kind::Positive(inner) => self.positive(*inner, id, scope),
            Kind::Binary(operator, left, right) => self.binary(*operator, *left, *right, id, scope),
            Kind::Is(inner, name) => self.is(*inner, name, id, scope),
            Kind::As(inner, name) => self.cast(*inner, name, true, id, scope),
            Kind::OfType(inner, name) => self.cast(*inner, name, false, id, scope),
        }
    }

    /// A path from the resource within an argument that is evaluated for each of many values: it is walked once.
    fn fixed(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Collection<'t>> {
        if let Some((_, found)) = self.fixed.iter().find(|(known, _)| *known == id) {
            return Ok(found.clone());
        }
        let found = self.step(id, Scope { index: None, ..scope })?;
        self.fixed.push((id, found.clone()));
        Ok(found)
    }

    fn literal(&self, literal: &'t Literal) -> Collection<'t> {
        one(match literal {
            Literal::Empty => return Collection::new(),
            Literal::Boolean(value) => Item::Boolean(*value),
            Literal::Integer(value) => Item::Integer(*value),
            Literal::Decimal(value) => Item::Decimal(*value),
            Literal::Text(value) => Item::text(&**value),
            Literal::Temporal(value) => Item::Temporal(*value),
            Literal::Quantity(value) => Item::quantity(value.clone()),
        })
    }

    /// Evaluates a part to yes, no or nothing by the rule for singletons, without collections where possible.
    fn truth(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Option<bool>> {
        let expression = self.expression;
        match expression.kind(id) {
            Kind::Group(inner) if expression.simple() => self.truth(*inner, scope),
            Kind::Binary(Operator::And, left, right) => {
                self.spend(1, id)?;
                match self.truth(*left, scope)? {
                    Some(false) => Ok(Some(false)),
                    left => Ok(match (left, self.truth(*right, scope)?) {
                        (_, Some(false)) => Some(false),
                        (Some(true), Some(true)) => Some(true),
                        _ => None,
                    }),
                }
            }
            Kind::Binary(Operator::Or, left, right) => {
                self.spend(1, id)?;
                match self.truth(*left, scope)? {
                    Some(true) => Ok(Some(true)),
                    left => Ok(match (left, self.truth(*right, scope)?) {
                        (_, Some(true)) => Some(true),
                        (Some(false), Some(false)) => Some(false),
                        _ => None,
                    }),
                }
            }
            Kind::Binary(Operator::Implies, left, right) => {
                self.spend(1, id)?;
                match self.truth(*left, scope)? {
                    Some(false) => Ok(Some(true)),
                    left => Ok(match (left, self.truth(*right, scope)?) {
                        (_, Some(true)) => Some(true),
                        (Some(true), right) => right,
                        _ => None,
                    }),
                }
            }
            Kind::Binary(Operator::Xor, left, right) => {
                self.spend(1, id)?;
                let left = self.truth(*left, scope)?;
                let right = self.truth(*right, scope)?;
                Ok(left.zip(right).map(|(left, right)| left != right))
            }
            Kind::Call(base, function @ (Function::Exists | Function::Empty), args) if args.len() == 0 => {
                self.spend(1, id)?;
                let any = match base {
                    Some(base) => self.any(*base, scope)?,
                    None => !scope.this.is_empty(),
                };
                Ok(Some(any == (*function == Function::Exists)))
            }
            Kind::Call(Some(base), Function::Not, _) => {
                self.spend(1, id)?;
                Ok(self.truth(*base, scope)?.map(|value| !value))
            }
            _ => {
                let result = self.eval(id, scope)?;
                self.singleton(&result, id)
            }
        }
    }

    /// Yes, no or nothing of a collection: the rule for singletons.
    fn singleton(&mut self, items: &[Item<'t>], at: ExprId) -> Outcome<Option<bool>> {
        match items {
            [] => Ok(None),
            [Item::Boolean(value)] => Ok(Some(*value)),
            [Item::Node(node)] => Ok(Some(match self.simple(*node) {
                Some(Item::Boolean(value)) => value,
                _ => true,
            })),
            [_] => Ok(Some(true)),
            _ => self.fail(at, "one value is needed here, and there are several"),
        }
    }

    /// A part as one value of the System types; nothing when it yields nothing.
    fn value(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Option<Item<'t>>> {
        let items = self.eval(id, scope)?;
        self.single(&items, id)
    }

    /// One value of a collection as a System type, where it has one.
    fn single(&mut self, items: &[Item<'t>], at: ExprId) -> Outcome<Option<Item<'t>>> {
        match items {
            [] => Ok(None),
            [Item::Node(node)] => Ok(Some(self.simple(*node).unwrap_or(Item::Node(*node)))),
            [item] => Ok(Some(item.clone())),
            _ => self.fail(at, "one value is needed here, and there are several"),
        }
    }

    /// A part as one whole number.
    fn integer(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Option<i64>> {
        match self.value(id, scope)? {
            None => Ok(None),
            Some(Item::Integer(value)) => Ok(Some(value)),
            Some(_) => self.fail(id, "a whole number is needed here"),
        }
    }

    /// A part as one text.
    fn string(&mut self, id: ExprId, scope: Scope<'_, 't>) -> Outcome<Option<Cow<'t, str>>> {
        match self.value(id, scope)? {
            None => Ok(None),
            Some(Item::Text(value)) => Ok(Some(value)),
            Some(_) => self.fail(id, "a text is needed here"),
        }
    }

    fn variable(&mut self, name: &'t str, at: ExprId, scope: Scope<'_, 't>) -> Outcome<Collection<'t>> {
        if let Some((_, values)) = self.defined.iter().rev().find(|(defined, _)| defined == name) {
            return Ok(values.clone());
        }
        if let Some((_, node)) = self.environment.variables.iter().find(|(given, _)| *given == name) {
            return Ok(one(Item::Node(*node)));
        }
        let text = match name {
            "context" => return Ok(value::maybe(self.context.map(Item::Node))),
            "resource" => return Ok(value::maybe(self.resource().map(Item::Node))),
            "rootResource" => return Ok(value::maybe(self.root_resource().map(Item::Node))),
            "ucum" => Cow::Borrowed("http://unitsofmeasure.org"),
            "sct" => Cow::Borrowed("http://snomed.info/sct"),
            "loinc" => Cow::Borrowed("http://loinc.org"),
            _ => match name.split_once('-') {
                Some(("vs", id)) => Cow::Owned(format!("http://hl7.org/fhir/ValueSet/{id}")),
                Some(("cs", id)) => Cow::Owned(format!("http://hl7.org/fhir/{id}")),
                Some(("ext", id)) => Cow::Owned(format!("http://hl7.org/fhir/StructureDefinition/{id}")),
                _ => {
                    let _ = scope;
                    return self.fail(at, format!("the variable `%{name}` is not known"));
                }
            },
        };
        Ok(one(Item::Text(text)))
    }

    fn resource(&self) -> Option<NodeId> {
        self.environment.resource.or_else(|| self.context.map(|node| self.tree.resource_of(node)))
    }

    fn root_resource(&self) -> Option<NodeId> {
        let given = self.environment.root_resource;
        given.or_else(|| self.resource().map(|node| super::reference::container_of(self.tree, node)))
    }
}

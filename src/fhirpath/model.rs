//! What an expression needs to know from outside: types, references, terminology, the time.

use super::temporal::Temporal;
use super::value::Collection;
use crate::fhir::tree::{NodeId, Tree};
use jiff::Timestamp;

/// The types of FHIR: which elements a type has and what they are.
///
/// A type is named as FHIR names it (`Patient`, `HumanName`, `code`); the type of an element that has its own
/// children in a resource is named by its path (`Patient.contact`). Primitive values that FHIR types by
/// `http://hl7.org/fhirpath/System.String` are named by the FHIR type (`id`, `string`, `uri`).
pub trait Model: Send + Sync {
    /// The type of an element as written: `valueQuantity` in `Observation` is `Quantity`. Nothing when there is no
    /// such element. The type of a contained resource is `Resource`.
    fn child_type(&self, parent: &str, name: &str) -> Option<&str>;

    /// Whether `name` is an element with a choice of types (`value` in `Observation`).
    fn is_choice(&self, parent: &str, name: &str) -> bool;

    /// The type that this one specialises: `Quantity` for `Age`, `string` for `code`, `DomainResource` for `Patient`,
    /// `BackboneElement` for `Patient.contact`.
    fn base(&self, name: &str) -> Option<&str>;

    /// Whether the type exists.
    fn is_type(&self, name: &str) -> bool;

    /// The element of this name, without the `[x]` of a choice, for checking expressions before they are used.
    fn element(&self, parent: &str, name: &str) -> Option<Element>;

    /// The names of the elements of a type, without `[x]`.
    fn names(&self, parent: &str) -> Vec<String>;
}

/// An element of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its types; for a choice of any type, all of them.
    pub types: Vec<String>,
    /// Whether it may stand more than once.
    pub repeats: bool,
}

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// To a resource in the same tree.
    Found(NodeId),
    /// To a resource that is not at hand, of which the type is known.
    Typed(String),
    /// Nowhere that is known.
    Unknown,
}

/// What only the caller can answer. Every method has a default: in-tree references, and no answer.
pub trait Services: Send + Sync {
    /// Where the reference at `from` leads. By default contained resources and the entries of a Bundle in the same
    /// tree are found.
    fn resolve(&self, tree: &Tree<'_>, from: NodeId, reference: &str) -> Resolution {
        super::reference::resolve(tree, from, reference)
    }

    /// Whether an element conforms to a profile; `Err` names why that cannot be said.
    fn conforms_to(&self, _tree: &Tree<'_>, _node: NodeId, profile: &str) -> Result<bool, String> {
        Err(format!("the profile `{profile}` is not known here"))
    }

    /// Whether a code is in a value set: nothing when that cannot be said.
    fn member_of(&self, _coded: &Coded<'_>, _value_set: &str) -> Option<bool> {
        None
    }

    /// Whether the first code subsumes the second: nothing when that cannot be said.
    fn subsumes(&self, _system: &str, _general: &str, _special: &str) -> Option<bool> {
        None
    }

    /// Whether the element keeps to the definition of a slice in a profile: nothing when that cannot be said.
    fn in_slice(&self, _tree: &Tree<'_>, _node: NodeId, _profile: &str, _slice: &str) -> Option<bool> {
        None
    }

    /// Whether a narrative keeps to the rules for XHTML: nothing when that cannot be said.
    fn html_checks(&self, _tree: &Tree<'_>, _node: NodeId) -> Option<bool> {
        None
    }

    /// Takes what `trace()` reports.
    fn trace(&self, _tree: &Tree<'_>, _name: &str, _values: &Collection<'_>) {}
}

/// What is asked of a value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coded<'t> {
    /// A code, string or uri without a system.
    Code(&'t str),
    /// The codings of a CodeableConcept or Coding: system, version, code.
    Codings(Vec<Coding<'t>>),
}

/// One coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding<'t> {
    /// The code system.
    pub system: Option<&'t str>,
    /// The version of the code system.
    pub version: Option<&'t str>,
    /// The code.
    pub code: Option<&'t str>,
}

/// No types: everything is judged by how it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untyped;

impl Model for Untyped {
    fn child_type(&self, _: &str, _: &str) -> Option<&str> {
        None
    }

    fn is_choice(&self, _: &str, _: &str) -> bool {
        true
    }

    fn base(&self, _: &str) -> Option<&str> {
        None
    }

    fn is_type(&self, _: &str) -> bool {
        true
    }

    fn element(&self, _: &str, _: &str) -> Option<Element> {
        None
    }

    fn names(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

impl Services for Untyped {}

/// What an evaluation may use.
#[derive(Clone, Copy)]
pub struct Environment<'e> {
    /// The types.
    pub model: &'e dyn Model,
    /// References, profiles, terminology.
    pub services: &'e dyn Services,
    /// The time that `now()`, `today()` and `timeOfDay()` tell.
    pub now: Timestamp,
    /// The type of the node that is evaluated, where the caller knows it: saves looking it up.
    pub context_type: Option<&'e str>,
    /// `%resource`; by default the nearest resource at or above the node.
    pub resource: Option<NodeId>,
    /// `%rootResource`; by default the resource that contains `%resource`, or itself.
    pub root_resource: Option<NodeId>,
    /// More variables, without the `%`.
    pub variables: &'e [(&'e str, NodeId)],
    /// Whether `String`, `Boolean` and their like, without a namespace, mean FHIR's primitives too: published
    /// invariants are written so (`que-7`), though the specification keeps the two apart.
    pub capital_types: bool,
    /// How many steps may be taken before the evaluation is stopped.
    pub fuel: u64,
}

impl<'e> Environment<'e> {
    /// Two million steps: more than any published invariant needs on a resource of 10 MB.
    pub const FUEL: u64 = 2_000_000;

    /// An environment with these types and services and otherwise the defaults.
    pub fn new(model: &'e dyn Model, services: &'e dyn Services, now: Timestamp) -> Environment<'e> {
        Environment {
            model,
            services,
            now,
            context_type: None,
            resource: None,
            root_resource: None,
            variables: &[],
            capital_types: false,
            fuel: Environment::FUEL,
        }
    }

    /// An environment without types.
    pub fn untyped(now: Timestamp) -> Environment<'static> {
        Environment::new(&Untyped, &Untyped, now)
    }

    /// The type of an element, where the model knows it.
    pub fn type_of<'t>(&'t self, tree: &'t Tree<'_>, node: NodeId) -> Option<&'t str> {
        if let Some(name) = tree.resource_type(node) {
            return Some(name);
        }
        let parent = self.type_of(tree, tree.parent(node)?)?;
        self.model.child_type(parent, tree.name(node))
    }

    pub(super) fn instant(&self) -> Temporal {
        Temporal::from_timestamp(self.now)
    }
}

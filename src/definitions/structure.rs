//! A StructureDefinition, typed: what validation, FHIRPath and conversion read of it.
//!
//! Implements <https://hl7.org/fhir/R4/structuredefinition.html> and
//! <https://hl7.org/fhir/R4/elementdefinition.html>.

use serde_json::Value;

/// What a StructureDefinition describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StructureKind {
    /// A primitive type, such as `dateTime`.
    Primitive,
    /// A data type with elements, such as `Coding`; extensions are of this kind.
    Complex,
    /// A resource, or a profile on one.
    Resource,
    /// A logical model.
    Logical,
}

/// How a StructureDefinition relates to its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// It defines a new type.
    Specialization,
    /// It is a profile: it narrows an existing type.
    Constraint,
}

/// A place where an extension may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The way the place is told: `element`, `extension` or `fhirpath`.
    pub kind: String,
    /// The place.
    pub expression: String,
}

/// One StructureDefinition with its snapshot.
#[derive(Clone, Debug)]
pub struct Structure {
    /// Its canonical, without the version.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Its computable name.
    pub name: String,
    /// Its publication status.
    pub status: String,
    /// What it describes.
    pub kind: StructureKind,
    /// Whether nothing can be of this type itself.
    pub is_abstract: bool,
    /// The type it defines or constrains, such as `Flag`.
    pub type_name: String,
    /// The canonical of the definition it derives from.
    pub base: Option<String>,
    /// How it derives from it.
    pub derivation: Option<Derivation>,
    /// Where it may be used, when it is an extension.
    pub contexts: Vec<Context>,
    /// FHIRPath conditions on the place of use, when it is an extension.
    pub context_invariants: Vec<String>,
    /// The extensions on the definition itself.
    pub extensions: Vec<Value>,
    /// The snapshot; the first element is the root.
    pub elements: Vec<Element>,
    /// Whether the snapshot was generated here from the differential.
    pub generated: bool,
}

impl Structure {
    /// The canonical with its version, for messages.
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }

    /// Whether it is a profile.
    pub fn is_profile(&self) -> bool {
        self.derivation == Some(Derivation::Constraint)
    }
}

/// One element of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Element {
    /// Its id, such as `Flag.extension:lawfulBasis`.
    pub id: String,
    /// Its path, such as `Flag.extension`.
    pub path: String,
    /// The name of the slice it defines.
    pub slice_name: Option<String>,
    /// The fewest occurrences.
    pub min: u32,
    /// The most occurrences; nothing when unlimited.
    pub max: Option<u32>,
    /// The path of the element in the definition that introduced it.
    pub base_path: String,
    /// Whether that definition lets it repeat, so that JSON writes it as an array.
    pub repeats: bool,
    /// The types it may have; empty when `content_reference` is given and at the root.
    pub types: Vec<TypeReference>,
    /// The path of the element whose content this one has, without the leading `#`.
    pub content_reference: Option<String>,
    /// Its exact value: the type suffix of the member (`Uri`) and the value.
    pub fixed: Option<(String, Value)>,
    /// What its value must contain.
    pub pattern: Option<(String, Value)>,
    /// The least value.
    pub min_value: Option<(String, Value)>,
    /// The greatest value.
    pub max_value: Option<(String, Value)>,
    /// The most characters.
    pub max_length: Option<u32>,
    /// The value set it is bound to.
    pub binding: Option<Binding>,
    /// Its invariants.
    pub constraints: Vec<Constraint>,
    /// How its repetitions are sliced.
    pub slicing: Option<Slicing>,
    /// Whether it changes the meaning of what holds it.
    pub is_modifier: bool,
    /// Whether the profile says that it must be supported.
    pub must_support: bool,
    /// Whether it is part of the summary.
    pub is_summary: bool,
    /// How XML writes it: `xmlAttr`, `xhtml` …; usually empty.
    pub representation: Vec<String>,
    /// The extensions on the element's definition.
    pub extensions: Vec<Value>,
}

impl Element {
    /// The last part of the path, with `[x]` where it is a choice.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Whether the element's name takes the name of its type: `value[x]`.
    pub fn is_choice(&self) -> bool {
        self.path.ends_with("[x]")
    }
}

/// One type that an element may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeReference {
    /// The type's name, such as `Reference`; for the values inside primitives, such as `System.String`.
    pub code: String,
    /// Profiles on the type, one of which must be met.
    pub profiles: Vec<String>,
    /// The element of each profile that is meant, where the extension `elementdefinition-profile-element` names one.
    pub profile_elements: Vec<String>,
    /// Profiles on the target of a reference or canonical, one of which must be met.
    pub targets: Vec<String>,
    /// Where the target of a reference may stand: `contained`, `referenced`, `bundled`.
    pub aggregation: Vec<String>,
    /// Whether a reference must name a version: `either`, `independent`, `specific`.
    pub versioning: Option<String>,
    /// The extensions on the type, such as the regular expression of a primitive.
    pub extensions: Vec<Value>,
}

/// How strictly a value set binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// The codes are examples.
    Example,
    /// The codes are encouraged.
    Preferred,
    /// A code must be one of them when one of them fits.
    Extensible,
    /// A code must be one of them.
    Required,
}

impl Strength {
    /// Reads the FHIR code.
    pub fn of(code: &str) -> Option<Strength> {
        Some(match code {
            "example" => Strength::Example,
            "preferred" => Strength::Preferred,
            "extensible" => Strength::Extensible,
            "required" => Strength::Required,
            _ => return None,
        })
    }

    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Strength::Example => "example",
            Strength::Preferred => "preferred",
            Strength::Extensible => "extensible",
            Strength::Required => "required",
        }
    }
}

/// The binding of an element to a value set.
#[derive(Clone, Debug)]
pub struct Binding {
    /// How strictly it binds.
    pub strength: Strength,
    /// The canonical of the value set, perhaps with `|version`.
    pub value_set: Option<String>,
    /// The value set that bounds an extensible or preferred binding.
    pub max_value_set: Option<String>,
    /// Further bindings (R5's `additional`, or the extension for it): their purpose and value set.
    pub additional: Vec<(String, String)>,
    /// The extensions on the binding.
    pub extensions: Vec<Value>,
}

/// One invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its key, such as `ele-1`.
    pub key: String,
    /// Whether a breach is an error; otherwise it is a warning.
    pub is_error: bool,
    /// What it says, for people.
    pub human: String,
    /// What it says, as FHIRPath; absent when only people can check it.
    pub expression: Option<String>,
    /// The canonical of the definition that made it.
    pub source: Option<String>,
    /// Whether it is a matter of best practice.
    pub best_practice: bool,
}

/// How the repetitions of an element are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slicing {
    /// What tells them apart.
    pub discriminators: Vec<Discriminator>,
    /// Whether the slices must stand in order.
    pub ordered: bool,
    /// `open`, `closed` or `openAtEnd`.
    pub rules: String,
}

/// What tells slices apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discriminator {
    /// `value`, `pattern`, `exists`, `type` or `profile`.
    pub kind: String,
    /// Where to look, from the sliced element: a restricted FHIRPath.
    pub path: String,
}

//! From a typed snapshot to the compiled form.

use super::children::{Children, Member};
use super::slices::{self, Discriminator, DiscriminatorKind, Rules, Slice, Slicing};
use super::{
    Aggregation, Binding, Bound, Class, Context, ContextKind, Element, Kind, Registry, Schema, Target, Type,
    Values, Versioning,
};
use crate::definitions::structure;
use crate::fhir::primitive::Primitive;
use std::sync::OnceLock;

/// Compiles a structure. Never fails: what cannot be used (an invariant that does not parse) says so when it is met.
pub(super) fn compile(structure: &structure::Structure, registry: &Registry) -> Schema {
    let mut elements: Vec<Element> =
        structure.elements.iter().map(|element| convert(element, structure, registry)).collect();
    let compiler = Compiler {
        source: &structure.elements,
        primitive: structure.kind == structure::StructureKind::Primitive,
    };
    compiler.link(&mut elements);
    Schema {
        url: structure.url.clone(),
        version: structure.version.clone(),
        type_name: structure.type_name.clone(),
        kind: match structure.kind {
            structure::StructureKind::Primitive => Kind::Primitive,
            structure::StructureKind::Complex => Kind::Complex,
            structure::StructureKind::Resource => Kind::Resource,
            structure::StructureKind::Logical => Kind::Logical,
        },
        constraint: structure.is_profile(),
        is_abstract: structure.is_abstract,
        base: structure.base.clone(),
        lineage: OnceLock::new(),
        complete: structure.generated,
        elements,
        contexts: structure.contexts.iter().filter_map(context).collect(),
        context_invariants: structure.context_invariants.clone(),
    }
}

fn context(context: &structure::Context) -> Option<Context> {
    let kind = match context.kind.as_str() {
        "element" => ContextKind::Element,
        "extension" => ContextKind::Extension,
        "fhirpath" => ContextKind::FhirPath,
        _ => return None,
    };
    Some(Context { kind, expression: context.expression.clone() })
}

fn convert(element: &structure::Element, structure: &structure::Structure, registry: &Registry) -> Element {
    let name = element.name();
    let choice = name.ends_with("[x]");
    let stem = name.strip_suffix("[x]").unwrap_or(name);
    let is_root = !element.path.contains('.');
    let types = if is_root {
        Vec::new()
    } else {
        element
            .types
            .iter()
            .map(|reference| of_type(reference, element, structure, stem, choice, registry))
            .collect()
    };
    let value = |pair: &Option<(String, serde_json::Value)>| pair.as_ref().map(|(_, value)| value.clone());
    let values = Values {
        fixed: value(&element.fixed),
        pattern: value(&element.pattern),
        max_length: element.max_length.map(|length| length as usize),
        min_value: value(&element.min_value),
        max_value: value(&element.max_value),
    };
    let ruled = values.fixed.is_some()
        || values.pattern.is_some()
        || values.max_length.is_some()
        || values.min_value.is_some()
        || values.max_value.is_some();
    let source = structure.canonical();
    Element {
        path: element.path.as_str().into(),
        id: element.id.as_str().into(),
        name: stem.into(),
        slice_name: element.slice_name.as_deref().map(Into::into),
        min: element.min,
        max: element.max.unwrap_or(u32::MAX),
        many: element.repeats,
        choice,
        types,
        children: Children::default(),
        slicing: None,
        values: ruled.then(|| Box::new(values)),
        binding: element.binding.as_ref().and_then(|one| binding(one, element, structure)).map(Box::new),
        invariants: element
            .constraints
            .iter()
            .filter_map(|constraint| registry.invariant(constraint, &source))
            .collect(),
        content: None,
        modifier: element.is_modifier,
        extensions: element
            .extensions
            .iter()
            .filter(|extension| super::super::demands::matters(extension))
            .cloned()
            .collect(),
    }
}

/// The vital signs profiles of the published R4 bind the units of components as required; HL7's correction to R4 made
/// that extensible, for a component may well have another unit.
fn corrected(
    strength: structure::Strength,
    element: &structure::Element,
    value_set: &str,
) -> structure::Strength {
    let units = value_set.starts_with("http://hl7.org/fhir/ValueSet/ucum-vitals-common");
    if units && element.path.starts_with("Observation.component.value") {
        structure::Strength::Extensible
    } else {
        strength
    }
}

fn binding(
    binding: &structure::Binding,
    element: &structure::Element,
    structure: &structure::Structure,
) -> Option<Binding> {
    let additional: Vec<_> = binding
        .additional
        .iter()
        .filter_map(|(purpose, value_set)| {
            let strength = match purpose.as_str() {
                "required" | "maximum" => structure::Strength::Required,
                "extensible" => structure::Strength::Extensible,
                _ => return None,
            };
            Some(Bound::new(strength, value_set))
        })
        .collect();
    let example = binding.strength == structure::Strength::Example || binding.value_set.is_none();
    if example && binding.max_value_set.is_none() && additional.is_empty() {
        return None;
    }
    let value_set = binding.value_set.as_deref().unwrap_or("");
    let strength = corrected(binding.strength, element, value_set);
    // `#id` is a value set that the profile itself contains.
    let local = value_set.starts_with('#').then(|| format!("{}{value_set}", structure.url));
    Some(Binding {
        value_set: Bound::new(strength, local.as_deref().unwrap_or(value_set)),
        most: binding.max_value_set.as_deref().map(|most| Bound::new(structure::Strength::Required, most)),
        additional,
    })
}

fn of_type(
    reference: &structure::TypeReference,
    element: &structure::Element,
    structure: &structure::Structure,
    stem: &str,
    choice: bool,
    registry: &Registry,
) -> Type {
    let code = reference.code.as_str();
    let member = if choice { format!("{stem}{}", capitalised(code)) } else { stem.to_owned() };
    let class = if element.representation.iter().any(|one| one == "xhtml") || code == "xhtml" {
        Class::Xhtml
    } else if let Some(primitive) = Primitive::of(code).or_else(|| system_type(code)) {
        Class::Primitive(primitive)
    } else {
        match code {
            "Extension" => Class::Extension,
            "Reference" => Class::Reference,
            "Coding" => Class::Coding,
            "CodeableConcept" => Class::Concept,
            "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" | "MoneyQuantity" => {
                Class::Quantity
            }
            "Identifier" => Class::Identifier,
            "Attachment" => Class::Attachment,
            "Element" | "BackboneElement" => Class::Backbone,
            _ if structure.kind != structure::StructureKind::Logical && registry.is_resource(code) => {
                Class::Resource
            }
            _ => Class::Complex,
        }
    };
    let targets =
        reference.targets.iter().map(|url| Target { url: url.as_str().into(), type_name: OnceLock::new() });
    Type {
        code: code.into(),
        member: member.into(),
        class,
        parts: reference.profile_elements.iter().map(|id| id.as_str().into()).collect(),
        profiles: reference.profiles.iter().map(|url| url.as_str().into()).collect(),
        targets: targets.collect(),
        aggregation: reference
            .aggregation
            .iter()
            .filter_map(|one| match one.as_str() {
                "contained" => Some(Aggregation::Contained),
                "referenced" => Some(Aggregation::Referenced),
                "bundled" => Some(Aggregation::Bundled),
                _ => None,
            })
            .collect(),
        versioning: match reference.versioning.as_deref() {
            Some("independent") => Versioning::Independent,
            Some("specific") => Versioning::Specific,
            _ => Versioning::Either,
        },
        schema: OnceLock::new(),
    }
}

/// The FHIRPath system types that stand inside primitives.
fn system_type(code: &str) -> Option<Primitive> {
    Some(match code {
        "String" => Primitive::String,
        "Boolean" => Primitive::Boolean,
        "Integer" => Primitive::Integer,
        "Decimal" => Primitive::Decimal,
        "Date" => Primitive::Date,
        "DateTime" => Primitive::DateTime,
        "Time" => Primitive::Time,
        _ => return None,
    })
}

/// The name of a type as a choice writes it: `dateTime` becomes `DateTime`.
pub(in super::super) fn capitalised(code: &str) -> String {
    let mut characters = code.chars();
    match characters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + characters.as_str(),
        None => String::new(),
    }
}

struct Compiler<'s> {
    source: &'s [structure::Element],
    /// Of a primitive type: its `value` is no member of its own.
    primitive: bool,
}

impl Compiler<'_> {
    /// Finds each element's children and slices by order and path.
    fn link(&self, elements: &mut [Element]) {
        for index in 0..elements.len() {
            let Some(path) = elements.get(index).map(|element| element.path.clone()) else { continue };
            let prefix = format!("{path}.");
            let mut children = Children::default();
            let mut last: Option<(Box<str>, usize)> = None;
            let mut slices: Vec<(usize, usize)> = Vec::new();
            for (other, element) in elements.iter().enumerate().skip(index + 1) {
                let Some(rest) = element.path.strip_prefix(prefix.as_str()) else { break };
                if rest.contains('.') || (self.primitive && rest == "value") {
                    continue;
                }
                match &last {
                    Some((path, sliced)) if element.slice_name.is_some() && *path == element.path => {
                        slices.push((*sliced, other));
                    }
                    _ => {
                        let slot = children.slot(u32::try_from(other).unwrap_or(u32::MAX));
                        name(&mut children, element, slot);
                        last = Some((element.path.clone(), other));
                    }
                }
            }
            children.finish();
            if let Some(element) = elements.get_mut(index) {
                element.children = children;
            }
            self.slices(elements, &slices);
            self.content(elements, index);
        }
    }

    fn content(&self, elements: &mut [Element], index: usize) {
        let Some(reference) = self.source.get(index).and_then(|element| element.content_reference.as_deref())
        else {
            return;
        };
        let target = elements
            .iter()
            .position(|element| element.id.as_ref() == reference)
            .or_else(|| elements.iter().position(|element| element.path.as_ref() == reference));
        if let Some(element) = elements.get_mut(index) {
            element.content = target;
        }
    }

    /// Gives each sliced element its slices; a name with `/` is a slice of a slice.
    fn slices(&self, elements: &mut [Element], found: &[(usize, usize)]) {
        let mut seen: Vec<usize> = Vec::new();
        for (sliced, _) in found {
            if seen.contains(sliced) {
                continue;
            }
            seen.push(*sliced);
            let all: Vec<usize> =
                found.iter().filter(|(owner, _)| owner == sliced).map(|(_, slice)| *slice).collect();
            self.divide(elements, *sliced, &all, "");
        }
    }

    fn divide(&self, elements: &mut [Element], owner: usize, all: &[usize], prefix: &str) {
        let named = |elements: &[Element], index: usize| -> String {
            elements.get(index).and_then(|element| element.slice_name.as_deref()).unwrap_or("").to_owned()
        };
        let mut direct = Vec::new();
        for index in all {
            let name = named(elements, *index);
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            let nested = all.iter().any(|other| {
                other != index && {
                    let other = named(elements, *other);
                    other.len() > prefix.len()
                        && other.starts_with(prefix)
                        && name.starts_with(&format!("{other}/"))
                }
            });
            if !rest.is_empty() && !nested {
                direct.push((*index, name));
            }
        }
        let slices = direct
            .iter()
            .map(|(index, name)| Slice {
                name: name.as_str().into(),
                element: u32::try_from(*index).unwrap_or(u32::MAX),
                tests: OnceLock::new(),
            })
            .collect();
        let slicing = self.slicing(elements, owner, slices);
        if let Some(element) = elements.get_mut(owner) {
            element.slicing = Some(Box::new(slicing));
        }
        for (index, name) in direct {
            let inner = format!("{name}/");
            if all.iter().any(|other| named(elements, *other).starts_with(&inner)) {
                self.divide(elements, index, all, &inner);
            }
        }
    }

    fn slicing(&self, elements: &[Element], owner: usize, slices: Vec<Slice>) -> Slicing {
        let stated = self.source.get(owner).and_then(|element| element.slicing.as_ref());
        let element = elements.get(owner);
        let Some(stated) = stated else {
            // Without its own word, a choice is sliced by type and an extension by url.
            let extension =
                element.is_some_and(|e| matches!(e.name.as_ref(), "extension" | "modifierExtension"));
            let choice = element.is_some_and(|e| e.choice);
            let by = |kind, path: &str| Discriminator { kind, steps: slices::steps(path) };
            let discriminators = match (extension, choice) {
                (true, _) => vec![by(DiscriminatorKind::Value, "url")],
                (_, true) => vec![by(DiscriminatorKind::Type, "$this")],
                _ => Vec::new(),
            };
            return Slicing { discriminators, rules: Rules::Open, ordered: false, slices };
        };
        let discriminators = stated.discriminators.iter().map(|one| Discriminator {
            kind: match one.kind.as_str() {
                "exists" => DiscriminatorKind::Exists,
                "type" => DiscriminatorKind::Type,
                "profile" => DiscriminatorKind::Profile,
                _ => DiscriminatorKind::Value,
            },
            steps: slices::steps(&one.path),
        });
        Slicing {
            discriminators: discriminators.collect(),
            rules: match stated.rules.as_str() {
                "closed" => Rules::Closed,
                "openAtEnd" => Rules::OpenAtEnd,
                _ => Rules::Open,
            },
            ordered: stated.ordered,
            slices,
        }
    }
}

/// The names by which an element may be written.
fn name(children: &mut Children, element: &Element, slot: u16) {
    if element.choice {
        for (position, of_type) in element.types.iter().enumerate() {
            let of_type_position = u16::try_from(position).unwrap_or(u16::MAX);
            children.name(&of_type.member, Member { slot, of_type: of_type_position });
        }
    } else {
        children.name(&element.name, Member { slot, of_type: 0 });
    }
}

//! The types of FHIR as a table: from an element and a member's name to the member's type.
//!
//! FHIRPath and the XML reader need the plain types, never profiles; each type is read from the pack once.

use super::Table;
use super::pack::Pack;
use super::structure::Structure;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The tables of all types, each made when it is first asked for.
pub(super) type Models = Table<&'static str, OnceLock<Option<Arc<TypeModel>>>>;

/// The members of one type and of the elements inside it.
#[derive(Debug)]
pub struct TypeModel {
    /// The name of the type, such as `Observation`.
    pub name: String,
    /// The type it specialises, such as `DomainResource`.
    pub base: Option<String>,
    elements: Vec<Table<Box<str>, Member>>,
    paths: Vec<Box<str>>,
}

/// One member that an element may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The element's name: `value` for the member `valueQuantity`.
    pub element: Box<str>,
    /// The type: `Quantity`; `BackboneElement` or `Element` for what is defined in place.
    pub type_name: Box<str>,
    /// Whether the element repeats, so that JSON writes an array.
    pub repeats: bool,
    /// Whether the member's name carries its type.
    pub is_choice: bool,
    /// Whether XML writes it as an attribute.
    pub is_attribute: bool,
    /// The element of the same [`TypeModel`] that holds its members; nothing when they are those of its type.
    pub inside: Option<usize>,
}

impl TypeModel {
    /// The member of this name of an element; element 0 is the type itself.
    pub fn member(&self, element: usize, name: &str) -> Option<&Member> {
        self.elements.get(element)?.get(name)
    }

    /// The path of an element in the type's own definition, such as `Questionnaire.item` for what
    /// `Questionnaire.item.item` holds again.
    pub fn path(&self, element: usize) -> Option<&str> {
        self.paths.get(element).map(|path| &**path)
    }

    /// All members of an element, in no particular order.
    pub fn members(&self, element: usize) -> impl Iterator<Item = (&str, &Member)> {
        self.elements.get(element).into_iter().flatten().map(|(name, member)| (&**name, member))
    }

    /// Makes the table of a type from its snapshot.
    pub(super) fn of(structure: &Structure) -> TypeModel {
        let paths: HashMap<&str, usize> =
            structure.elements.iter().enumerate().map(|(i, element)| (element.path.as_str(), i)).collect();
        let mut elements: Vec<Table<Box<str>, Member>> = vec![Table::default(); structure.elements.len()];
        for (at, element) in structure.elements.iter().enumerate() {
            let Some((parent, name)) = element.path.rsplit_once('.') else { continue };
            let Some(holder) = paths.get(parent).and_then(|i| elements.get_mut(*i)) else { continue };
            let plain = name.trim_end_matches("[x]");
            let referenced = element.content_reference.as_deref().and_then(|path| paths.get(path)).copied();
            let member = |type_name: &str, inside: Option<usize>| Member {
                element: plain.into(),
                type_name: type_name.into(),
                repeats: element.repeats,
                is_choice: element.is_choice(),
                is_attribute: element.representation.iter().any(|how| how == "xmlAttr"),
                inside,
            };
            if referenced.is_some() {
                holder.insert(plain.into(), member("BackboneElement", referenced));
            }
            for one in &element.types {
                let in_place = matches!(one.code.as_str(), "BackboneElement" | "Element");
                let known = member(&one.code, in_place.then_some(at));
                let mut named = plain.to_owned();
                if element.is_choice() {
                    let mut letters = one.code.chars();
                    named.extend(letters.next().map(|first| first.to_ascii_uppercase()));
                    named.push_str(letters.as_str());
                }
                holder.insert(named.into_boxed_str(), known);
            }
        }
        let last = |url: &String| url.rsplit('/').next().unwrap_or_default().to_owned();
        TypeModel {
            name: structure.type_name.clone(),
            base: structure.base.as_ref().map(last),
            elements,
            paths: structure.elements.iter().map(|element| element.path.as_str().into()).collect(),
        }
    }
}

impl super::Definitions {
    /// The table of a FHIR type: a resource, a data type or an abstract type.
    pub fn model(&self, type_name: &str) -> Option<&Arc<TypeModel>> {
        let all =
            self.models.get_or_init(|| Pack::get().type_names().map(|n| (n, OnceLock::new())).collect());
        let make = || Some(Arc::new(TypeModel::of(&*self.type_structure(type_name)?)));
        all.get(type_name)?.get_or_init(make).as_ref()
    }

    /// Whether a type is another or specialises it: `Flag` is a `DomainResource`, `Age` is a `Quantity`.
    pub fn is_a(&self, type_name: &str, ancestor: &str) -> bool {
        let pack = Pack::get();
        let mut at = type_name;
        for _ in 0..16 {
            if at == ancestor {
                return true;
            }
            let Some(listing) = pack.find_type(at) else { return false };
            at = listing.base.rsplit('/').next().unwrap_or_default();
        }
        false
    }

    /// Whether this is the name of a resource type that can be instantiated.
    pub fn is_resource_type(&self, name: &str) -> bool {
        let listing = Pack::get().find_type(name);
        listing.is_some_and(|listing| listing.kind == "resource" && !listing.is_abstract)
    }
}

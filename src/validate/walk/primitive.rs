//! The value of a primitive: its JSON type, its form and its meaning.

use super::Walk;
use crate::fhir::Severity;
use crate::fhir::primitive::{LONGEST, Primitive};
use crate::fhir::tree::{Kind, NodeId, Tag};
use crate::validate::references::is_absolute;
use crate::validate::rules;

const ID: Tag = Tag::of("id");
const URL: Tag = Tag::of("url");

impl Walk<'_> {
    pub(super) fn primitive(&mut self, node: NodeId, primitive: Primitive) {
        let tree = self.tree;
        let kind = tree.kind(node);
        let right = match kind {
            Kind::String => !primitive.is_number() && primitive != Primitive::Boolean,
            Kind::Number => primitive.is_number(),
            Kind::Bool => primitive == Primitive::Boolean,
            _ => true,
        };
        if !right {
            self.error(rules::JSON_KIND, node, || {
                let kind = match primitive {
                    Primitive::Boolean => "`true` or `false`",
                    known if known.is_number() => "a number",
                    _ => "a string",
                };
                format!("JSON writes this element as {kind}")
            });
        }
        if matches!(tree.tag(node), ID | URL) {
            self.attribute(node, kind);
        }
        let Some(value) = tree.value(node) else {
            if !tree.children(node).any(|child| tree.name(child) == "extension") {
                self.error(rules::PRIMITIVE_VALUE, node, || {
                    "a primitive must have a value or an extension".into()
                });
            }
            return;
        };
        if value.is_empty() {
            if kind == Kind::Element || kind == Kind::Attribute {
                self.error(rules::EMPTY_STRING, node, || "a value must not be empty".into());
            }
            return;
        }
        if let Err(wrong) = primitive.check(value) {
            // Text SHOULD have no control characters; all else that a type says of its text is binding.
            let text = matches!(primitive, Primitive::String | Primitive::Markdown);
            let severity = if text && value.len() <= LONGEST { Severity::Warning } else { Severity::Error };
            let shown = self.show(value);
            self.find(severity, rules::PRIMITIVE_FORMAT, node, || format!("{wrong}{shown}"));
            return;
        }
        if primitive == Primitive::Canonical && !value.starts_with('#') && !is_absolute(value) {
            self.error(rules::CANONICAL_ABSOLUTE, node, || {
                "a canonical must be absolute, or a fragment".into()
            });
        }
        if matches!(primitive, Primitive::String | Primitive::Markdown) {
            let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_whitespace());
            let bytes = value.as_bytes();
            if primitive == Primitive::String && (edge(bytes.first()) || edge(bytes.last())) {
                self.warning(rules::PRIMITIVE_FORMAT, node, || {
                    "a string should not begin or end with white space".into()
                });
            }
            if primitive == Primitive::Markdown && memchr::memchr(b'<', bytes).is_some() {
                self.markdown(node, value);
            }
        }
    }

    /// The id of an element and the URL of an extension: attributes in XML, and an id stands once in a resource.
    fn attribute(&mut self, node: NodeId, kind: Kind) {
        let tree = self.tree;
        let Some(parent) = tree.parent(node).filter(|parent| tree.resource_type(*parent).is_none()) else {
            return;
        };
        let name = tree.name(node);
        let extension = matches!(tree.name(parent), "extension" | "modifierExtension");
        if kind == Kind::Element && (name == "id" || extension) {
            self.error(rules::UNKNOWN_ELEMENT, node, || {
                format!("`{name}` is an attribute here, not an element")
            });
        }
        if kind == Kind::Attribute && name == "url" && !extension {
            self.error(rules::XML_ATTRIBUTE, node, || "only an extension has a `url` as an attribute".into());
        }
        if name == "id"
            && let Some(id) = tree.value(node)
        {
            let known = *self.element_ids.entry((self.scope_of_ids(node), id)).or_insert(node);
            if known != node {
                self.error(rules::ELEMENT_ID, node, || {
                    "another element of the resource has the same id".into()
                });
            }
        }
    }

    /// What an id of an element stands once in: its resource, or the view of a StructureDefinition, of which the
    /// snapshot says again what the differential says.
    fn scope_of_ids(&self, node: NodeId) -> NodeId {
        let tree = self.tree;
        let resource = tree.resource_of(node);
        if tree.resource_type(resource) != Some("StructureDefinition") {
            return resource;
        }
        let mut at = node;
        while let Some(above) = tree.parent(at) {
            if above == resource {
                return if matches!(tree.name(at), "snapshot" | "differential") { at } else { resource };
            }
            at = above;
        }
        resource
    }

    /// Markdown should not hold HTML tags.
    fn markdown(&mut self, node: NodeId, value: &str) {
        let tag = value.match_indices('<').any(|(at, _)| {
            let rest = value.get(at + 1..).unwrap_or("");
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            let name = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let ends = rest.get(name..).is_some_and(|after| after.starts_with(['>', '/', ' ']));
            name > 0
                && rest.starts_with(|c: char| c.is_ascii_alphabetic())
                && ends
                && rest.contains('>')
                && !rest.starts_with("http")
        });
        if tag {
            self.warning(rules::MARKDOWN_HTML, node, || {
                "the markdown holds what looks like HTML tags; they should be escaped".into()
            });
        }
    }
}

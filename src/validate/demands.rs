//! Extensions on element definitions that change what is valid: those of R5's `mustHaveValue` and
//! `valueAlternatives`, and the languages a narrative must have.

use super::rules;
use super::schema::{Element, Schema};
use super::walk::Walk;
use crate::fhir::tree::NodeId;
use serde_json::Value;

const MUST_HAVE_VALUE: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue";
const ALTERNATIVES: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives";
const LANGUAGES: &str = "http://hl7.org/fhir/StructureDefinition/narrative-language-control";

fn url(extension: &Value) -> &str {
    extension.get("url").and_then(Value::as_str).unwrap_or("")
}

/// Whether an extension of an element's definition changes what is valid.
pub(super) fn matters(extension: &Value) -> bool {
    matches!(url(extension), MUST_HAVE_VALUE | ALTERNATIVES | LANGUAGES)
}

impl Walk<'_> {
    /// Checks an element by the extensions of its definition.
    pub(super) fn demands(&mut self, node: NodeId, element: &Element, schema: &Schema) {
        let tree = self.tree;
        let mut alternatives: Vec<&str> = Vec::new();
        for extension in &element.extensions {
            match url(extension) {
                MUST_HAVE_VALUE
                    if extension.get("valueBoolean") == Some(&Value::Bool(true))
                        && tree.value(node).is_none() =>
                {
                    self.error(rules::VALUE_REQUIRED, node, || {
                        format!("`{}` must have a value ({})", element.label(), schema.canonical())
                    });
                }
                ALTERNATIVES => alternatives.extend(extension.get("valueCanonical").and_then(Value::as_str)),
                LANGUAGES => {
                    if let Some(rule) = extension.get("valueCode").and_then(Value::as_str) {
                        self.languages(node, rule, schema);
                    }
                }
                _ => {}
            }
        }
        if !alternatives.is_empty()
            && tree.value(node).is_none()
            && !tree
                .named(node, "extension")
                .any(|one| tree.child_value(one, "url").is_some_and(|url| alternatives.contains(&url)))
        {
            self.error(rules::VALUE_REQUIRED, node, || {
                format!(
                    "`{}` must have a value, or one of the extensions `{}`",
                    element.label(),
                    alternatives.join("`, `")
                )
            });
        }
    }

    /// The language sections that a narrative must, or must not, have.
    fn languages(&mut self, node: NodeId, rule: &str, schema: &Schema) {
        let tree = self.tree;
        let Some(div) = tree.child(node, "div").and_then(|div| tree.value(div)) else { return };
        let found = super::narrative::look(div).languages;
        let own = tree.child_value(tree.resource_of(node), "language");
        let wrong = match rule {
            "_no" => (!found.is_empty()).then(|| "must have no language sections".to_owned()),
            "_yes" => found.is_empty().then(|| "must have language sections".to_owned()),
            "_resource" => match own {
                Some(own) if found.iter().any(|one| one == own) => None,
                Some(_) => Some("must have a section in the language of the resource".to_owned()),
                None => found.is_empty().then(|| "must have language sections".to_owned()),
            },
            language => (!found.iter().any(|one| one == language))
                .then(|| format!("must have a section in `{language}`")),
        };
        if let Some(wrong) = wrong {
            self.error(rules::NARRATIVE_LANGUAGE, node, || {
                format!("the narrative {wrong} ({})", schema.canonical())
            });
        }
    }
}

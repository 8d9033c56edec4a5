//! Codings: their system, code and display, whatever they are bound to.

use super::Walk;
use crate::definitions::terminology::{CodeSystem, Concept, Content, Membership, in_system};
use crate::fhir::tree::{NodeId, Tag};
use crate::validate::references::is_absolute;
use crate::validate::rules;
use crate::validate::sha1::sha1;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// These names are no longer than a tag, so that their tags are theirs alone.
const SYSTEM: Tag = Tag::of("system");
const CODE: Tag = Tag::of("code");
const DISPLAY: Tag = Tag::of("display");

impl Walk<'_> {
    /// Checks one Coding.
    pub(super) fn coding(&mut self, node: NodeId) {
        let tree = self.tree;
        let (mut system, mut code, mut display) = (None, None, None);
        for child in tree.children(node) {
            match tree.tag(child) {
                SYSTEM => system = Some(child),
                CODE => code = Some(child),
                DISPLAY => display = Some(child),
                _ => {}
            }
        }
        let Some(system_node) = system else {
            if code.is_some() {
                self.warning(rules::CODING_SYSTEM, node, || {
                    "a code without a system has no defined meaning".into()
                });
            }
            return;
        };
        let Some(system) = tree.value(system_node).filter(|system| !system.is_empty()) else { return };
        let held = self.core.versioned_system(system);
        let defined = self.core.code_system(system).or(held.as_deref());
        if !self.coding_system(system_node, system, defined) {
            return;
        }
        let code_node = code.filter(|code| tree.value(*code).is_some_and(|code| !code.is_empty()));
        let Some(code_node) = code_node else {
            return self.no_code(node, system, defined);
        };
        self.code(code_node, system, defined, tree.value(code_node).unwrap_or(""), display);
    }

    /// A coding of a CodeableConcept that names a code system whose codes are all known chooses one of them.
    fn no_code(&mut self, node: NodeId, system: &str, defined: Option<&CodeSystem>) {
        let complete = defined.is_some_and(|defined| defined.content == Content::Complete);
        if complete && self.tree.name(node) == "coding" {
            self.error(rules::CODE_UNKNOWN, node, || {
                format!("the coding names the code system `{system}` and none of its codes")
            });
        }
    }

    /// Whether the system of a coding is one that codes can have.
    fn coding_system(&mut self, node: NodeId, system: &str, defined: Option<&CodeSystem>) -> bool {
        if !is_absolute(system) {
            self.error(rules::CODING_SYSTEM, node, || "the system of a coding must be absolute".into());
            return false;
        }
        let core = self.core;
        if let Some(defined) = defined {
            if defined.content == Content::Supplement {
                self.error(rules::CODING_SYSTEM, node, || {
                    format!("`{system}` is a supplement, which adds to a code system and has no codes")
                });
                return false;
            }
            return true;
        }
        if core.definitions.knows("ValueSet", system) {
            self.error(rules::CODING_SYSTEM, node, || {
                format!("`{system}` is a value set, not a code system")
            });
            return false;
        }
        true
    }

    /// Whether a code system has a code, and calls it so.
    fn code(
        &mut self,
        node: NodeId,
        system: &str,
        defined: Option<&CodeSystem>,
        code: &str,
        display: Option<NodeId>,
    ) {
        if let Some(concept) = defined.and_then(|defined| defined.lookup(code)) {
            if concept.is_inactive {
                self.warning(rules::CODE_INACTIVE, node, || {
                    format!("the code is no longer active in `{system}`")
                });
            }
            if concept.is_abstract {
                self.warning(rules::CODE_ABSTRACT, node, || {
                    format!("the code groups others of `{system}` and should not be chosen")
                });
            }
            if let Some(display) = display {
                self.display(display, concept, system);
            }
            return;
        }
        match in_system(system, defined, code) {
            Membership::Yes => {}
            Membership::No(why) => {
                let shown = self.show(code);
                self.error(rules::CODE_UNKNOWN, node, || {
                    format!("the code is not one of `{system}`: {why}{shown}")
                });
            }
            Membership::Unknown(why) => self.unchecked("code-system", system, node, why),
        }
    }

    /// A display is one of the names of the code.
    fn display(&mut self, node: NodeId, concept: &Concept, system: &str) {
        let Some(written) = self.tree.value(node) else { return };
        let Some(preferred) = &concept.display else { return };
        let names = concept.designations.iter().map(|designation| designation.value.as_str());
        if std::iter::once(preferred.as_str()).chain(names).any(|name| same(name, written)) {
            return;
        }
        let shown = self.show(written);
        self.error(rules::CODE_DISPLAY, node, || format!("`{system}` calls this code `{preferred}`{shown}"));
    }

    /// The stated size and hash of an attachment are those of its data.
    pub(super) fn attachment(&mut self, node: NodeId) {
        let tree = self.tree;
        let (size, hash) = (tree.child_value(node, "size"), tree.child_value(node, "hash"));
        if size.is_none() && hash.is_none() {
            return;
        }
        let Some(data) = tree.child_value(node, "data") else { return };
        let plain: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let Ok(bytes) = BASE64_STANDARD.decode(plain) else { return };
        if size.and_then(|size| size.parse::<usize>().ok()).is_some_and(|size| size != bytes.len()) {
            self.error(rules::ATTACHMENT_SIZE, node, || {
                format!("the stated size is not that of the data, which has {} bytes", bytes.len())
            });
        }
        if hash
            .is_some_and(|hash| BASE64_STANDARD.decode(hash).ok().as_deref() != Some(sha1(&bytes).as_slice()))
        {
            self.error(rules::ATTACHMENT_HASH, node, || {
                "the stated hash is not the SHA-1 of the data, in base64".into()
            });
        }
    }

    /// The system of an identifier is absolute.
    pub(super) fn identifier(&mut self, node: NodeId) {
        let tree = self.tree;
        if let Some(child) = tree.child(node, "system")
            && tree.value(child).is_some_and(|system| !system.is_empty() && !is_absolute(system))
        {
            self.error(rules::CODING_SYSTEM, child, || "the system of an identifier must be absolute".into());
        }
        if tree.child_value(node, "system") == Some("urn:ietf:rfc:3986")
            && let Some(value) = tree.child_value(node, "value").filter(|value| !is_absolute(value))
        {
            let shown = self.show(value);
            self.error(rules::IDENTIFIER_URI, node, || {
                format!("the system of the identifier says that its value is a URI, which it is not{shown}")
            });
        }
    }

    /// Checks the code of a Quantity.
    pub(super) fn quantity(&mut self, node: NodeId) {
        let tree = self.tree;
        let Some(system_node) = tree.child(node, "system") else { return };
        let Some(system) = tree.value(system_node).filter(|system| !system.is_empty()) else { return };
        if !is_absolute(system) {
            self.error(rules::CODING_SYSTEM, system_node, || "the system of a unit must be absolute".into());
            return;
        }
        if let Some(code_node) = tree.child(node, "code")
            && let Some(code) = tree.value(code_node).filter(|code| !code.is_empty())
        {
            let held = self.core.versioned_system(system);
            let defined = self.core.code_system(system).or(held.as_deref());
            self.code(code_node, system, defined, code, None);
        }
    }
}

/// Whether two names differ at most in case and white space.
fn same(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let fold = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    fold(a) == fold(b)
}

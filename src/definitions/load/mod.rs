//! Definitions from outside: files, folders, Bundles and FHIR packages, in JSON or XML.
//!
//! A definition that cannot be used is an error that names it: a check that silently does not happen would be worse.

mod package;

use super::library::Artefact;
use super::{Definitions, own, read, resource_json};
use crate::fhir::json::{self, Limits};
use crate::fhir::tree::Tree;
use crate::fhir::{Issue, xml};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why definitions could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read, or is not what its name says.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file, with the place in a package where there is one.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder that was named holds no definition.
    #[error("`{path}` holds no definition")]
    Nothing {
        /// The file or folder.
        path: String,
    },
    /// Definitions cannot be used.
    #[error("{} cannot be used: {}", if problems.len() == 1 { "a definition" } else { "definitions" }, problems.join("; "))]
    Broken {
        /// One sentence for each, with the file.
        problems: Vec<String>,
    },
}

/// Definitions, loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is known now: the pack, the gateway's own definitions, and those loaded.
    pub definitions: Arc<Definitions>,
    /// What should be looked at: duplicates, conflicts, missing dependencies, breaches of the rules of profiling.
    pub issues: Vec<Issue>,
}

/// How deep folders are walked.
const FOLDERS: usize = 16;
/// A definition may be larger than a resource that a partner sends: code systems are.
const LIMITS: Limits = Limits { bytes: 512 << 20, depth: 128 };

impl Definitions {
    /// Loads definitions beside the built-in ones. A path is a file (`.json`, `.xml`), a folder (walked), a Bundle or
    /// a FHIR package (`.tgz`).
    pub fn load(paths: &[PathBuf]) -> Result<Loaded, LoadError> {
        let mut gathering = Gathering::default();
        for path in paths {
            gathering.path(path)?;
        }
        gathering.missing_dependencies();
        Definitions::assemble(gathering.resources, gathering.issues)
    }

    /// Adds definitions given as JSON, each with a name for where it came from, beside the built-in ones.
    pub fn with_resources(resources: impl IntoIterator<Item = (String, Value)>) -> Result<Loaded, LoadError> {
        let mut gathering = Gathering::default();
        for (origin, value) in resources {
            gathering.resource(&origin, value);
        }
        Definitions::assemble(gathering.resources, gathering.issues)
    }

    fn assemble(resources: Vec<Artefact>, mut issues: Vec<Issue>) -> Result<Loaded, LoadError> {
        let mut definitions = Definitions::default();
        for artefact in own::artefacts() {
            definitions.library.add(artefact);
        }
        let given = resources.len();
        let mut added: Vec<Arc<Artefact>> = Vec::with_capacity(given);
        for artefact in resources {
            let (canonical, origin) = (artefact.canonical(), artefact.origin.clone());
            let body = artefact.body.clone();
            match definitions.library.add(artefact) {
                None => {}
                Some(known) if same(&known.body, &body) => issues.push(Issue::new(
                    crate::fhir::Severity::Information,
                    "duplicate",
                    "definition-duplicate",
                    origin,
                    format!("`{canonical}` was given already in `{}`", known.origin),
                )),
                Some(known) => issues.push(Issue::warning(
                    "conflict",
                    "definition-conflict",
                    origin,
                    format!("`{canonical}` differs from the one in `{}`, which is used", known.origin),
                )),
            }
        }
        added.extend(definitions.library.iter().cloned());
        definitions.examine(&added, &mut issues)?;
        Ok(Loaded { definitions: Arc::new(definitions), issues })
    }

    /// Reads every definition once, so that none fails later.
    fn examine(&self, given: &[Arc<Artefact>], issues: &mut Vec<Issue>) -> Result<(), LoadError> {
        let mut problems = Vec::new();
        for artefact in given {
            let canonical = artefact.canonical();
            match artefact.resource_type.as_str() {
                "StructureDefinition" => {
                    let read = self.snapshot(&canonical).and_then(|snapshot| {
                        read::structure(&artefact.body, &snapshot.elements, false)
                            .map(|_| snapshot.violations)
                    });
                    match read {
                        Ok(violations) => issues.extend(violations.into_iter().map(|violation| {
                            let text = format!("`{canonical}`: {}", violation.text);
                            Issue::error("business-rule", violation.rule, violation.element, text)
                        })),
                        Err(why) => {
                            problems.push(format!("`{canonical}` in `{}`: {}", artefact.origin, why.text))
                        }
                    }
                }
                "ValueSet" => {
                    for problem in self.value_set(&canonical).iter().flat_map(|set| &set.problems) {
                        let text = format!("`{canonical}`: {problem}");
                        issues.push(Issue::warning(
                            "business-rule",
                            "value-set",
                            artefact.origin.clone(),
                            text,
                        ));
                    }
                }
                _ => {}
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(LoadError::Broken { problems }) }
    }
}

/// Whether two definitions say the same, apart from narrative and metadata of storage.
fn same(a: &Value, b: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        if let Some(members) = value.as_object_mut() {
            for name in ["text", "meta", "id"] {
                members.remove(name);
            }
        }
        crate::fhir::canonical::to_string(&value)
    };
    bare(a) == bare(b)
}

#[derive(Default)]
struct Gathering {
    resources: Vec<Artefact>,
    issues: Vec<Issue>,
    packages: Vec<package::Described>,
}

impl Gathering {
    fn path(&mut self, path: &Path) -> Result<(), LoadError> {
        let before = self.resources.len();
        let unreadable = |reason: std::io::Error| LoadError::Unreadable {
            path: path.display().to_string(),
            reason: reason.kind().to_string(),
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            self.folder(path, 0)?;
        } else {
            self.file(path)?;
        }
        if self.resources.len() == before {
            return Err(LoadError::Nothing { path: path.display().to_string() });
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), LoadError> {
        let unreadable = |reason: std::io::Error| LoadError::Unreadable {
            path: folder.display().to_string(),
            reason: reason.kind().to_string(),
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                if depth < FOLDERS {
                    self.folder(&path, depth + 1)?;
                }
            } else if [".json", ".xml", ".tgz"].iter().any(|end| name.ends_with(end)) {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        let shown = path.display().to_string();
        let unreadable = |reason: std::io::Error| LoadError::Unreadable {
            path: shown.clone(),
            reason: reason.kind().to_string(),
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        if shown.ends_with(".tgz") || shown.ends_with(".tar.gz") || bytes.starts_with(b"\x1f\x8b") {
            return self.package(&shown, &bytes);
        }
        self.document(&shown, &bytes)
    }

    /// One JSON or XML document.
    fn document(&mut self, origin: &str, bytes: &[u8]) -> Result<(), LoadError> {
        let unreadable = |reason: String| LoadError::Unreadable { path: origin.to_owned(), reason };
        let first =
            bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xEF | 0xBB | 0xBF));
        let value = if matches!(first, Some(b'<' | 0xFE | 0xFF)) {
            let text = xml::text(bytes).map_err(|error| unreadable(error.to_string()))?;
            let tree = Tree::from_xml(&text, &LIMITS).map_err(|error| unreadable(error.to_string()))?;
            if tree
                .problems()
                .iter()
                .any(|problem| problem.rule == "xml-namespace" && problem.node == tree.root())
            {
                return Ok(());
            }
            resource_json(&Definitions::builtin(), &tree)
        } else {
            json::parse(bytes, &LIMITS).map_err(|error| unreadable(error.to_string()))?
        };
        self.resource(origin, value);
        Ok(())
    }

    fn resource(&mut self, origin: &str, mut value: Value) {
        let named = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(resource_type) = named(&value, "resourceType") else { return };
        if resource_type == "Bundle" {
            let entries =
                value.get_mut("entry").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            for (at, mut entry) in entries.into_iter().enumerate() {
                if let Some(resource) = entry.get_mut("resource") {
                    self.resource(&format!("{origin}#entry[{at}]"), resource.take());
                }
            }
            return;
        }
        let Some(url) = named(&value, "url") else { return };
        let url = super::library::split_canonical(&url).0.to_owned();
        let version = named(&value, "version");
        self.resources.push(Artefact { resource_type, url, version, body: value, origin: origin.to_owned() });
    }
}

#[cfg(test)]
mod tests;

//! Profiles compiled to checks; the `Validator`, and `Validated`, which only this module can make.
//!
//! Implements <https://hl7.org/fhir/R4/validation.html>. `docs/validation-rules.md` lists the rules.

mod bundle;
mod conformance;
mod demands;
pub mod formats;
mod narrative;
mod outcome;
mod plain;
mod references;
pub mod rules;
mod schema;
mod sha1;
mod specials;
mod validated;
mod vital_signs;
mod walk;
mod xhtml;

pub use outcome::{Report, Unchecked};
pub use validated::Validated;

use crate::definitions::Definitions;
use crate::definitions::terminology::CodeSystem;
use crate::fhir::json::{self, JsonError, Limits};
use crate::fhir::tree::{Arena, Tree};
use crate::fhir::xml::{self, XmlError};
use crate::fhir::{Issue, Severity};
use references::References;
use schema::{Registry, Schema};
use serde_json::Value;
use specials::specials;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use walk::Walk;

/// How strict a validator is and what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Extensions without a known definition are allowed when their `url` begins with one of these, or all with `any`.
    pub allow_extensions: Vec<String>,
    /// Whether findings may hold the values found. By default they never do, for they may be a patient's.
    pub show_values: bool,
    /// How long and deep the content may be.
    pub limits: Limits,
}

/// What a validation needs to know.
pub(crate) struct Core {
    pub(crate) definitions: Arc<Definitions>,
    registry: Registry,
    settings: Settings,
}

impl Core {
    /// The CodeSystem of a canonical without a version, when its definition is loaded.
    fn code_system(&self, canonical: &str) -> Option<&CodeSystem> {
        self.registry.code_system(canonical).map(|system| &**system)
    }

    /// The same of a canonical with `|version`, as nobody should write a system.
    fn versioned_system(&self, canonical: &str) -> Option<Arc<CodeSystem>> {
        if canonical.contains('|') { self.definitions.code_system(canonical) } else { None }
    }
}

/// Validates resources against the definitions of FHIR R4 and profiles. It can be shared between threads; what it
/// compiles is kept.
#[derive(Clone)]
pub struct Validator {
    core: Arc<Core>,
}

/// Why a validation could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorError {
    /// A profile that was asked for is not known, or cannot be used.
    #[error("the profile `{0}` is not known")]
    UnknownProfile(String),
}

thread_local! {
    /// The storage of the last tree of this thread, to be used again.
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

impl Validator {
    /// A validator with the built-in definitions: FHIR R4 and the gateway's own profiles.
    pub fn builtin() -> Validator {
        Validator::with(Definitions::builtin(), Settings::default())
    }

    /// A validator with these definitions and settings.
    pub fn with(definitions: Arc<Definitions>, settings: Settings) -> Validator {
        let registry = Registry::new(Arc::clone(&definitions));
        Validator { core: Arc::new(Core { definitions, registry, settings }) }
    }

    /// The definitions this validator uses.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.core.definitions
    }

    /// Whether all these profiles are known. The error names the first that is not.
    pub fn knows(&self, profiles: &[&str]) -> Result<(), ValidatorError> {
        self.profiles(profiles).map(|_| ())
    }

    fn profiles(&self, profiles: &[&str]) -> Result<Vec<Arc<Schema>>, ValidatorError> {
        let find = |url: &&str| {
            self.core.registry.profile(url).ok_or_else(|| ValidatorError::UnknownProfile((*url).to_owned()))
        };
        profiles.iter().map(find).collect()
    }

    /// Validates one resource given as JSON text, against its base definition, the profiles it claims and these.
    ///
    /// A profile that is not known becomes an error of the report; ask [`Validator::knows`] before.
    pub fn validate_json(&self, source: &str, profiles: &[&str]) -> Report {
        self.validate_read(profiles, |arena, limits| Ok(Tree::from_json_in(arena, source, limits)?))
    }

    /// Validates one resource given as bytes, JSON or XML as its first character tells.
    pub fn validate_bytes(&self, bytes: &[u8], profiles: &[&str]) -> Report {
        let wide = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
        let bare = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
        if wide || bare.starts_with(b"<") {
            return match xml::text(bytes) {
                Ok(source) => self.validate_xml(&source, profiles),
                Err(error) => unreadable(error.into()),
            };
        }
        match json::text(bytes, &self.core.settings.limits) {
            Ok(source) => self.validate_json(source, profiles),
            Err(error) => unreadable(error.into()),
        }
    }

    /// Validates one resource given as XML text; see [`Validator::validate_json`].
    pub fn validate_xml(&self, source: &str, profiles: &[&str]) -> Report {
        self.validate_read(profiles, |arena, limits| Ok(Tree::from_xml_in(arena, source, limits)?))
    }

    /// Validates one resource given as a JSON value; see [`Validator::validate_json`]. There are no lines and columns.
    pub fn validate_value(&self, value: &Value, profiles: &[&str]) -> Report {
        self.validate_read(profiles, |arena, _| Ok(Tree::from_value_in(arena, value)))
    }

    /// Validates a resource and keeps it with the proof, if it is valid; otherwise the report says why not.
    pub fn check(&self, resource: Value, profiles: &[&str]) -> Result<Validated, Report> {
        let report = self.validate_value(&resource, profiles);
        if report.is_valid() { Ok(Validated::new(resource, report)) } else { Err(report) }
    }

    fn validate_read<'a>(
        &self,
        profiles: &[&str],
        read: impl FnOnce(Arena, &Limits) -> Result<Tree<'a>, Unreadable>,
    ) -> Report {
        let schemas = match self.profiles(profiles) {
            Ok(schemas) => schemas,
            Err(error) => {
                let rule = rules::PROFILE_UNKNOWN;
                return Report::unreadable(Issue::error(rule.code, rule.name, "", error.to_string()));
            }
        };
        let arena = ARENA.with(|kept| kept.borrow_mut().take()).unwrap_or_default();
        match read(arena, &self.core.settings.limits) {
            Ok(tree) => {
                let references = References::default();
                let report = Walk::new(&self.core, &tree, &references).run(&schemas);
                ARENA.with(|kept| *kept.borrow_mut() = Some(tree.into_arena()));
                report
            }
            Err(error) => unreadable(error),
        }
    }
}

/// Why content could not be read, and where.
struct Unreadable {
    rule: &'static str,
    text: Cow<'static, str>,
    line: u32,
    column: u32,
}

impl From<JsonError> for Unreadable {
    fn from(error: JsonError) -> Unreadable {
        Unreadable { rule: error.rule, text: error.text, line: error.line, column: error.column }
    }
}

impl From<XmlError> for Unreadable {
    fn from(error: XmlError) -> Unreadable {
        Unreadable { rule: error.rule, text: error.text, line: error.line, column: error.column }
    }
}

/// The report on content that could not be read.
fn unreadable(error: Unreadable) -> Report {
    let code = rules::find(error.rule).map_or("structure", |rule| rule.code);
    let issue = Issue::new(Severity::Fatal, code, error.rule, "", error.text.into_owned());
    Report::unreadable(issue.at(error.line, error.column))
}

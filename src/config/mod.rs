//! Settings and the registry, read in one place.
//!
//! `sgw.toml` holds a section for each module that has settings; the module owns the struct. The registry
//! (`registry.yaml`) names who takes part. An unknown name in either is refused, with its place and the nearest known
//! name; relative paths are relative to the file that names them.

mod deployment;
mod fault;
mod reading;
mod registry;
pub mod signed;

pub use crate::document::{nearest, unknown_name};
pub use deployment::Deployment;
pub use fault::{ConfigError, Fault};
pub use reading::{ReadError, read};
pub use registry::{Organisation, Registry, SourceEntry};

use crate::api::folder::settings::FolderSettings;
use crate::api::settings::{HttpSettings, MllpSettings};
use crate::audit;
use crate::deliver;
use crate::document::Node;
use crate::store;
use crate::telemetry::LogSettings;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The annotated settings file that `sgw init` writes: every setting with its default.
pub const DEFAULT_FILE: &str = include_str!("sgw.toml");

/// Everything in `sgw.toml`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who this gateway is, and which files it reads.
    pub gateway: GatewaySettings,
    /// HTTP.
    pub http: HttpSettings,
    /// MLLP.
    pub mllp: MllpSettings,
    /// Watched folders.
    pub folders: FolderSettings,
    /// The database.
    pub store: store::Settings,
    /// Deliveries to subscribers.
    pub deliver: deliver::Settings,
    /// The log of what was done.
    pub audit: audit::Settings,
    /// Logs.
    pub log: LogSettings,
}

/// The section `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// The gateway's name, for people.
    pub name: String,
    /// The ODS code of the organisation that runs it.
    pub organisation: String,
    /// The canonical base of the gateway's own definitions.
    pub canonical_base: String,
    /// The registry.
    pub registry: PathBuf,
    /// The folder with the sharing agreements (`*.yaml`).
    pub agreements: PathBuf,
    /// Public keys (`name+hash+base64`) of those who may sign agreements; with none, agreements need no signature.
    pub agreement_keys: Vec<String>,
    /// Folders or files with mappings, beside the built-in ones.
    pub mappings: Vec<PathBuf>,
    /// Whether the configuration is read again when a mapping file has changed.
    pub watch_mappings: bool,
    /// Folders, files or packages with profiles, beside the built-in ones.
    pub definitions: Vec<PathBuf>,
    /// Beginnings of the URLs of extensions that resources may hold although their definitions are not loaded.
    pub allow_extensions: Vec<String>,
    /// The database file.
    pub database: PathBuf,
}

impl Default for GatewaySettings {
    fn default() -> GatewaySettings {
        GatewaySettings {
            name: "Safeguarding gateway".to_owned(),
            organisation: "X26".to_owned(),
            canonical_base: crate::fhir::systems::DEFAULT_BASE.to_owned(),
            registry: PathBuf::from("registry.yaml"),
            agreements: PathBuf::from("agreements"),
            agreement_keys: Vec::new(),
            mappings: Vec::new(),
            watch_mappings: true,
            definitions: Vec::new(),
            allow_extensions: ["https://fhir.hl7.org.uk/", "https://fhir.nhs.uk/"].map(str::to_owned).into(),
            database: PathBuf::from("sgw.db"),
        }
    }
}

impl Settings {
    /// Reads a settings file and makes its paths relative to its folder.
    ///
    /// Errors: the file cannot be read, or something in it is unknown or wrong.
    pub fn load(path: &Path) -> Result<Settings, ConfigError> {
        let mut settings = Settings::parse(&fault::text_of(path)?, path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let gateway = &mut settings.gateway;
        for file in [&mut gateway.registry, &mut gateway.agreements, &mut gateway.database]
            .into_iter()
            .chain(&mut gateway.mappings)
            .chain(&mut gateway.definitions)
            .chain(&mut settings.deliver.extra_authorities)
            .chain(settings.folders.watch.iter_mut().map(|watched| &mut watched.path))
            .chain([&mut settings.audit.key, &mut settings.audit.witness])
        {
            *file = folder.join(&*file);
        }
        let listeners = settings.mllp.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut());
        for tls in listeners.chain(&mut settings.http.tls) {
            for file in [&mut tls.certificate, &mut tls.key].into_iter().chain(&mut tls.client_ca) {
                *file = folder.join(&*file);
            }
        }
        Ok(settings)
    }

    /// Reads settings from text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Settings, ConfigError> {
        let faults = |error| ConfigError::Faults(vec![Fault::reading(path, error)]);
        let node = Node::from_toml(text).map_err(|error| faults(ReadError::from(error)))?;
        let settings: Settings = reading::read(&node).map_err(faults)?;
        let wrong = settings.wrong(&node, path);
        if wrong.is_empty() { Ok(settings) } else { Err(ConfigError::Faults(wrong)) }
    }

    /// Values that are of the right type but make no sense.
    fn wrong(&self, node: &Node, path: &Path) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, section: &str, name: &str, text: &str| {
            if !sound {
                let place = node.place_at(&format!("/{section}/{name}"));
                let path_in_file = format!("{section}.{name}");
                faults.push(Fault {
                    file: path.to_owned(),
                    place,
                    path: path_in_file,
                    text: text.to_owned(),
                });
            }
        };
        let positive = "it must be at least 1";
        let http = &self.http;
        check(http.max_body_bytes >= 1024, "http", "max_body_bytes", "it must be at least 1024");
        check(http.max_connections > 0, "http", "max_connections", positive);
        check(http.max_requests > 0, "http", "max_requests", positive);
        check(http.max_requests_per_credential > 0, "http", "max_requests_per_credential", positive);
        check(http.header_timeout_seconds > 0, "http", "header_timeout_seconds", positive);
        check(http.body_timeout_seconds > 0, "http", "body_timeout_seconds", positive);
        check(http.answer_timeout_seconds > 0, "http", "answer_timeout_seconds", positive);
        let url = http.public_url.as_deref();
        let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        check(url.is_none_or(web), "http", "public_url", "it must begin with `http://` or `https://`");
        let mllp = &self.mllp;
        check(mllp.max_message_bytes >= 1024, "mllp", "max_message_bytes", "it must be at least 1024");
        check(mllp.message_timeout_seconds > 0, "mllp", "message_timeout_seconds", positive);
        check(mllp.idle_seconds > 0, "mllp", "idle_seconds", positive);
        check(mllp.max_connections > 0, "mllp", "max_connections", positive);
        let folders = &self.folders;
        check(folders.poll_milliseconds > 0, "folders", "poll_milliseconds", positive);
        let large_enough = folders.max_document_bytes >= 1024;
        check(large_enough, "folders", "max_document_bytes", "it must be at least 1024");
        check(
            web(&self.gateway.canonical_base),
            "gateway",
            "canonical_base",
            "it must begin with `http://` or `https://`",
        );
        let days = store::settings::SHORTEST_KEY_DAYS;
        let long_enough = self.store.key_retention_days >= days;
        check(long_enough, "store", "key_retention_days", "it must be at least 7");
        check(self.store.readers > 0, "store", "readers", positive);
        if let Err(error) = self.deliver.check() {
            check(false, "deliver", "", &error.to_string());
        }
        check(!self.gateway.organisation.is_empty(), "gateway", "organisation", "it must not be empty");
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Settings::parse(text, Path::new("sgw.toml")).unwrap_err().to_string()
    }

    #[test]
    fn the_annotated_file_says_the_defaults_and_every_setting() {
        let settings = Settings::parse(DEFAULT_FILE, Path::new("sgw.toml")).unwrap();
        assert_eq!(settings, Settings::default());
        let stated = Node::from_toml(&DEFAULT_FILE.replace("\n# ?", "\n")).unwrap().to_json();
        let known = serde_json::to_value(Settings::default()).unwrap();
        for (section, names) in known.as_object().unwrap() {
            for name in names.as_object().unwrap().keys() {
                assert!(!stated[section][name].is_null(), "`{section}.{name}` is not in the annotated file");
            }
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_with_the_nearest_name() {
        assert_eq!(
            refusal("[http]\nlisten = \"127.0.0.1:1\"\nmax_boddy_bytes = 1"),
            "sgw.toml:3:1: `http`: unknown setting `max_boddy_bytes`; did you mean `max_body_bytes`?"
        );
        assert!(refusal("[htp]").starts_with("sgw.toml:1:2: unknown setting `htp`; did you mean `http`?"));
    }

    #[test]
    fn senseless_values_are_refused_with_their_place() {
        let text = refusal("[http]\nmax_requests = 0\npublic_url = \"ftp://x\"\n");
        assert_eq!(
            text,
            "sgw.toml:2:16: `http.max_requests`: it must be at least 1\n\
             sgw.toml:3:14: `http.public_url`: it must begin with `http://` or `https://`"
        );
        assert!(refusal("[http]\nlisten = \"nowhere\"").starts_with("sgw.toml:2:10: `http.listen`: "));
        assert!(
            refusal("[[mllp.listeners]]\nsource = \"a\"\nlisten = \"127.0.0.1:1\"\nallow = [\"10/8\"]")
                .contains("`mllp.listeners[0].allow[0]`: `10/8` is not an address or a network")
        );
        assert!(refusal("a = ").starts_with("sgw.toml:1:"));
    }
}

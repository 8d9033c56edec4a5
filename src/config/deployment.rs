//! A settings file with everything that it names, read, checked and ready to be composed.

use super::fault::{ConfigError, Fault};
use super::registry::{Registry, SourceEntry};
use super::{GatewaySettings, Settings, signed};
use crate::api::auth::Keyring;
use crate::audit::VerifierKey;
use crate::convert::{Format, LoadError, Mapping, Mappings, Source, load_file};
use crate::document::Place;
use crate::exchange::{Registered, Sources};
use crate::govern::{AgreementWarning, Policy, PolicyError, read_folder};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that a gateway is started with.
#[derive(Debug)]
pub struct Deployment {
    /// The settings file.
    pub file: PathBuf,
    /// The settings.
    pub settings: Settings,
    /// Who takes part.
    pub registry: Registry,
    /// The agreements in force, with the partners of the registry.
    pub policy: Policy,
    /// The sources with their mappings.
    pub sources: Sources,
    /// The credentials.
    pub keyring: Keyring,
}

impl Deployment {
    /// Reads a settings file, and the registry, agreements and mappings that it names.
    ///
    /// Errors name every fault with its file and place; nothing is used while one is left.
    pub fn load(path: &Path) -> Result<Deployment, ConfigError> {
        let settings = Settings::load(path)?;
        let gateway = &settings.gateway;
        let registry = Registry::load(&gateway.registry)?;
        let mut faults = door_faults(&settings, &registry, path);
        let policy = agreements(gateway, &registry);
        let policy = policy.map_err(|errors| faults.extend(errors.into_iter().map(of_policy))).ok();
        let sources = match mappings(gateway) {
            Ok(mappings) => sources(gateway, &registry, &mappings, &mut faults),
            Err(error) => {
                faults.extend(of_mapping(error)?);
                Sources::default()
            }
        };
        match policy {
            Some(policy) if faults.is_empty() => {
                let keyring = Keyring::new(registry.credentials.clone());
                let file = path.to_owned();
                Ok(Deployment { file, settings, registry, policy, sources, keyring })
            }
            _ => Err(ConfigError::Faults(faults)),
        }
    }

    /// Agreements that have stopped permitting or are about to, for people to read.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        self.policy.warnings(now).iter().map(warning).collect()
    }
}

fn warning(warning: &AgreementWarning) -> String {
    let AgreementWarning { agreement, version, last_day, days_left, review } = warning;
    let what = if *review { "its review is due" } else { "it ends" };
    if *days_left < 0 {
        format!("the agreement `{agreement}` version {version} permits nothing: {what} since {last_day}")
    } else {
        format!("the agreement `{agreement}` version {version}: {what} on {last_day}, in {days_left} days")
    }
}

/// The policy of a folder of agreements; its signature is checked before anything in it is believed.
fn agreements(gateway: &GatewaySettings, registry: &Registry) -> Result<Policy, Vec<PolicyError>> {
    let documents = read_folder(&gateway.agreements)?;
    if !gateway.agreement_keys.is_empty() {
        let wrong = |text: String| PolicyError {
            file: "gateway.agreement_keys".to_owned(),
            line: None,
            column: None,
            rule: "agreements-signature",
            text,
        };
        let keys = gateway.agreement_keys.iter().map(|text| VerifierKey::parse(text));
        let keys: Vec<VerifierKey> =
            keys.collect::<Result<_, _>>().map_err(|error| vec![wrong(error.to_string())])?;
        signed::verify(&gateway.agreements, &documents, &keys)?;
    }
    Policy::from_documents(&documents, registry.partners.clone())
}

/// The built-in mappings with those of the files and folders that the settings name.
fn mappings(gateway: &GatewaySettings) -> Result<Mappings, LoadError> {
    let mut mappings = Mappings::builtin().clone();
    for path in &gateway.mappings {
        if path.is_dir() {
            for mapping in own(path)? {
                mappings.add(mapping);
            }
        } else {
            mappings.add(load_file(path)?);
        }
    }
    Ok(mappings)
}

fn own(folder: &Path) -> Result<Vec<Mapping>, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: folder.to_owned(), error };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    paths.sort();
    paths.iter().map(|path| load_file(path)).collect()
}

/// The registered sources with the mapping of each; a mapping that is not there, or reads another format, is a fault.
fn sources(
    gateway: &GatewaySettings,
    registry: &Registry,
    mappings: &Mappings,
    faults: &mut Vec<Fault>,
) -> Sources {
    let mut registered = Vec::new();
    for (index, entry) in registry.sources.iter().enumerate() {
        let mut fault = |field: &str, text: String| {
            let path = format!("sources[{index}].{field}");
            faults.push(Fault { file: gateway.registry.clone(), place: entry.place, path, text });
        };
        let Some(format) = Format::named(&entry.format) else {
            let known: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
            fault("format", super::unknown_name("format", &entry.format, &known));
            continue;
        };
        let meant: Vec<&str> = mappings
            .all()
            .into_iter()
            .filter(|mapping| entry.mapping.is_none() && mapping.sources.contains(&entry.id))
            .map(|mapping| mapping.id.as_str())
            .collect();
        if let [first, second, ..] = meant.as_slice() {
            fault(
                "mapping",
                format!("the mappings `{first}` and `{second}` both say that they read this source"),
            );
            continue;
        }
        let id = entry.mapping.as_deref().or(meant.first().copied()).unwrap_or(match format {
            Format::Hl7v2 => "hl7v2-adt",
            Format::Json => "json-alert",
            Format::Fhir => "fhir-r4",
            Format::Xml | Format::Csv | Format::Flat => "",
        });
        let Some(mapping) = mappings.get(id) else {
            let all = mappings.all();
            let known: Vec<&str> = all.iter().map(|mapping| mapping.id.as_str()).collect();
            let text = if id.is_empty() {
                format!(
                    "the format `{}` has no mapping of its own: name one of {}",
                    entry.format,
                    known.join(", ")
                )
            } else {
                super::unknown_name("mapping", id, &known)
            };
            fault("mapping", text);
            continue;
        };
        if mapping.format != format {
            fault(
                "mapping",
                format!("the mapping `{id}` reads `{}`, not `{}`", mapping.format.name(), entry.format),
            );
            continue;
        }
        let source = Source {
            id: entry.id.clone(),
            organisation: entry.organisation.clone(),
            name: registry.organisation_name(&entry.organisation).unwrap_or(&entry.organisation).to_owned(),
            format,
            mapping: id.to_owned(),
            lawful_basis: entry.lawful_basis.clone(),
            tier: entry.tier.clone(),
        };
        registered.push(Registered { source, mapping: Arc::clone(mapping) });
    }
    Sources::new(registered).with_mappings(mappings.clone())
}

/// MLLP listeners and watched folders whose source is not registered; listeners whose source does not send HL7 v2;
/// folders that two sources share.
fn door_faults(settings: &Settings, registry: &Registry, file: &Path) -> Vec<Fault> {
    let known: Vec<&str> = registry.sources.iter().map(|source| source.id.as_str()).collect();
    let find = |id: &str| registry.sources.iter().find(|source| source.id == id);
    let mut faults = Vec::new();
    let mut add = |path: String, text: String| {
        faults.push(Fault { file: file.to_owned(), place: Place::default(), path, text });
    };
    for (index, listener) in settings.mllp.listeners.iter().enumerate() {
        let path = format!("mllp.listeners[{index}].source");
        match find(&listener.source) {
            None => add(path, super::unknown_name("source", &listener.source, &known)),
            Some(source) if source.format != Format::Hl7v2.name() => {
                let SourceEntry { id, format, .. } = source;
                add(path, format!("the source `{id}` sends `{format}`, which does not come over MLLP"));
            }
            Some(_) => {}
        }
    }
    let watched = &settings.folders.watch;
    for (index, folder) in watched.iter().enumerate() {
        if find(&folder.source).is_none() {
            let text = super::unknown_name("source", &folder.source, &known);
            add(format!("folders.watch[{index}].source"), text);
        }
        if watched.iter().take(index).any(|other| other.path == folder.path) {
            add(format!("folders.watch[{index}].path"), "the folder is watched already".to_owned());
        }
    }
    faults
}

fn of_policy(error: PolicyError) -> Fault {
    let place = Place { line: error.line.unwrap_or(0), column: error.column.unwrap_or(0) };
    let text = format!("{} (`{}`)", error.text, error.rule);
    Fault { file: PathBuf::from(error.file), place, path: String::new(), text }
}

fn of_mapping(error: LoadError) -> Result<Vec<Fault>, ConfigError> {
    match error {
        LoadError::Unreadable { path, error } => {
            Err(ConfigError::Unreadable { path, reason: error.to_string() })
        }
        LoadError::Wrong { path, errors } => Ok(errors
            .into_iter()
            .map(|error| Fault {
                file: path.clone(),
                place: error.place,
                path: String::new(),
                text: error.reason,
            })
            .collect()),
    }
}

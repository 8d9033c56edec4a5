//! The registry file: organisations, sources, partners, and the credentials they hold.

use super::fault::{ConfigError, Fault, text_of};
use super::reading::{ReadError, read};
use crate::api::auth::Credential;
use crate::document::{Kind, Misfit, Node, Place, Schema, unknown_name};
use crate::govern::{Caller, Partner, Role};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

/// The JSON Schema of the registry file.
const SCHEMA: &str = include_str!("../../profiles/schemas/registry.schema.json");

/// Who takes part.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Every organisation that the rest names.
    pub organisations: Vec<Organisation>,
    /// Systems that submit.
    pub sources: Vec<SourceEntry>,
    /// Organisations that may receive.
    pub partners: Vec<Partner>,
    /// Keys that sign notifications, by partner, the newest first.
    pub webhook_secrets: BTreeMap<String, Vec<String>>,
    /// Credentials.
    pub credentials: Vec<Credential>,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its ODS code.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// A system that submits, as the registry writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceEntry {
    /// Its id, the last part of `/submissions/{source}`.
    pub id: String,
    /// Its name, for people.
    #[serde(default)]
    pub name: Option<String>,
    /// The ODS code of its organisation.
    pub organisation: String,
    /// What it sends, such as `hl7v2`, `json` or `fhir`.
    pub format: String,
    /// The mapping that reads its payloads, when not the format's own.
    #[serde(default)]
    pub mapping: Option<String>,
    /// Codes of the lawful bases that its alerts carry when they name none.
    #[serde(default)]
    pub lawful_basis: Vec<String>,
    /// The sharing tier of its alerts when they name none.
    #[serde(default)]
    pub tier: Option<String>,
    /// Where it stands in the file.
    #[serde(skip)]
    pub place: Place,
}

#[derive(Deserialize)]
struct CredentialEntry {
    id: String,
    organisation: String,
    roles: Vec<Role>,
    sha256: String,
    source: Option<String>,
    partner: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    organisations: Vec<Organisation>,
    sources: Vec<SourceEntry>,
    partners: Vec<Partner>,
    credentials: Vec<CredentialEntry>,
}

impl Registry {
    /// Reads a registry file. Errors name every fault with its place, as far as they can be told apart.
    pub fn load(path: &Path) -> Result<Registry, ConfigError> {
        Registry::parse(&text_of(path)?, path)
    }

    /// Reads a registry from text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Registry, ConfigError> {
        let reading = |error| ConfigError::Faults(vec![Fault::reading(path, error)]);
        let mut node = Node::from_yaml(text).map_err(|error| reading(ReadError::from(error)))?;
        refuse_faults(schema_faults(&node, path))?;
        let webhook_secrets = take_secrets(&mut node);
        let mut file: File = read(&node).map_err(reading)?;
        for (index, source) in file.sources.iter_mut().enumerate() {
            source.place = node.place_at(&format!("/sources/{index}"));
        }
        refuse_faults(cross_faults(&file, &node, path))?;
        let credentials = file.credentials.into_iter().filter_map(credential).collect();
        let File { organisations, sources, partners, .. } = file;
        Ok(Registry { organisations, sources, partners, webhook_secrets, credentials })
    }

    /// The name of an organisation.
    pub fn organisation_name(&self, code: &str) -> Option<&str> {
        self.organisations.iter().find(|known| known.code == code).map(|known| known.name.as_str())
    }
}

fn refuse_faults(faults: Vec<Fault>) -> Result<(), ConfigError> {
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults)) }
}

fn schema() -> Option<&'static Schema> {
    static COMPILED: OnceLock<Option<Schema>> = OnceLock::new();
    COMPILED.get_or_init(|| Schema::of(SCHEMA)).as_ref()
}

fn schema_faults(node: &Node, path: &Path) -> Vec<Fault> {
    let misfits = schema().map(|schema| schema.misfits(node)).unwrap_or_default();
    let fault = |Misfit { pointer, place, text }| Fault {
        file: path.to_owned(),
        place,
        path: dotted(&pointer),
        text,
    };
    misfits.into_iter().map(fault).collect()
}

/// `/sources/1/format` as `sources[1].format`.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(step);
        }
    }
    path
}

/// Takes the signing secrets out of the partners, so that what is handed on to decisions holds no secret.
fn take_secrets(node: &mut Node) -> BTreeMap<String, Vec<String>> {
    let mut secrets = BTreeMap::new();
    let Kind::Table(sections) = &mut node.kind else { return secrets };
    let partners = sections.iter_mut().find(|entry| entry.name == "partners");
    let Some(Kind::List(partners)) = partners.map(|entry| &mut entry.value.kind) else { return secrets };
    for partner in partners {
        let Kind::Table(entries) = &mut partner.kind else { continue };
        let id = entries.iter().find(|entry| entry.name == "id").map(|entry| entry.value.to_json());
        let Some(at) = entries.iter().position(|entry| entry.name == "webhook-secrets") else { continue };
        let list = entries.remove(at).value;
        if let (Some(serde_json::Value::String(id)), Ok(list)) = (id, read::<Vec<String>>(&list)) {
            secrets.insert(id, list);
        }
    }
    secrets
}

fn credential(entry: CredentialEntry) -> Option<Credential> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(&entry.sha256, &mut sha256).ok()?;
    let caller = Caller {
        credential: entry.id,
        organisation: entry.organisation,
        roles: entry.roles,
        partner: entry.partner,
        source: entry.source,
        address: String::new(),
    };
    Some(Credential { sha256, caller })
}

/// What the schema cannot say: names that must exist, be unique, or belong together.
fn cross_faults(file: &File, node: &Node, path: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |pointer: String, text: String| {
        let place = node.place_at(&pointer);
        faults.push(Fault { file: path.to_owned(), place, path: dotted(&pointer), text });
    };
    let organisations: Vec<&str> = file.organisations.iter().map(|known| known.code.as_str()).collect();
    let sources: Vec<&str> = file.sources.iter().map(|source| source.id.as_str()).collect();
    let partners: Vec<&str> = file.partners.iter().map(|partner| partner.id.as_str()).collect();
    let credentials: Vec<&str> = file.credentials.iter().map(|credential| credential.id.as_str()).collect();
    let hashes: Vec<&str> = file.credentials.iter().map(|credential| credential.sha256.as_str()).collect();
    for (section, field, names) in [
        ("organisations", "code", &organisations),
        ("sources", "id", &sources),
        ("partners", "id", &partners),
        ("credentials", "id", &credentials),
        ("credentials", "sha256", &hashes),
    ] {
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            if !seen.insert(name) {
                add(format!("/{section}/{index}/{field}"), "it stands here for the second time".to_owned());
            }
        }
    }
    let named = file.sources.iter().map(|source| ("sources", &source.organisation)).enumerate();
    let receiving = file.partners.iter().map(|partner| ("partners", &partner.organisation)).enumerate();
    let holding = file.credentials.iter().map(|entry| ("credentials", &entry.organisation)).enumerate();
    for (index, (section, code)) in named.chain(receiving).chain(holding) {
        if !organisations.contains(&code.as_str()) {
            add(
                format!("/{section}/{index}/organisation"),
                unknown_name("organisation", code, &organisations),
            );
        }
    }
    for (index, entry) in file.credentials.iter().enumerate() {
        let at = |field: &str| format!("/credentials/{index}/{field}");
        if let Some(id) = &entry.source {
            match file.sources.iter().find(|source| source.id == *id) {
                None => add(at("source"), unknown_name("source", id, &sources)),
                Some(source) if source.organisation != entry.organisation => {
                    add(at("source"), format!("the source `{id}` belongs to another organisation"));
                }
                Some(_) => {}
            }
        }
        if let Some(id) = &entry.partner {
            match file.partners.iter().find(|partner| partner.id == *id) {
                None => add(at("partner"), unknown_name("partner", id, &partners)),
                Some(partner) if partner.organisation != entry.organisation => {
                    add(at("partner"), format!("the partner `{id}` belongs to another organisation"));
                }
                Some(_) => {}
            }
        }
        if entry.roles.contains(&Role::Subscriber) && entry.partner.is_none() {
            add(at("roles"), "the role `subscriber` needs a `partner`".to_owned());
        }
        if entry.roles.contains(&Role::BreakGlass) && !entry.roles.contains(&Role::Subscriber) {
            add(at("roles"), "the role `break-glass` needs the role `subscriber`".to_owned());
        }
    }
    faults
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;

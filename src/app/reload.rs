//! Reading registry, agreements and mappings again while the gateway runs: on SIGHUP, by an operator's request, or
//! because somebody else in the process asks for it.
//!
//! Everything is read and checked as at a start. Only when nothing is wrong is it put in force, with a record of what
//! changed; otherwise what was in force stays, and the refusal is recorded. Listeners, the database and the definitions
//! that resources are validated against are opened once: settings about them need a new start, and are named.

use super::serve::secrets;
use crate::api::auth::Keyring;
use crate::api::{ReloadError, Reloaded};
use crate::audit::Party;
use crate::config::{ConfigError, Deployment, Registry, Settings};
use crate::exchange::{Exchange, Replacement};
use crate::govern::{Caller, Role};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The operation under which a change of the configuration is recorded.
const OPERATION: &str = "configuration-reloaded";

/// Puts what the files say in force, again and again.
pub struct Reloader {
    file: PathBuf,
    exchange: Arc<Exchange>,
    keyring: Arc<ArcSwap<Keyring>>,
    settings: Settings,
    /// What is in force; held while a change is under way, so that changes follow one another.
    registry: Mutex<Registry>,
}

impl Reloader {
    /// A reloader of the settings file that the gateway was started with.
    pub fn new(
        file: &Path,
        exchange: Arc<Exchange>,
        keyring: Arc<ArcSwap<Keyring>>,
        settings: Settings,
        registry: Registry,
    ) -> Reloader {
        Reloader { file: file.to_owned(), exchange, keyring, settings, registry: Mutex::new(registry) }
    }

    /// Whoever has the rights of the gateway's own process: a signal, or a change of a watched file.
    pub fn host(&self, how: &str) -> Caller {
        Caller {
            credential: format!("host:{how}"),
            organisation: self.settings.gateway.organisation.clone(),
            roles: vec![Role::Operator],
            partner: None,
            source: None,
            address: String::new(),
        }
    }

    /// Reads all files again and puts them in force in the name of `by`.
    ///
    /// Errors: the files cannot be used, or the change cannot be recorded; then nothing has changed.
    pub async fn reload(&self, by: &Caller) -> Result<Reloaded, ReloadError> {
        let mut registry = self.registry.lock().await;
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let read = read.unwrap_or_else(|_| Err(vec!["the files could not be read".to_owned()]));
        let (deployment, secrets) = match read {
            Ok(read) => read,
            Err(faults) => {
                let text = faults.join("; ");
                let now = Timestamp::now();
                self.exchange.refuse_replacement(Party::from(by), OPERATION, &text, now).await;
                tracing::error!(faults = %text, "the configuration was not reloaded; the last good one stays in force");
                return Err(ReloadError::Faults(faults));
            }
        };
        let Deployment { settings, registry: new, policy, sources, keyring, .. } = deployment;
        let rewritten = self.exchange.policy().rewritten(&policy);
        if !rewritten.is_empty() {
            let text = rewritten.join("; ");
            let now = Timestamp::now();
            self.exchange.refuse_replacement(Party::from(by), OPERATION, &text, now).await;
            return Err(ReloadError::Faults(rewritten));
        }
        let mut changes = differences(&registry, &new);
        let mappings: Vec<String> = sources.changed_since(&self.exchange.sources());
        if !mappings.is_empty() {
            changes.push(("mappings-changed".to_owned(), mappings.join(", ")));
        }
        let before = self.exchange.policy();
        if before.version() != policy.version() {
            changes.push(("policy".to_owned(), format!("{} after {}", policy.version(), before.version())));
        }
        let details: Vec<(&str, &str)> =
            changes.iter().map(|(what, which)| (what.as_str(), which.as_str())).collect();
        let replacement =
            Replacement { policy: Some(policy), sources: Some(sources), secrets: Some(secrets) };
        let now = Timestamp::now();
        self.exchange.put_in_force(Party::from(by), OPERATION, &details, replacement, now).await?;
        self.keyring.store(Arc::new(keyring));
        *registry = new;
        let needs_restart = restart(&self.settings, &settings);
        for setting in &needs_restart {
            tracing::warn!(setting = %setting, "the setting has changed; it takes effect when the gateway starts anew");
        }
        tracing::info!(by = %by.credential, changes = changes.len(), "the configuration was reloaded");
        Ok(Reloaded { changes, needs_restart })
    }
}

type Read = (Deployment, BTreeMap<String, Vec<crate::deliver::webhook::Secret>>);

fn read(file: &Path) -> Result<Read, Vec<String>> {
    let deployment = Deployment::load(file).map_err(|error| match error {
        ConfigError::Faults(faults) => faults.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    })?;
    let secrets = secrets(&deployment.registry.webhook_secrets).map_err(|error| vec![error.to_string()])?;
    Ok((deployment, secrets))
}

/// What one registry has and another has not, by name. No key, hash or secret is among it.
fn differences(before: &Registry, after: &Registry) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let mut compare = |kind: &str, before: BTreeMap<&str, String>, after: BTreeMap<&str, String>| {
        let added = after.keys().filter(|id| !before.contains_key(*id));
        let removed = before.keys().filter(|id| !after.contains_key(*id));
        let changed = after.iter().filter(|(id, one)| before.get(*id).is_some_and(|old| old != *one));
        let names = |list: Vec<&str>| list.join(", ");
        for (what, list) in [
            ("added", added.copied().collect::<Vec<_>>()),
            ("removed", removed.copied().collect()),
            ("changed", changed.map(|(id, _)| *id).collect()),
        ] {
            if !list.is_empty() {
                changes.push((format!("{kind}-{what}"), names(list)));
            }
        }
    };
    compare("organisations", organisations(before), organisations(after));
    compare("sources", sources(before), sources(after));
    compare("partners", partners(before), partners(after));
    compare("credentials", credentials(before), credentials(after));
    let secrets = |registry: &Registry| -> BTreeMap<String, Vec<String>> { registry.webhook_secrets.clone() };
    let (old, new) = (secrets(before), secrets(after));
    let rolled: Vec<&str> = old
        .keys()
        .chain(new.keys())
        .filter(|id| old.get(*id) != new.get(*id))
        .map(String::as_str)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    if !rolled.is_empty() {
        changes.push(("webhook-secrets-changed".to_owned(), rolled.join(", ")));
    }
    changes
}

fn organisations(registry: &Registry) -> BTreeMap<&str, String> {
    registry.organisations.iter().map(|one| (one.code.as_str(), one.name.clone())).collect()
}

fn sources(registry: &Registry) -> BTreeMap<&str, String> {
    let plain = |one: &crate::config::SourceEntry| {
        format!("{:?}", crate::config::SourceEntry { place: Default::default(), ..one.clone() })
    };
    registry.sources.iter().map(|one| (one.id.as_str(), plain(one))).collect()
}

fn partners(registry: &Registry) -> BTreeMap<&str, String> {
    registry.partners.iter().map(|one| (one.id.as_str(), format!("{one:?}"))).collect()
}

fn credentials(registry: &Registry) -> BTreeMap<&str, String> {
    registry.credentials.iter().map(|one| (one.caller.credential.as_str(), format!("{one:?}"))).collect()
}

/// The settings that differ, as `section.name`.
fn restart(before: &Settings, after: &Settings) -> Vec<String> {
    let json = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (before, after) = (json(before), json(after));
    let mut names = Vec::new();
    for (section, settings) in after.as_object().into_iter().flatten() {
        for (name, value) in settings.as_object().into_iter().flatten() {
            let read_again =
                section == "gateway" && matches!(name.as_str(), "registry" | "agreements" | "mappings");
            if !read_again && before.get(section).and_then(|old| old.get(name)) != Some(value) {
                names.push(format!("{section}.{name}"));
            }
        }
    }
    names
}

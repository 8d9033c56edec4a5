//! `sgw audit correct`: another event takes the place of a wrong one.

use super::super::say;
use super::super::sealing::Sealer;
use crate::audit::{Act, Gateway, Party, correct, record};
use crate::config::Settings;
use crate::store::{Erasure, Options, SharedStore, SqliteStore, Work};
use crate::validate::Validator;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;

/// Erases the content of an event, puts a corrected one into the log, records both, and seals.
pub(super) async fn run(
    settings: &Settings,
    id: &str,
    file: &Path,
    ground: &str,
    by: &str,
) -> Result<bool, String> {
    let failed = |error: crate::store::StoreError| error.to_string();
    let text = std::fs::read(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
    let report = Validator::builtin().validate_bytes(&text, &[]);
    for issue in report.issues.iter().filter(|issue| issue.severity.refuses()) {
        say(&format!("{}: {}: {}", issue.rule, issue.expression, issue.text));
    }
    let event: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let is_event = event.get("resourceType").and_then(serde_json::Value::as_str) == Some("AuditEvent");
    if !is_event || report.issues.iter().any(|issue| issue.severity.refuses()) {
        return Err(format!("`{}` is not a valid AuditEvent", file.display()));
    }
    let options = Options::at(&settings.gateway.database);
    let store: SharedStore = Arc::new(SqliteStore::open(options, Timestamp::now()).await.map_err(failed)?);
    let Some(leaf) = store.audit_event(id).await.map_err(failed)?.filter(|leaf| leaf.canonical.is_some())
    else {
        say(&format!("{id}: there is no such record, or its content was erased"));
        store.close().await.map_err(failed)?;
        return Ok(false);
    };
    let gateway = super::recorder(settings);
    let actor = Party { id: by, organisation: &settings.gateway.organisation, name: "", address: "" };
    let now = Timestamp::now();
    let corrected = correct(&event, id, actor, leaf.patient_key.as_deref(), now);
    let new = corrected.id.clone();
    let mut work = Work::at(now);
    work.erasures.push(Erasure { sequence: leaf.sequence, at: now });
    work.audits.push(record(&Act::Erased { actor, event: id, ground }, &gateway, now).into());
    work.audits.push(corrected.into());
    store.commit(work).await.map_err(failed)?;
    seal(&store, settings).await?;
    store.close().await.map_err(failed)?;
    say(&format!("{id} is erased; {new} takes its place"));
    Ok(true)
}

/// Signs a checkpoint over the log as it is now, so that what was done is covered before the gateway starts again.
pub(super) async fn seal(store: &SharedStore, settings: &Settings) -> Result<(), String> {
    let sealer = Sealer::open(store.clone(), &settings.audit, &settings.gateway.organisation).await;
    let mut sealer = sealer.map_err(|error| error.to_string())?;
    sealer.seal().await.map_err(|error| error.to_string())?;
    Ok(())
}

/// Who records what these commands do.
pub(super) fn recorder(settings: &Settings) -> Gateway {
    Gateway {
        organisation: settings.gateway.organisation.clone(),
        name: settings.gateway.name.clone(),
        device: "sgw".to_owned(),
        address: String::new(),
    }
}

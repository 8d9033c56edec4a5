//! `sgw audit erase`.

use super::super::say;
use crate::audit::{Act, Party, record};
use crate::config::Settings;
use crate::store::{AuditQuery, Erasure, Options, SharedStore, SqliteStore, Work};
use jiff::Timestamp;
use std::sync::Arc;

/// Erases the content of every event about the patient, and records each erasure.
pub(super) async fn run(settings: &Settings, patient: &str, ground: &str, by: &str) -> Result<bool, String> {
    let failed = |error: crate::store::StoreError| error.to_string();
    let options = Options::at(&settings.gateway.database);
    let store: SharedStore = Arc::new(SqliteStore::open(options, Timestamp::now()).await.map_err(failed)?);
    let gateway = super::recorder(settings);
    let actor = Party { id: by, organisation: &settings.gateway.organisation, name: "", address: "" };
    let mut erased = 0;
    loop {
        let query = AuditQuery { patient_key: Some(patient.to_owned()), limit: 100, ..AuditQuery::default() };
        let page = store.audit_search(query).await.map_err(failed)?;
        if page.is_empty() {
            break;
        }
        let now = Timestamp::now();
        let mut work = Work::at(now);
        for leaf in &page {
            work.erasures.push(Erasure { sequence: leaf.sequence, at: now });
            work.audits.push(record(&Act::Erased { actor, event: &leaf.id, ground }, &gateway, now).into());
        }
        erased += page.len();
        store.commit(work).await.map_err(failed)?;
    }
    super::correct::seal(&store, settings).await?;
    store.close().await.map_err(failed)?;
    say(&format!("{erased} events erased; their leaves, and a record of each erasure, stay"));
    Ok(true)
}

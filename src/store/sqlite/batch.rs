//! A batch of units of work: each is admitted or refused in memory, then all admitted rows are written together.

use super::fault::Fault;
use super::known::{Current, Key, Known};
use super::lanes::{ATTEMPT, CLOSING, HASTENING, INTENT};
use super::rows::{Cell, Rows, micros};
use crate::store::StoreError;
use crate::store::work::{
    BusinessIdentifier, Committed, Done, IdempotencyKey, NewLeaf, Put, QuarantineStatus, Work,
};
use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// How far a clock may lie behind the latest recorded time before work is refused.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(120);

/// What the writer counts by itself; put back when a batch fails.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// The next audit leaf's sequence number.
    pub leaf: i64,
    /// The next intent's id.
    pub intent: i64,
    /// The next resource version's row.
    pub row: i64,
    /// The next idempotency key's row.
    pub key: i64,
    /// The latest time recorded.
    pub latest: Timestamp,
}

/// What a batch did that others wait for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effects {
    /// Whether anything is to be written at all.
    pub any: bool,
    /// Whether intents or subscriptions changed.
    pub deliveries: bool,
    /// Whether a Patient or a Consent changed.
    pub facts: bool,
}

/// The rows of admitted units.
#[derive(Debug)]
pub struct Batch {
    pub(super) known: Known,
    pub(super) counters: Counters,
    pub(super) effects: Effects,
    pub(super) lanes: BTreeSet<(String, String)>,
    pub(super) reopened: bool,
    pub(super) intents: Rows,
    pub(super) attempts: Rows,
    pub(super) hastenings: Rows,
    pub(super) closings: Rows,
    versions: Rows,
    current: Rows,
    old_identifiers: Rows,
    identifiers: BTreeMap<(String, String), Vec<BusinessIdentifier>>,
    submissions: Rows,
    keys: Rows,
    quarantine: Rows,
    quarantine_changes: Rows,
    leaves: Rows,
    contents: Rows,
    abouts: Rows,
    erasures: Rows,
    erased_abouts: Rows,
    checkpoints: Rows,
}

impl Batch {
    /// An empty batch over what is known.
    pub fn new(known: Known, counters: Counters) -> Self {
        Self {
            known,
            counters,
            effects: Effects::default(),
            lanes: BTreeSet::new(),
            reopened: false,
            intents: Rows::insert(15, INTENT),
            attempts: Rows::insert(7, ATTEMPT),
            hastenings: Rows::new(2, HASTENING.0, HASTENING.1),
            closings: Rows::new(3, CLOSING.0, CLOSING.1),
            versions: Rows::insert(9, VERSION),
            current: Rows::new(6, CURRENT.0, CURRENT.1),
            old_identifiers: Rows::new(4, DROP_IDENTIFIERS.0, DROP_IDENTIFIERS.1),
            identifiers: BTreeMap::new(),
            submissions: Rows::insert(9, SUBMISSION),
            keys: Rows::insert(7, KEY),
            quarantine: Rows::insert(10, QUARANTINE),
            quarantine_changes: Rows::new(4, QUARANTINE_CHANGE.0, QUARANTINE_CHANGE.1),
            leaves: Rows::insert(4, LEAF),
            contents: Rows::insert(7, CONTENT),
            abouts: Rows::insert(2, "INSERT OR IGNORE INTO audit_about (about, sequence)"),
            erasures: Rows::new(2, ERASURE.0, ERASURE.1),
            erased_abouts: Rows::new(1, "DELETE FROM audit_about WHERE sequence IN (", ")"),
            checkpoints: Rows::insert(4, "INSERT INTO audit_checkpoint (size, root, note, created)"),
        }
    }

    /// Judges a unit of work; when nothing speaks against it, its rows join the batch.
    pub fn admit(&mut self, work: &Work) -> Result<Committed, StoreError> {
        if let Some(answer) = self.repeated(work)? {
            return Ok(Committed::Repeated { answer });
        }
        if work.now + CLOCK_TOLERANCE < self.counters.latest {
            return Err(StoreError::Clock { now: work.now, last: self.counters.latest });
        }
        self.check_versions(work)?;
        for change in &work.quarantine_changes {
            if !self.known.held.contains(&change.id) {
                return Err(StoreError::NotHeld { id: change.id.clone() });
            }
        }
        for erasure in &work.erasures {
            if i64::try_from(erasure.sequence).unwrap_or(i64::MAX) >= self.counters.leaf {
                return Err(StoreError::Unknown { kind: "audit leaf", id: erasure.sequence.to_string() });
            }
        }
        self.check_delivery(work)?;

        self.effects.any = true;
        self.counters.latest = self.counters.latest.max(work.now);
        self.stage_keys(work);
        work.puts.iter().for_each(|put| self.stage_put(put));
        self.stage_intake(work);
        let (intents, numbers) = self.stage_delivery(work);
        let first_leaf = work.audits.first().and_then(|_| u64::try_from(self.counters.leaf).ok());
        work.audits.iter().for_each(|leaf| self.stage_leaf(leaf));
        self.stage_governance(work);
        Ok(Committed::Done(Done { first_leaf, intents, numbers }))
    }

    fn repeated(&self, work: &Work) -> Result<Option<Option<String>>, StoreError> {
        for key in work.key.iter().chain(&work.other_keys) {
            if let Some(known) = self.known.keys.get(&(key.scope.clone(), key.key.clone())) {
                if known.digest != key.digest {
                    return Err(StoreError::KeyReused { scope: key.scope.clone() });
                }
                return Ok(Some(known.answer.clone()));
            }
        }
        Ok(None)
    }

    fn check_versions(&self, work: &Work) -> Result<(), StoreError> {
        let puts = work.puts.iter().map(|put| (&put.resource_type, &put.id, put.expected));
        let required = work.requires.iter().map(|one| (&one.resource_type, &one.id, one.version));
        for (resource_type, id, expected) in puts.chain(required) {
            let found = self.known.versions.get(&(resource_type.clone(), id.clone())).map(|one| one.version);
            if found != expected {
                let (resource_type, id) = (resource_type.clone(), id.clone());
                return Err(StoreError::Conflict { resource_type, id, expected, found });
            }
        }
        let mut seen = BTreeSet::new();
        for put in &work.puts {
            if put.version != put.expected.map_or(1, |version| version.saturating_add(1)) {
                let rule = format!("version {} of `{}` does not follow", put.version, put.resource_type);
                return Err(StoreError::Rejected { rule });
            }
            if !seen.insert((&put.resource_type, &put.id)) {
                let rule = format!("one unit of work holds `{}` twice", put.resource_type);
                return Err(StoreError::Rejected { rule });
            }
        }
        Ok(())
    }

    fn stage_keys(&mut self, work: &Work) {
        let mut first = None;
        for key in work.key.iter().chain(&work.other_keys) {
            let IdempotencyKey { scope, key, digest } = key;
            let known = Key { digest: digest.to_vec(), answer: work.answer.clone() };
            if self.known.keys.insert((scope.clone(), key.clone()), known).is_some() {
                continue;
            }
            let id = self.counters.key;
            self.counters.key += 1;
            let answer = if first.is_none() { work.answer.clone() } else { None };
            self.keys.push([
                id.into(),
                scope.as_str().into(),
                key.as_str().into(),
                (*digest).into(),
                work.now.into(),
                answer.into(),
                first.into(),
            ]);
            first.get_or_insert(id);
        }
    }

    fn stage_put(&mut self, put: &Put) {
        let row = self.counters.row;
        self.counters.row += 1;
        self.effects.facts |= matches!(put.resource_type.as_str(), "Patient" | "Consent");
        let name = (put.resource_type.clone(), put.id.clone());
        self.versions.push([
            row.into(),
            put.resource_type.as_str().into(),
            put.id.as_str().into(),
            put.version.into(),
            put.last_updated.into(),
            put.deleted.into(),
            put.patient_key.clone().into(),
            put.body.as_str().into(),
            self.known.versions.get(&name).map(|current| current.row).into(),
        ]);
        let identifiers = listed(&put.identifiers);
        self.current.push([
            put.resource_type.as_str().into(),
            put.id.as_str().into(),
            put.version.into(),
            row.into(),
            put.patient_key.clone().into(),
            identifiers.as_str().into(),
        ]);
        let now = Current { version: put.version, row, identifiers };
        let before = self.known.versions.insert(name.clone(), now).map(|before| before.identifiers);
        if before.as_ref() == self.known.versions.get(&name).map(|now| &now.identifiers) {
            return;
        }
        for one in before.iter().flat_map(|before| unlisted(before)) {
            let (resource_type, id) = (put.resource_type.as_str(), put.id.as_str());
            self.old_identifiers.push([resource_type.into(), one.value.into(), one.system.into(), id.into()]);
        }
        self.identifiers.insert(name, put.identifiers.clone());
    }

    fn stage_intake(&mut self, work: &Work) {
        if let Some(one) = &work.submission {
            self.submissions.push([
                one.id.as_str().into(),
                one.source.as_str().into(),
                one.received.into(),
                one.media_type.as_str().into(),
                one.digest.into(),
                one.message_id.clone().into(),
                one.outcome.as_str().into(),
                one.detail.clone().into(),
                one.patient_key.clone().into(),
            ]);
        }
        if let Some(one) = &work.quarantine {
            self.known.held.insert(one.id.clone());
            self.quarantine.push([
                one.id.as_str().into(),
                one.source.as_str().into(),
                one.organisation.as_str().into(),
                one.received.into(),
                one.media_type.as_str().into(),
                one.reason.as_str().into(),
                one.outcome.as_str().into(),
                Cell::Integer(0),
                one.received.into(),
                one.payload.clone().into(),
            ]);
        }
        for change in &work.quarantine_changes {
            if change.to != QuarantineStatus::Held {
                self.known.held.remove(&change.id);
            }
            self.quarantine_changes.push([
                change.id.as_str().into(),
                Cell::Integer(quarantine_code(change.to)),
                change.at.into(),
                change.note.as_str().into(),
            ]);
        }
    }

    fn stage_leaf(&mut self, leaf: &NewLeaf) {
        let sequence = self.counters.leaf;
        self.counters.leaf += 1;
        self.leaves.push([
            sequence.into(),
            leaf.id.as_str().into(),
            leaf.leaf.as_str().into(),
            leaf.leaf_hash.into(),
        ]);
        self.contents.push([
            sequence.into(),
            leaf.recorded.into(),
            leaf.kind.as_str().into(),
            leaf.outcome.as_str().into(),
            leaf.patient_key.clone().into(),
            leaf.salt.into(),
            leaf.canonical.as_str().into(),
        ]);
        for about in &leaf.about {
            self.abouts.push([about.as_str().into(), sequence.into()]);
        }
    }

    fn stage_governance(&mut self, work: &Work) {
        for erasure in &work.erasures {
            self.erasures.push([erasure.sequence.into(), Cell::Integer(micros(erasure.at))]);
            self.erased_abouts.push([erasure.sequence.into()]);
        }
        if let Some(one) = &work.checkpoint {
            self.checkpoints.push([
                one.size.into(),
                one.root.into(),
                one.note.as_str().into(),
                one.created.into(),
            ]);
        }
    }

    /// Writes the rows of all admitted units.
    pub async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        let mut identifiers = Rows::insert(4, "INSERT OR IGNORE INTO identifier (type, rid, system, value)");
        for ((resource_type, id), list) in std::mem::take(&mut self.identifiers) {
            for one in list {
                let row =
                    [resource_type.as_str().into(), id.as_str().into(), one.system.into(), one.value.into()];
                identifiers.push(row);
            }
        }
        for rows in [
            &mut self.versions,
            &mut self.current,
            &mut self.old_identifiers,
            &mut identifiers,
            &mut self.submissions,
            &mut self.keys,
            &mut self.quarantine,
            &mut self.quarantine_changes,
        ] {
            rows.execute(connection).await?;
        }
        self.write_delivery(connection).await?;
        for rows in [
            &mut self.leaves,
            &mut self.contents,
            &mut self.abouts,
            &mut self.erasures,
            &mut self.erased_abouts,
            &mut self.checkpoints,
        ] {
            rows.execute(connection).await?;
        }
        Ok(())
    }
}

/// Business identifiers as `resource` keeps them.
fn listed(identifiers: &[BusinessIdentifier]) -> String {
    let flat: Vec<&str> =
        identifiers.iter().flat_map(|one| [one.system.as_str(), one.value.as_str()]).collect();
    serde_json::to_string(&flat).unwrap_or_default()
}

/// Business identifiers from what `resource` keeps.
fn unlisted(text: &str) -> Vec<BusinessIdentifier> {
    let flat: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| Some(BusinessIdentifier { system: flat.next()?, value: flat.next()? })).collect()
}

/// A quarantine status as the tables hold it.
pub fn quarantine_code(status: QuarantineStatus) -> i64 {
    match status {
        QuarantineStatus::Held => 0,
        QuarantineStatus::Resubmitted => 1,
        QuarantineStatus::Discarded => 2,
    }
}

const VERSION: &str =
    "INSERT INTO resource_version (id, type, rid, version, last_updated, deleted, patient, body, previous)";
const CURRENT: (&str, &str) = (
    "INSERT INTO resource (type, rid, version, row, patient, identifiers) SELECT * FROM (",
    ") WHERE column1 IS NOT NULL ON CONFLICT (type, rid) DO UPDATE SET version = excluded.version, \
     row = excluded.row, patient = excluded.patient, identifiers = excluded.identifiers",
);
const DROP_IDENTIFIERS: (&str, &str) = ("DELETE FROM identifier WHERE (type, value, system, rid) IN (", ")");
const SUBMISSION: &str = "INSERT INTO submission \
    (id, source, received, media_type, digest, message_id, outcome, detail, patient)";
const KEY: &str = "INSERT INTO idempotency (id, scope, key, digest, created, answer, same_as)";
const QUARANTINE: &str = "INSERT INTO quarantine \
    (id, source, organisation, received, media_type, reason, outcome, status, changed, payload)";
const QUARANTINE_CHANGE: (&str, &str) = (
    "WITH v(id, status, changed, note) AS (",
    ") UPDATE quarantine SET status = v.status, changed = v.changed, note = v.note, \
     payload = CASE WHEN v.status = 2 THEN NULL ELSE payload END FROM v WHERE quarantine.id = v.id",
);
const LEAF: &str = "INSERT INTO audit_leaf (sequence, id, leaf, leaf_hash)";
const CONTENT: &str =
    "INSERT INTO audit_content (sequence, recorded, kind, outcome, patient, salt, canonical)";
const ERASURE: (&str, &str) = (
    "WITH v(sequence, at) AS (",
    ") UPDATE audit_content SET patient = NULL, salt = NULL, canonical = NULL, erased = v.at \
     FROM v WHERE audit_content.sequence = v.sequence",
);

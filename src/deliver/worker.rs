//! The worker of one subscription: takes intents, sends them side by side, records what came of them.
//!
//! Each subscription has its own worker and its own bound on what is under way, so that a receiver that hangs holds up
//! nobody else. All waiting, reading and writing happens in steps beside the loop; the loop itself only decides.

use super::attempt::{Loaded, Prepared, Sent, send};
use super::breaker::{Allowance, Breaker};
use super::contact::{contact, handshake};
use super::prepare::{Batch, Taken, Taking, take};
use super::record::{Recording, fenced};
use super::sender::Answer;
use super::shared::Shared;
use crate::route::Status;
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The most attempts recorded in one unit of work.
const RECORD_MOST: usize = 256;
/// How long a worker rests after the store has refused it.
const STORE_REST: SignedDuration = SignedDuration::from_millis(250);
/// The longest a worker sleeps without looking, should a wake-up have been lost.
const LONGEST_SLEEP: SignedDuration = SignedDuration::from_secs(60);

/// The lease of a subscription as the deliverer renews it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub fence: u64,
    pub until: Timestamp,
}

pub(super) enum Step {
    Taken(Result<Taken, StoreError>),
    Sent(Box<Sent>),
    Recorded(Result<(), StoreError>, Vec<Sent>),
    Handshaken(Result<(), StoreError>),
    Heartbeat(Answer),
    Noted(Result<(), StoreError>),
}

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) id: String,
    pub(super) lease: watch::Receiver<Lease>,
    pub(super) steps: JoinSet<Step>,
    pub(super) breaker: Option<Breaker>,
    pub(super) loaded: Option<Arc<Loaded>>,
    pub(super) under_way: HashSet<i64>,
    sending: usize,
    settled: Vec<Sent>,
    newest: u64,
    /// Up to which intent events were counted while the subscription is in error.
    counted: i64,
    look: bool,
    taking: bool,
    recording: bool,
    contacting: bool,
    pub(super) noting: bool,
    /// The receiver wants no more: the subscription goes off once everything is recorded.
    pub(super) gone: bool,
    rest_until: Option<Timestamp>,
    next_due: Option<Timestamp>,
    last_contact: Timestamp,
    /// Since when failures are known to the store.
    pub(super) noted: Option<Option<Timestamp>>,
    lost: bool,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, id: String, lease: watch::Receiver<Lease>) -> Worker {
        Worker {
            shared,
            id,
            lease,
            steps: JoinSet::new(),
            breaker: None,
            loaded: None,
            under_way: HashSet::new(),
            sending: 0,
            settled: Vec::new(),
            newest: 0,
            counted: 0,
            look: true,
            taking: false,
            recording: false,
            contacting: false,
            noting: false,
            gone: false,
            rest_until: None,
            next_due: None,
            last_contact: Timestamp::now(),
            noted: None,
            lost: false,
        }
    }

    /// Works until the lease is lost, or until `stop` and everything under way is recorded.
    pub async fn run(mut self, wake: Arc<Notify>, stop: CancellationToken) {
        loop {
            let now = Timestamp::now();
            let stopping = stop.is_cancelled();
            if self.lost || (stopping && self.steps.is_empty() && self.settled.is_empty()) {
                return;
            }
            if !stopping {
                self.begin(now);
            }
            self.record(now);
            if self.gone && !self.noting && self.sending == 0 && !self.recording && self.settled.is_empty() {
                self.gone = false;
                self.restate(&[Status::Active, Status::Error, Status::Requested], Status::Off, "gone", true);
            }
            let sleep = Duration::try_from(self.wake_at(now).duration_since(now)).unwrap_or(Duration::ZERO);
            tokio::select! {
                Some(step) = self.steps.join_next(), if !self.steps.is_empty() => {
                    self.finish(step);
                    while let Some(step) = self.steps.try_join_next() {
                        self.finish(step);
                    }
                }
                () = wake.notified() => self.look = true,
                () = tokio::time::sleep(sleep) => self.on_time(Timestamp::now()),
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Whether this worker still leads the subscription, with time to spare for a commit.
    fn leads(&self, now: Timestamp) -> bool {
        self.lease.borrow().until > now
    }

    fn begin(&mut self, now: Timestamp) {
        let resting = self.rest_until.is_some_and(|until| until > now);
        if self.taking || self.contacting || self.gone || resting || !self.leads(now) {
            return;
        }
        let allowance = self.breaker.as_ref().map_or(Allowance::Free, |breaker| breaker.allowance(now));
        let probe = match allowance {
            Allowance::NotBefore(_) => return,
            Allowance::Probe => {
                if self.sending > 0 {
                    return;
                }
                true
            }
            Allowance::Free => false,
        };
        let most = self.shared.parts.settings.in_flight;
        // What is sent but not yet recorded counts too, so that a slow disk slows the sending.
        let room = most.saturating_sub(self.sending).min((4 * most).saturating_sub(self.under_way.len()));
        if self.look && room > 0 {
            self.look = false;
            self.taking = true;
            let taking = Taking {
                id: self.id.clone(),
                fence: self.lease.borrow().fence,
                limit: if probe { 1 } else { room },
                probe,
                under_way: self.under_way.clone(),
                loaded: self.loaded.clone(),
                newest: self.newest,
                counted: self.counted,
            };
            let shared = self.shared.clone();
            self.steps.spawn(async move { Step::Taken(take(&shared, taking, now).await) });
        } else if self.heartbeat_at().is_some_and(|at| at <= now) && self.sending == 0 {
            self.heartbeat();
        }
    }

    fn heartbeat(&mut self) {
        let Some(loaded) = self.loaded.clone() else { return };
        self.contacting = true;
        let (shared, newest) = (self.shared.clone(), self.newest);
        self.steps.spawn(async move { Step::Heartbeat(contact(&shared, &loaded, newest, false).await) });
    }

    /// When a heartbeat is due; none without a period, or while there is nobody to hear it.
    fn heartbeat_at(&self) -> Option<Timestamp> {
        let loaded = self.loaded.as_ref()?;
        let status = Status::from_code(&loaded.state.status)?;
        let period = loaded.subscription.heartbeat_period?;
        let known = status == Status::Active && self.breaker.is_some();
        known.then(|| super::breaker::later(self.last_contact, Duration::from_secs(period.into())))
    }

    fn wake_at(&self, now: Timestamp) -> Timestamp {
        let longest = now.checked_add(LONGEST_SLEEP).unwrap_or(Timestamp::MAX);
        let breaker = self.breaker.as_ref().map(|breaker| breaker.allowance(now));
        if self.rest_until.is_some_and(|until| until > now) {
            return self.rest_until.unwrap_or(longest).min(longest);
        }
        let mut at = longest;
        if let Some(Allowance::NotBefore(until)) = breaker {
            at = at.min(until);
        } else if !self.contacting {
            let heartbeat = self.heartbeat_at().filter(|_| self.sending == 0);
            for due in [self.next_due, heartbeat].into_iter().flatten() {
                at = at.min(due.max(now.checked_add(SignedDuration::from_millis(5)).unwrap_or(due)));
            }
        }
        at
    }

    fn on_time(&mut self, now: Timestamp) {
        self.rest_until = self.rest_until.filter(|until| *until > now);
        if self.next_due.is_some_and(|due| due <= now) {
            self.next_due = None;
        }
        self.look = true;
    }

    fn finish(&mut self, step: Result<Step, tokio::task::JoinError>) {
        match step {
            Ok(Step::Taken(taken)) => {
                self.taking = false;
                match taken {
                    Ok(taken) => self.taken(taken),
                    Err(error) => self.refused(&error),
                }
            }
            Ok(Step::Sent(sent)) => self.sent(*sent),
            Ok(Step::Recorded(result, sent)) => {
                self.recording = false;
                match result {
                    Ok(()) => {
                        for one in &sent {
                            self.under_way.remove(&one.prepared.intent.id);
                        }
                        self.look = true;
                    }
                    Err(error) => {
                        self.settled.extend(sent);
                        self.refused(&error);
                    }
                }
            }
            Ok(Step::Handshaken(result)) => {
                self.contacting = false;
                self.last_contact = Timestamp::now();
                self.look = true;
                if let Err(error) = result {
                    self.refused(&error);
                }
            }
            Ok(Step::Heartbeat(answer)) => {
                self.contacting = false;
                self.last_contact = Timestamp::now();
                self.answered(&answer.outcome, 0);
            }
            Ok(Step::Noted(result)) => {
                self.noting = false;
                self.look = true;
                if let Err(error) = result {
                    self.noted = None;
                    self.refused(&error);
                }
            }
            Err(error) => {
                // A step that panicked or was cancelled leaves its intents to the next lease.
                tracing::error!(subscription.id = %self.id, error = %error, "a step of a delivery has failed");
                self.lost = true;
            }
        }
    }

    fn taken(&mut self, taken: Taken) {
        match taken {
            Taken::Ended | Taken::Idle => self.loaded = None,
            Taken::Expired => self.restate(
                &[Status::Requested, Status::Active, Status::Error],
                Status::Off,
                "expired",
                true,
            ),
            Taken::Handshake(loaded) => {
                self.contacting = true;
                let (shared, id, newest) = (self.shared.clone(), self.id.clone(), self.newest);
                let fence = self.lease.borrow().fence;
                self.breaker = None;
                let made = async move { handshake(&shared, &id, fence, &loaded, newest).await };
                self.steps.spawn(async move { Step::Handshaken(made.await) });
            }
            Taken::Batch(batch) => self.send(batch),
        }
    }

    fn send(&mut self, batch: Batch) {
        let state = &batch.loaded.state;
        if self.breaker.is_none() {
            let settings = self.shared.parts.settings.breaker.clone();
            self.breaker =
                Some(Breaker::resumed(settings, state.failures, state.failing_since, Timestamp::now()));
            self.noted = Some(state.failing_since);
        }
        self.loaded = Some(batch.loaded.clone());
        self.newest = self.newest.max(batch.newest);
        self.counted = batch.counted;
        self.next_due = batch.next_due.filter(|_| self.under_way.is_empty());
        self.look |= batch.more;
        for prepared in batch.sends {
            self.under_way.insert(prepared.intent.id);
            self.sending += 1;
            let (shared, loaded) = (self.shared.clone(), batch.loaded.clone());
            self.steps.spawn(async move { Step::Sent(Box::new(send(shared, loaded, prepared).await)) });
        }
    }

    fn sent(&mut self, sent: Sent) {
        self.sending = self.sending.saturating_sub(1);
        let Some(answer) = &sent.answer else {
            // The facts have changed since the decision: it is taken again, and decided anew.
            self.under_way.remove(&sent.prepared.intent.id);
            self.look = true;
            return;
        };
        self.last_contact = Timestamp::now();
        let outcome = answer.outcome.clone();
        metrics::counter!("sgw_deliveries_total", "outcome" => outcome.code()).increment(1);
        metrics::histogram!("sgw_delivery_seconds").record(f64::from(sent.took_ms) / 1_000.0);
        let lane = lane(&sent.prepared);
        self.settled.push(sent);
        self.answered(&outcome, lane);
    }

    fn record(&mut self, now: Timestamp) {
        let resting = self.rest_until.is_some_and(|until| until > now);
        let Some(loaded) =
            self.loaded.clone().filter(|_| !self.recording && !self.settled.is_empty() && !resting)
        else {
            return;
        };
        self.recording = true;
        let rest = self.settled.split_off(self.settled.len().min(RECORD_MOST));
        let sent = std::mem::replace(&mut self.settled, rest);
        let (shared, id, fence) = (self.shared.clone(), self.id.clone(), self.lease.borrow().fence);
        self.steps.spawn(async move {
            let recording =
                Recording { shared: &shared, subscription: &id, owner: &loaded.state.owner, fence };
            let result = recording.commit(&sent, Timestamp::now()).await;
            Step::Recorded(result, sent)
        });
    }

    fn refused(&mut self, error: &StoreError) {
        if fenced(error) {
            tracing::warn!(subscription.id = %self.id, "the lease has passed to another worker");
            self.lost = true;
            return;
        }
        tracing::error!(subscription.id = %self.id, error = %error, "the store refused a step of a delivery");
        self.rest_until = Timestamp::now().checked_add(STORE_REST).ok();
        self.look = true;
    }
}

fn lane(prepared: &Prepared) -> u64 {
    let mut hasher = DefaultHasher::new();
    prepared.intent.patient_key.hash(&mut hasher);
    if prepared.intent.patient_key.is_none() {
        prepared.intent.resource_id.hash(&mut hasher);
    }
    hasher.finish().max(1)
}

//! The deliverer: leads subscriptions by leases, and keeps one worker for each.

use super::egress::{Lookup, Rules, system_lookup};
use super::facts::FactsReader;
use super::sender::Sender;
use super::settings::SettingsError;
use super::shared::{Parts, Shared};
use super::webhook::Secret;
use super::worker::{Lease, Worker};
use crate::store::{LeaseRequest, StoreError};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long new work may gather before the workers are woken.
const GATHER: Duration = Duration::from_millis(2);
/// How often changes of subscriptions are looked for, after a change.
const SCAN: Duration = Duration::from_millis(150);

/// Why deliveries cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Delivers what the store holds for subscribers, until it is drained.
pub struct Deliverer {
    pub(super) shared: Arc<Shared>,
    stop: CancellationToken,
    wake: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Deliverer {
    /// Starts to deliver, resolving names with the system's resolver.
    ///
    /// Returns once the settings are checked; everything else happens in tasks of the runtime this is called in.
    pub async fn start(parts: Parts) -> Result<Arc<Deliverer>, StartError> {
        Deliverer::start_with(parts, system_lookup()).await
    }

    /// As [`Deliverer::start`], with another resolver of names.
    pub async fn start_with(parts: Parts, lookup: Lookup) -> Result<Arc<Deliverer>, StartError> {
        parts.settings.check()?;
        let sender = Sender::new(&parts.settings, lookup)?;
        let owner = format!("deliver-{}", uuid::Uuid::new_v4());
        let secrets = ArcSwap::from_pointee(parts.secrets.clone());
        let shared = Arc::new(Shared { parts, sender, facts: FactsReader::default(), secrets, owner });
        let (stop, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
        let leader = Leader { shared: shared.clone(), workers: HashMap::new(), wake: wake.clone() };
        let task = tokio::spawn(leader.run(stop.clone()));
        Ok(Arc::new(Deliverer { shared, stop, wake, task: Mutex::new(Some(task)) }))
    }

    /// Looks for due work now. Commits of the store wake the deliverer by themselves.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Signs with these secrets from the next attempt on.
    pub fn replace_secrets(&self, secrets: BTreeMap<String, Vec<Secret>>) {
        self.shared.secrets.store(Arc::new(secrets));
    }

    /// The rules of the egress guard, to check the endpoint of a new subscription with.
    pub fn rules(&self) -> &Rules {
        self.shared.sender.rules()
    }

    /// Takes nothing new, lets what is under way finish and be recorded, and gives the leases back. Bounded by the
    /// longest timeout of a notification and a little more.
    pub async fn drain(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let most = Duration::from_secs(self.shared.parts.settings.max_timeout_seconds + 5);
            let abort = task.abort_handle();
            if tokio::time::timeout(most, task).await.is_err() {
                abort.abort();
            }
        }
        if let Err(error) = self.shared.store().release_leases(&self.shared.owner).await {
            tracing::warn!(error = %error, "the leases could not be given back; they will run out");
        }
    }

    /// Stops at once without recording or giving anything back, as a crash would: for tests of the takeover.
    pub fn abandon(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

struct Led {
    lease: watch::Sender<Lease>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    version: u64,
    status: String,
}

impl Drop for Led {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Leader {
    shared: Arc<Shared>,
    workers: HashMap<String, Led>,
    wake: Arc<Notify>,
}

impl Leader {
    async fn run(mut self, stop: CancellationToken) {
        let lease = Duration::from_secs(self.shared.parts.settings.lease_seconds);
        let mut renew = tokio::time::interval(lease / 3);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut scan = tokio::time::interval(SCAN);
        scan.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut commits = self.shared.store().intents_committed();
        let mut changed = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = renew.tick() => self.renew(lease).await,
                _ = scan.tick(), if changed => {
                    changed = false;
                    self.scan(lease).await;
                }
                result = commits.changed() => {
                    if result.is_err() {
                        break;
                    }
                    changed = true;
                    tokio::time::sleep(GATHER).await;
                    commits.mark_unchanged();
                    self.wake_due().await;
                }
                () = self.wake.notified() => {
                    changed = true;
                    self.wake_due().await;
                }
            }
        }
        self.finish().await;
    }

    /// Renews the leases, and takes over what nobody leads.
    async fn renew(&mut self, lease: Duration) {
        let now = Timestamp::now();
        let until = super::breaker::later(now, lease);
        let request = LeaseRequest { owner: self.shared.owner.clone(), now, until, limit: usize::MAX / 2 };
        let leased = match self.shared.store().lease_subscriptions(request).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(error = %error, "the leases of subscriptions could not be renewed");
                return;
            }
        };
        let mut kept = HashMap::new();
        for one in leased {
            let lease = Lease { fence: one.fence, until: one.until };
            let led = self
                .workers
                .remove(&one.subscription)
                .filter(|led| led.lease.borrow().fence == lease.fence && !led.task.is_finished());
            let led = match led {
                Some(led) => {
                    led.lease.send_replace(lease);
                    led
                }
                None => self.lead(&one.subscription, lease),
            };
            kept.insert(one.subscription, led);
        }
        // What is left over is led by somebody else now; dropping it stops the worker.
        self.workers = kept;
    }

    fn lead(&self, subscription: &str, lease: Lease) -> Led {
        let (sender, receiver) = watch::channel(lease);
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let worker = Worker::new(self.shared.clone(), subscription.to_owned(), receiver);
        let task = tokio::spawn(worker.run(wake.clone(), stop.clone()));
        Led { lease: sender, wake, stop, task, version: 0, status: String::new() }
    }

    /// Wakes the workers of subscriptions with due intents; one that nobody leads yet is taken over.
    async fn wake_due(&mut self) {
        match self.shared.store().due(Timestamp::now()).await {
            Ok(due) => {
                for one in due {
                    if let Some(led) = self.workers.get(&one.subscription) {
                        led.wake.notify_one();
                    }
                }
            }
            Err(error) => tracing::error!(error = %error, "due deliveries could not be looked up"),
        }
    }

    /// Looks for subscriptions that are new or have changed.
    async fn scan(&mut self, lease: Duration) {
        let states = match self.shared.store().subscription_states().await {
            Ok(states) => states,
            Err(error) => {
                tracing::error!(error = %error, "the subscriptions could not be read");
                return;
            }
        };
        let stopped = |led: &Led| led.task.is_finished();
        if states.iter().any(|state| self.workers.get(&state.id).is_none_or(stopped)) {
            self.renew(lease).await;
        }
        for state in states {
            if let Some(led) = self.workers.get_mut(&state.id)
                && (led.version != state.resource_version || led.status != state.status)
            {
                led.version = state.resource_version;
                led.status = state.status;
                led.wake.notify_one();
            }
        }
    }

    /// Lets all workers finish what is under way, while the leases are still renewed.
    async fn finish(mut self) {
        for led in self.workers.values() {
            led.stop.cancel();
        }
        let lease = Duration::from_secs(self.shared.parts.settings.lease_seconds);
        let mut renew = tokio::time::interval(lease / 3);
        renew.tick().await;
        loop {
            self.workers.retain(|_, led| !led.task.is_finished());
            if self.workers.is_empty() {
                return;
            }
            tokio::select! {
                _ = renew.tick() => {
                    let now = Timestamp::now();
                    let until = super::breaker::later(now, lease);
                    let request = LeaseRequest { owner: self.shared.owner.clone(), now, until, limit: self.workers.len() };
                    if let Ok(leased) = self.shared.store().lease_subscriptions(request).await {
                        for one in leased {
                            if let Some(led) = self.workers.get(&one.subscription) {
                                led.lease.send_replace(Lease { fence: one.fence, until: one.until });
                            }
                        }
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    }
}

//! The subscriptions that a change may concern, read once and kept until one of them changes.

use crate::route::{Subscription, Topics};
use crate::store::{SharedStore, StoreError};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// How long what was read is believed. Only the deliverer changes subscriptions behind this one's back, and only
/// their status: an intent for a subscription that has just ended is settled by the deliverer.
const FRESH: Duration = Duration::from_millis(500);

/// A subscription, with the partner it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub id: String,
    pub partner: String,
    pub subscription: Subscription,
}

#[derive(Debug, Default)]
struct Known {
    read: Option<Instant>,
    all: Arc<Vec<Subscriber>>,
}

/// All subscriptions that count events.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    known: RwLock<Known>,
}

impl Subscribers {
    /// The subscriptions in force.
    pub async fn all(
        &self,
        store: &SharedStore,
        topics: &Topics,
    ) -> Result<Arc<Vec<Subscriber>>, StoreError> {
        if let Ok(known) = self.known.read()
            && known.read.is_some_and(|read| read.elapsed() < FRESH)
        {
            return Ok(known.all.clone());
        }
        let begun = Instant::now();
        let mut all = Vec::new();
        for state in store.subscription_states().await? {
            let Ok(resource) = serde_json::from_str(&state.body) else { continue };
            match Subscription::parse(&resource, topics) {
                Ok(subscription) if subscription.status.counts_events() => {
                    all.push(Subscriber { id: state.id, partner: state.owner, subscription });
                }
                Ok(_) => {}
                Err(_) => tracing::error!(subscription = %state.id, "a stored subscription cannot be read"),
            }
        }
        let all = Arc::new(all);
        if let Ok(mut known) = self.known.write() {
            *known = Known { read: Some(begun), all: all.clone() };
        }
        Ok(all)
    }

    /// Forgets what was read, because a subscription has just been changed here.
    pub fn forget(&self) {
        if let Ok(mut known) = self.known.write() {
            known.read = None;
        }
    }
}

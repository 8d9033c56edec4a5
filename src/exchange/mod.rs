//! The pipeline from a submission to its commit.
//!
//! [`Exchange::submit`] is the movement as one function: recognise and convert, validate, decide to hold, find whom the
//! change concerns and decide for each, then commit resources, audit and intents as one unit of work. The other doors
//! (FHIR create, update, read; quarantine; subscriptions) go through the same stages. Whatever the outcome, a record of
//! it is committed with it or before it is told: an act whose record cannot be written does not happen.

mod accept;
mod audit_reads;
mod audit_search;
mod break_glass;
mod compare;
mod consequences;
mod deliveries;
mod even;
mod explain;
mod facts;
mod in_force;
mod payload;
mod quarantine;
mod reads;
mod records;
mod refusal;
mod review;
mod shapes;
mod sources;
mod submit;
mod subscribers;
mod subscriptions;
mod tasks;
mod transaction;
mod try_out;
mod version;
mod writes;

pub use audit_reads::{AuditPage, accesses};
pub use break_glass::{PATIENTS_AN_HOUR, Use};
pub use compare::{Access, Comparison, Difference, compare};
pub use explain::{About, Claim, Explained, Question};
pub use in_force::Replacement;
pub use payload::{HL7_V2, Payload, Submitted, media_types};
pub use quarantine::Correction;
pub use reads::{Found, Page, Search};
pub use refusal::Refusal;
pub use review::gather_review;
pub use sources::{Registered, Sources};
pub use tasks::TaskQuery;
pub use try_out::Tried;
pub use writes::{Condition, Written};

use crate::audit;
use crate::deliver::Deliverer;
use crate::govern::Policy;
use crate::route::Topics;
use crate::store::SharedStore;
use crate::validate::Validator;
use arc_swap::ArcSwap;
use std::sync::Arc;
use subscribers::Subscribers;

/// What an exchange works with.
pub struct Parts {
    /// The system of record.
    pub store: SharedStore,
    /// Checks resources against profiles.
    pub validator: Arc<Validator>,
    /// The agreements and partners in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// The topics that can be subscribed to.
    pub topics: Arc<Topics>,
    /// Who may submit, and how it is read.
    pub sources: Sources,
    /// Who records.
    pub gateway: audit::Gateway,
    /// The base URL that clients use, without a slash at its end; FHIR is served under `/fhir`.
    pub public_url: String,
    /// Tells the subscribers, and knows what became of that.
    pub deliverer: Arc<Deliverer>,
}

/// The pipeline. One for each gateway, shared by its doors.
pub struct Exchange {
    store: SharedStore,
    validator: Arc<Validator>,
    policy: Arc<ArcSwap<Policy>>,
    topics: Arc<Topics>,
    sources: ArcSwap<Sources>,
    gateway: audit::Gateway,
    public_url: String,
    subscribers: Subscribers,
    deliverer: Arc<Deliverer>,
}

impl Exchange {
    /// An exchange of these parts.
    pub fn new(parts: Parts) -> Exchange {
        let Parts { store, validator, policy, topics, sources, gateway, public_url, deliverer } = parts;
        let subscribers = Subscribers::default();
        let sources = ArcSwap::from_pointee(sources);
        Exchange { store, validator, policy, topics, sources, gateway, public_url, subscribers, deliverer }
    }

    /// The ODS code of the organisation that a source belongs to; `None` when it is not registered.
    pub fn organisation_of(&self, source: &str) -> Option<String> {
        self.sources.load().get(source).map(|registered| registered.source.organisation.clone())
    }

    /// A registered source with the mapping that reads it now; `None` when it is not registered.
    pub fn registered(&self, source: &str) -> Option<Arc<Registered>> {
        self.sources.load().get(source).cloned()
    }

    /// The store, for the doors that only ask it whether it is ready.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The validator.
    pub fn validator(&self) -> &Arc<Validator> {
        &self.validator
    }

    /// The topics that can be subscribed to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The base of FHIR addresses, without a slash at its end.
    pub fn fhir_base(&self) -> String {
        format!("{}/fhir", self.public_url)
    }
}

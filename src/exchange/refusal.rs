//! Why the exchange refuses. Nothing here knows a status code of HTTP or an acknowledgement code of HL7.

use crate::fhir::Issue;
use crate::store::StoreError;

/// Why a request was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The payload cannot be read at all; nothing of it is kept.
    #[error("the payload cannot be read")]
    Unreadable {
        /// Where and why.
        issues: Vec<Issue>,
    },
    /// The payload's media type is not one that the source sends.
    #[error("the source sends `{expected}`")]
    MediaType {
        /// What the source sends.
        expected: &'static str,
    },
    /// It can be read but not used: it is kept in quarantine.
    #[error("the payload is kept in quarantine as `{quarantine}`")]
    Quarantined {
        /// Where and why.
        issues: Vec<Issue>,
        /// The id under which it is kept.
        quarantine: String,
    },
    /// A resource that is not valid, or that the rules do not let the gateway hold; nothing of it is kept.
    #[error("the resource is not valid")]
    Invalid {
        /// Where and why.
        issues: Vec<Issue>,
    },
    /// The request itself makes no sense: an id that differs, a parameter that is unknown.
    #[error("{text}")]
    Malformed {
        /// What is wrong.
        text: String,
    },
    /// The caller may not do this.
    #[error("{text}")]
    Forbidden {
        /// Why, as far as the caller may know.
        text: String,
    },
    /// There is no such record, or the caller may not know of it: the two are told apart nowhere.
    #[error("there is no such record")]
    NotFound,
    /// The gateway does not serve resources of this type.
    #[error("resources of type `{resource_type}` are not served here")]
    UnknownType {
        /// The type asked for.
        resource_type: String,
    },
    /// The resource has been deleted.
    #[error("the record has been deleted")]
    Gone,
    /// The version that the caller named, or the condition it set, does not hold.
    #[error("{text}")]
    Precondition {
        /// Which one.
        text: String,
    },
    /// An idempotency key came back with other content.
    #[error("the idempotency key was used before with different content")]
    KeyReused,
    /// A quarantined payload or a delivery is not in a state in which this can be done.
    #[error("{text}")]
    State {
        /// Why.
        text: String,
    },
    /// The same record is being changed by too many at once.
    #[error("the record is being changed by others; try again")]
    Contention,
    /// The store cannot take it now; the cause is logged.
    #[error("the gateway cannot store anything at the moment")]
    Unavailable(#[source] StoreError),
    /// A fault of the gateway's own; the cause is logged.
    #[error("the gateway failed")]
    Internal {
        /// What failed, for the log.
        cause: String,
    },
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::Conflict { .. } => Refusal::Contention,
            StoreError::KeyReused { .. } => Refusal::KeyReused,
            StoreError::NotHeld { .. } => {
                Refusal::State { text: "the payload has been resubmitted or discarded already".to_owned() }
            }
            error if error.is_transient() => Refusal::Unavailable(error),
            error => Refusal::Internal { cause: error.to_string() },
        }
    }
}

impl Refusal {
    /// A short, stable name for logs, metrics and audit.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unreadable { .. } => "unreadable",
            Refusal::MediaType { .. } => "media-type",
            Refusal::Quarantined { .. } => "quarantined",
            Refusal::Invalid { .. } => "invalid",
            Refusal::Malformed { .. } => "malformed",
            Refusal::Forbidden { .. } => "forbidden",
            Refusal::NotFound => "not-found",
            Refusal::UnknownType { .. } => "unknown-type",
            Refusal::Gone => "gone",
            Refusal::Precondition { .. } => "precondition",
            Refusal::KeyReused => "key-reused",
            Refusal::State { .. } => "state",
            Refusal::Contention => "contention",
            Refusal::Unavailable(_) => "unavailable",
            Refusal::Internal { .. } => "internal",
        }
    }
}

//! What every handler needs: the exchange, the credentials, the limits.

use super::answer::ApiError;
use super::auth::{AuthError, Keyring, require};
use super::body;
use super::configuration::Reload;
use super::context::RequestId;
use super::settings::HttpSettings;
use crate::exchange::{Exchange, Refusal};
use crate::govern::{Caller, Role};
use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts as RequestParts;
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// What the HTTP interface is made of.
pub struct Parts {
    /// The pipeline.
    pub exchange: Arc<Exchange>,
    /// The credentials; they can be exchanged while the gateway runs.
    pub keyring: Arc<ArcSwap<Keyring>>,
    /// The limits.
    pub settings: HttpSettings,
    /// Renders the measurements for `/metrics`; without it there are none.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Reads the configuration again; without it that cannot be asked for.
    pub reload: Option<Reload>,
}

/// What every handler shares.
pub struct Gate {
    pub(super) exchange: Arc<Exchange>,
    keyring: Arc<ArcSwap<Keyring>>,
    pub(super) settings: HttpSettings,
    pub(super) metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    pub(super) reload: Option<Reload>,
    pub(super) places: Arc<Semaphore>,
    busy: Arc<Mutex<HashMap<String, usize>>>,
}

impl Gate {
    /// A gate of these parts.
    pub fn new(parts: Parts) -> Gate {
        let Parts { exchange, keyring, settings, metrics, reload } = parts;
        let places = Arc::new(Semaphore::new(settings.max_requests));
        Gate { exchange, keyring, settings, metrics, reload, places, busy: Arc::default() }
    }

    /// Whether a request with these headers comes from a known caller with the role.
    pub(super) fn is(&self, headers: &HeaderMap, role: Role) -> Result<(), AuthError> {
        let keyring = self.keyring.load();
        require(keyring.authenticate(headers)?, &[role])
    }

    /// Checks that the caller has one of these roles; a refusal is recorded.
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        roles: &[Role],
        operation: &str,
    ) -> Result<(), ApiError> {
        match require(caller, roles) {
            Ok(()) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                self.exchange.record_refusal(caller, operation, &text, Timestamp::now()).await;
                Err(error.into())
            }
        }
    }

    /// Reads a body within the limits; a refusal is recorded.
    pub(super) async fn body(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        content: Body,
        operation: &str,
    ) -> Result<Bytes, ApiError> {
        match body::read(content, headers, &self.settings).await {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.refused(caller, operation, error).await),
        }
    }

    /// Records refusals of form, which the exchange leaves to its doors; the others are recorded where they are decided.
    pub(super) async fn settle<T>(
        &self,
        caller: &Caller,
        operation: &str,
        result: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        match result {
            Err(
                error @ (ApiError::MediaType { .. }
                | ApiError::NotAcceptable
                | ApiError::Refused(
                    Refusal::Unreadable { .. }
                    | Refusal::Malformed { .. }
                    | Refusal::Forbidden { .. }
                    | Refusal::UnknownType { .. }
                    | Refusal::Precondition { .. },
                )),
            ) => Err(self.refused(caller, operation, error).await),
            other => other,
        }
    }

    /// Records that a known caller's request is refused for its form, and gives the refusal back.
    pub(super) async fn refused(&self, caller: &Caller, operation: &str, error: ApiError) -> ApiError {
        let text = error.to_string();
        self.exchange.record_refusal(caller, operation, &text, Timestamp::now()).await;
        error
    }
}

/// The caller of a request, as authentication found it. Holds one of the caller's places among the requests under way.
pub struct Authenticated {
    /// Who calls.
    pub caller: Caller,
    /// The id of the request.
    pub request_id: String,
    _place: Place,
}

/// One request under way of one credential; given back when dropped.
struct Place {
    busy: Arc<Mutex<HashMap<String, usize>>>,
    credential: String,
}

impl Place {
    fn take(gate: &Gate, credential: &str) -> Option<Place> {
        let mut busy = gate.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = busy.entry(credential.to_owned()).or_insert(0);
        if *count >= gate.settings.max_requests_per_credential {
            return None;
        }
        *count += 1;
        Some(Place { busy: gate.busy.clone(), credential: credential.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.credential) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                busy.remove(&self.credential);
            }
        }
    }
}

impl FromRequestParts<Arc<Gate>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut RequestParts, gate: &Arc<Gate>) -> Result<Self, ApiError> {
        let mut caller = {
            let keyring = gate.keyring.load();
            match keyring.authenticate(&parts.headers) {
                Ok(caller) => caller.clone(),
                Err(error) => {
                    metrics::counter!("sgw_http_unauthenticated_total").increment(1);
                    tracing::warn!(cause = %error, "a request without a valid credential was refused");
                    return Err(error.into());
                }
            }
        };
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            caller.address = peer.ip().to_canonical().to_string();
        }
        let place = Place::take(gate, &caller.credential).ok_or(ApiError::TooMany)?;
        tracing::debug!(credential = %caller.credential, "authenticated");
        let request_id = parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
        Ok(Authenticated { caller, request_id, _place: place })
    }
}

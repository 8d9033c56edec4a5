//! `POST /configuration/$reload`: reads registry, agreements and mappings again while the gateway runs.

use super::answer::{ApiError, text};
use super::gate::{Authenticated, Gate};
use crate::exchange::Refusal;
use crate::fhir::Issue;
use crate::govern::{Caller, Role};
use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// What reading the configuration again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What is different now: a name such as `credentials-added`, and which.
    pub changes: Vec<(String, String)>,
    /// Settings that are different in the file and take effect only when the gateway starts anew.
    pub needs_restart: Vec<String>,
}

/// Reads the configuration again in the name of a caller. Errors: every fault, or why it cannot be recorded; what was
/// in force is then still in force.
pub type Reload = Arc<dyn Fn(Caller) -> BoxFuture<'static, Result<Reloaded, ReloadError>> + Send + Sync>;

/// Why the configuration on the disk is not in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is wrong in these places.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
    /// The change cannot be recorded.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Answers what has changed; 422 with every fault when the files cannot be used.
pub(super) async fn reload(
    State(gate): State<Arc<Gate>>,
    authenticated: Authenticated,
) -> Result<Response, ApiError> {
    let caller = &authenticated.caller;
    gate.allow(caller, &[Role::Operator], "configuration-reload").await?;
    let Some(reload) = &gate.reload else { return Err(ApiError::NoRoute) };
    match reload(caller.clone()).await {
        Ok(Reloaded { changes, needs_restart }) => {
            let changes: Vec<Value> =
                changes.iter().map(|(what, which)| json!({"change": what, "names": which})).collect();
            let body = json!({"changes": changes, "needsRestart": needs_restart});
            Ok(text(StatusCode::OK, "application/json; charset=utf-8", body.to_string()))
        }
        Err(ReloadError::Faults(faults)) => {
            let issues =
                faults.into_iter().map(|fault| Issue::error("invalid", "configuration", "", fault)).collect();
            Err(ApiError::Refused(Refusal::Invalid { issues }))
        }
        Err(ReloadError::Refused(refusal)) => Err(ApiError::Refused(refusal)),
    }
}

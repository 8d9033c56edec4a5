//! From what the stages refuse to a status and an OperationOutcome. This is the only place that knows both.

use super::auth::AuthError;
use crate::exchange::Refusal;
use crate::fhir::{Issue, Severity, outcome};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The media type of FHIR in JSON.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// Why a request is answered with an error.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no caller, or it may not do this.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The exchange refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body is longer than the limit.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {seconds} s")]
    TooSlow {
        /// The limit.
        seconds: u64,
    },
    /// The connection broke while the body was read.
    #[error("the body ended early")]
    Broken,
    /// The body's media type is not one that this address takes.
    #[error("the body must be `{expected}`")]
    MediaType {
        /// What it takes.
        expected: &'static str,
    },
    /// No media type that the client accepts can be given.
    #[error("answers are given as `application/fhir+json`")]
    NotAcceptable,
    /// There is no such address.
    #[error("there is no such address")]
    NoRoute,
    /// The address does not know this method.
    #[error("this address does not know this method")]
    NoMethod,
    /// The caller has too many requests under way.
    #[error("too many requests of this credential are under way")]
    TooMany,
    /// The gateway has too many requests under way.
    #[error("too many requests are under way")]
    Overloaded,
    /// The answer took too long.
    #[error("the gateway could not answer in time")]
    Timeout,
    /// The gateway is stopping or not ready.
    #[error("{0}")]
    NotReady(String),
}

impl From<crate::store::StoreError> for ApiError {
    fn from(error: crate::store::StoreError) -> ApiError {
        ApiError::Refused(error.into())
    }
}

impl ApiError {
    /// The status, and the code of table `issue-type`, that this error is answered with.
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Auth(AuthError::Missing | AuthError::Malformed | AuthError::Unknown) => {
                (StatusCode::UNAUTHORIZED, "login")
            }
            ApiError::Auth(AuthError::Role(_) | AuthError::Source) => (StatusCode::FORBIDDEN, "forbidden"),
            ApiError::Refused(refusal) => of_refusal(refusal),
            ApiError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
            ApiError::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            ApiError::Broken => (StatusCode::BAD_REQUEST, "incomplete"),
            ApiError::MediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported"),
            ApiError::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not-supported"),
            ApiError::NoRoute => (StatusCode::NOT_FOUND, "not-found"),
            ApiError::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "not-supported"),
            ApiError::TooMany => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
            ApiError::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "throttled"),
            ApiError::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            ApiError::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "transient"),
        }
    }

    /// The stable name of the error (`OperationOutcome.issue.details.coding.code`).
    pub fn rule(&self) -> &'static str {
        match self {
            ApiError::Auth(AuthError::Missing) => "credential-missing",
            ApiError::Auth(AuthError::Malformed) => "credential-malformed",
            ApiError::Auth(AuthError::Unknown) => "credential-unknown",
            ApiError::Auth(AuthError::Role(_)) => "role-missing",
            ApiError::Auth(AuthError::Source) => "source-not-yours",
            ApiError::Refused(refusal) => refusal.code(),
            ApiError::TooLarge { .. } => "body-too-large",
            ApiError::TooSlow { .. } => "body-too-slow",
            ApiError::Broken => "body-incomplete",
            ApiError::MediaType { .. } => "media-type",
            ApiError::NotAcceptable => "not-acceptable",
            ApiError::NoRoute => "no-such-address",
            ApiError::NoMethod => "no-such-method",
            ApiError::TooMany => "too-many-requests",
            ApiError::Overloaded => "overloaded",
            ApiError::Timeout => "timeout",
            ApiError::NotReady(_) => "not-ready",
        }
    }

    fn body(&self, code: &'static str) -> Value {
        let whole = || Issue::error(code, self.rule(), "", self.to_string());
        match self {
            ApiError::Refused(
                Refusal::Unreadable { issues }
                | Refusal::Quarantined { issues, .. }
                | Refusal::Invalid { issues },
            ) => {
                let mut body = if issues.iter().any(|issue| issue.severity.refuses()) {
                    let mut gravest_first = issues.clone();
                    gravest_first.sort_by_key(|issue| issue.severity);
                    outcome(&gravest_first)
                } else {
                    outcome(&[[whole()].as_slice(), issues].concat())
                };
                if let ApiError::Refused(Refusal::Quarantined { quarantine, .. }) = self {
                    add_quarantine(&mut body, quarantine);
                }
                body
            }
            _ => outcome(&[whole()]),
        }
    }
}

fn of_refusal(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Unreadable { .. } => (StatusCode::BAD_REQUEST, "structure"),
        Refusal::MediaType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported"),
        Refusal::Quarantined { .. } | Refusal::Invalid { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "processing")
        }
        Refusal::Malformed { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        Refusal::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not-found"),
        Refusal::UnknownType { .. } => (StatusCode::NOT_FOUND, "not-supported"),
        Refusal::Gone => (StatusCode::GONE, "deleted"),
        Refusal::Precondition { .. } => (StatusCode::PRECONDITION_FAILED, "conflict"),
        Refusal::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "duplicate"),
        Refusal::State { .. } => (StatusCode::CONFLICT, "conflict"),
        Refusal::Contention => (StatusCode::SERVICE_UNAVAILABLE, "lock-error"),
        Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "transient"),
        Refusal::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "exception"),
    }
}

/// Says under which id a refused payload is kept: as an extension of the outcome and as a remark for people.
fn add_quarantine(body: &mut Value, id: &str) {
    let remark = Issue::new(
        Severity::Information,
        "informational",
        "quarantined",
        "",
        format!("the payload is kept in quarantine as `{id}`"),
    );
    if let Some(issues) = body.get_mut("issue").and_then(Value::as_array_mut) {
        issues.push(remark.to_json());
    }
    if let Some(object) = body.as_object_mut() {
        let url = crate::fhir::systems::canonical("StructureDefinition/quarantine-id");
        object.insert("extension".to_owned(), json!([{"url": url, "valueString": id}]));
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        match &self {
            ApiError::Refused(Refusal::Internal { cause }) => {
                tracing::error!(cause = %cause, "a request failed");
            }
            ApiError::Refused(Refusal::Unavailable(cause)) => {
                tracing::error!(cause = %cause, "the store does not take work");
            }
            _ => {}
        }
        let mut response = fhir(status, &self.body(code));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let ApiError::Refused(Refusal::Quarantined { quarantine, .. }) = &self
            && let Ok(id) = HeaderValue::from_str(quarantine)
        {
            headers.insert("x-quarantine-id", id);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sgw\""));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = if matches!(self, ApiError::Refused(Refusal::Unavailable(_))) { "10" } else { "1" };
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// The refusal of a request that does not say what it must.
pub(super) fn malformed(text: impl Into<String>) -> ApiError {
    ApiError::Refused(Refusal::Malformed { text: text.into() })
}

/// A FHIR resource as an answer.
pub fn fhir(status: StatusCode, body: &Value) -> Response {
    text(status, FHIR_JSON, body.to_string())
}

/// Any text as an answer.
pub fn text(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, media_type)], body).into_response()
}

//! What surrounds every request: its id, its place among those under way, its time limit, its measurements.

use super::Gate;
use super::answer::ApiError;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// The header that names a request, mirrored in its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that names what a request belongs to, mirrored in its answer.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The sender's id when it is a harmless token, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    token(headers, &REQUEST_ID).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

fn token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

/// Names the request, measures it, and logs its end.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let correlation =
        token(request.headers(), &CORRELATION_ID).and_then(|text| HeaderValue::from_str(text).ok());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = method_name(request.method());
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", request_id = %id, method, route = %route);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    metrics::counter!("sgw_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    metrics::histogram!("sgw_http_request_seconds", "route" => route).record(seconds);
    span.in_scope(|| tracing::info!(status, duration_ms = seconds * 1000.0, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(value) = correlation {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    response
}

/// The method as a label: one of few, whatever a client sends.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Gives the request a place among those under way, or refuses it at once; and bounds its time.
pub async fn limit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let Ok(place) = gate.places.clone().try_acquire_owned() else {
        metrics::counter!("sgw_http_shed_total").increment(1);
        return ApiError::Overloaded.into_response();
    };
    let most = gate.settings.body_timeout() + gate.settings.answer_timeout();
    let response = match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout.into_response(),
    };
    drop(place);
    response
}

/// Answers a panic in a handler. No input should cause one; the connection and the process survive it.
pub fn panicked(_cause: Box<dyn Any + Send + 'static>) -> Response {
    let cause = "a handler panicked".to_owned();
    ApiError::Refused(crate::exchange::Refusal::Internal { cause }).into_response()
}

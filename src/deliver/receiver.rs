//! A receiver of notifications as a partner would write one: it verifies each signature, drops repeats by
//! `webhook-id`, and keeps what it got. For tests, for the demonstration, and for partners to read.

use super::webhook::{self, Secret};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A notification whose signature was right.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its `webhook-id`.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// The notification Bundle.
    pub bundle: Value,
    /// Whether the same id had been received and answered with success before.
    pub repeated: bool,
    /// What it was answered with.
    pub status: u16,
}

impl Received {
    /// The value of a parameter of the subscription's status, such as `type` or `events-since-subscription-start`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let parameters = self.bundle.pointer("/entry/0/resource/parameter")?.as_array()?;
        let parameter = parameters.iter().find(|p| p.get("name").and_then(Value::as_str) == Some(name))?;
        parameter.as_object()?.iter().find(|(key, _)| key.starts_with("value"))?.1.as_str()
    }

    /// The number of the first event, for an event notification.
    pub fn event_number(&self) -> Option<u64> {
        let parameters = self.bundle.pointer("/entry/0/resource/parameter")?.as_array()?;
        let event = parameters
            .iter()
            .find(|p| p.get("name").and_then(Value::as_str) == Some("notification-event"))?;
        event.pointer("/part/0/valueString")?.as_str()?.parse().ok()
    }

    /// The first resource besides the status, with full-resource content.
    pub fn focus(&self) -> Option<&Value> {
        self.bundle.pointer("/entry/1/resource")
    }
}

/// How a receiver answers a notification whose signature is right.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, such as `Retry-After` or `Location`.
    pub headers: Vec<(&'static str, String)>,
    /// How long to wait before answering.
    pub delay: Duration,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer with this status and nothing else.
    pub fn status(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), delay: Duration::ZERO, body: Vec::new() }
    }

    /// The same with a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, given late.
    pub fn after(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }
}

/// Decides how to answer: from the notification, and how many were received before.
pub type Answering = Arc<dyn Fn(&Received, usize) -> Reply + Send + Sync>;

struct Inner {
    secrets: Vec<Secret>,
    answering: Answering,
    received: Mutex<Vec<Received>>,
    refused: Mutex<u64>,
    seen: Mutex<HashSet<String>>,
}

/// A running receiver. It stops when it is dropped.
pub struct Receiver {
    inner: Arc<Inner>,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
    close: CancellationToken,
}

impl Receiver {
    /// A receiver on a loopback port that the system chooses, which takes everything that is signed rightly.
    pub async fn start(secrets: Vec<Secret>) -> std::io::Result<Receiver> {
        Receiver::start_at("127.0.0.1:0", secrets, Arc::new(|_, _| Reply::status(200))).await
    }

    /// A receiver at this address that answers as it is told.
    pub async fn start_at(
        address: &str,
        secrets: Vec<Secret>,
        answering: Answering,
    ) -> std::io::Result<Receiver> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            secrets,
            answering,
            received: Mutex::default(),
            refused: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new().fallback(receive).with_state(inner.clone());
        let close = CancellationToken::new();
        let closing = close.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).with_graceful_shutdown(closing).await;
        });
        Ok(Receiver { inner, address, task: Some(task), close })
    }

    /// Closes idle connections, refuses new ones, lets what is under way finish; answers with all it received.
    pub async fn stop(mut self) -> Vec<Received> {
        self.close.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
        self.received()
    }

    /// The endpoint to subscribe with.
    pub fn endpoint(&self) -> String {
        format!("http://{}/notifications", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything received so far whose signature was right, in order.
    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The event notifications among them that were answered with success, without repeats.
    pub fn accepted(&self) -> Vec<Received> {
        let mut all = self.received();
        all.retain(|r| {
            r.parameter("type") == Some("event-notification") && !r.repeated && (200..300).contains(&r.status)
        });
        all
    }

    /// How many requests were refused because their signature or time was wrong.
    pub fn refused(&self) -> u64 {
        *self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many event notifications were accepted, or the time is up; true if they were.
    pub async fn wait_for(&self, accepted: usize, most: Duration) -> bool {
        let end = tokio::time::Instant::now() + most;
        while self.accepted().len() < accepted {
            if tokio::time::Instant::now() > end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

/// What a partner's endpoint does, in order: verify, read, drop what is known, process, answer.
async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, now) = (text(webhook::ID), Timestamp::now());
    let verified =
        webhook::verify(id, text(webhook::TIMESTAMP), text(webhook::SIGNATURE), &body, &inner.secrets, now);
    let bundle = serde_json::from_slice(&body);
    let (Ok(()), Ok(bundle)) = (verified, bundle) else {
        *inner.refused.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let repeated = inner.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
    let mut received = Received { id: id.to_owned(), at: now, bundle, repeated, status: 0 };
    let before = inner.received.lock().unwrap_or_else(PoisonError::into_inner).len();
    let reply = (inner.answering)(&received, before);
    received.status = reply.status;
    if (200..300).contains(&reply.status) {
        inner.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }
    inner.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    tokio::time::sleep(reply.delay).await;
    let mut response = reply.body.into_response();
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    for (name, value) in reply.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

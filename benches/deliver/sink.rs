//! A receiver that costs little: it takes everything, counts it, and keeps how old each event was.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

struct Inner {
    hangs: bool,
    count: AtomicUsize,
    times: Mutex<Vec<Duration>>,
}

pub struct Sink {
    inner: Arc<Inner>,
    endpoint: String,
}

impl Sink {
    pub async fn start(hangs: bool) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let inner = Arc::new(Inner { hangs, count: AtomicUsize::new(0), times: Mutex::default() });
        let router = Router::new().fallback(receive).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Sink { inner, endpoint }
    }

    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::Relaxed)
    }

    pub fn times(&self) -> Vec<Duration> {
        self.inner.times.lock().unwrap().clone()
    }
}

async fn receive(State(inner): State<Arc<Inner>>, body: Bytes) -> StatusCode {
    let now = Timestamp::now();
    let text = std::str::from_utf8(&body).unwrap();
    // The event's timestamp is its commit's; a handshake has none.
    if let Some((_, rest)) = text.split_once(r#""valueInstant":""#) {
        if inner.hangs {
            std::future::pending::<()>().await;
        }
        let (instant, _) = rest.split_once('"').unwrap();
        let created: Timestamp = instant.parse().unwrap();
        let age = Duration::try_from(now.duration_since(created)).unwrap_or_default();
        inner.times.lock().unwrap().push(age);
    }
    inner.count.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

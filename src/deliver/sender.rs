//! Sending one notification: sign, post, read the answer. Through one client whose resolver is the egress guard.

use super::egress::{EgressError, GuardedResolver, Lookup, Rules};
use super::outcome::{Failure, Outcome, Scope, retry_after};
use super::settings::{Settings, SettingsError};
use super::webhook::{self, Secret};
use crate::route::Subscription;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use std::error::Error;
use std::time::Duration;

/// The most that is read of a receiver's answer.
const ANSWER_LIMIT: usize = 64 * 1_024;

/// How long reading an answer's body may take; its content does not matter, it is read so that the connection can be
/// used again.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// The client for all receivers.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client,
    rules: Rules,
    timeout: Duration,
    max_timeout: Duration,
    max_retry_after: Duration,
}

/// Where and how the notifications of one subscription are sent.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    secrets: Vec<Secret>,
}

/// What came of one attempt.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// The receiver's HTTP status, when there was one.
    pub status: Option<u16>,
}

impl Answer {
    fn failed(code: &'static str, scope: Scope) -> Answer {
        Answer { outcome: Outcome::failed(code, scope), status: None }
    }
}

impl Sender {
    /// A client with the rules of the settings, that resolves names with `lookup`.
    pub fn new(settings: &Settings, lookup: Lookup) -> Result<Sender, SettingsError> {
        // A second installation is refused and harmless: the first provider stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rules = Rules::of(settings)?;
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .http1_only()
            .user_agent(concat!("sgw/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(settings.connect_timeout_seconds))
            .pool_max_idle_per_host(settings.in_flight)
            .pool_idle_timeout(Duration::from_secs(60))
            .dns_resolver(GuardedResolver::new(rules.clone(), lookup));
        let mut authorities = Vec::new();
        for path in &settings.extra_authorities {
            let unusable = |reason: String| SettingsError::Authorities { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let read =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
            authorities.extend(read);
        }
        if !authorities.is_empty() {
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Sender {
            client: builder.build().map_err(|error| SettingsError::Client(error.to_string()))?,
            rules,
            timeout: Duration::from_secs(settings.timeout_seconds),
            max_timeout: Duration::from_secs(settings.max_timeout_seconds),
            max_retry_after: Duration::from_secs(settings.max_retry_after_seconds),
        })
    }

    /// The rules of the egress guard, for checking an endpoint when a subscription is created.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where the subscription's notifications go, or why they may not go there.
    pub fn target(&self, subscription: &Subscription, secrets: Vec<Secret>) -> Result<Target, EgressError> {
        let url = self.rules.check_endpoint(&subscription.endpoint)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &subscription.headers {
            // Both were checked when the subscription was read; what cannot be a header is not sent.
            if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        if let Ok(mime) = subscription.mime.parse() {
            headers.insert(CONTENT_TYPE, mime);
        }
        let timeout = subscription.timeout.map_or(self.timeout, |s| Duration::from_secs(s.into()));
        Ok(Target { url, headers, timeout: timeout.min(self.max_timeout), secrets })
    }

    /// Makes one attempt. `id` is the same at every attempt of one event; `now` dates and signs this one.
    pub async fn send(&self, target: &Target, id: &str, body: Bytes, now: Timestamp) -> Answer {
        if target.secrets.is_empty() {
            return Answer::failed("no-secret", Scope::Connection);
        }
        let signature = webhook::sign(id, now.as_second(), &body, &target.secrets);
        let request = self
            .client
            .post(target.url.clone())
            .headers(target.headers.clone())
            .header(webhook::ID, id)
            .header(webhook::TIMESTAMP, now.as_second())
            .header(webhook::SIGNATURE, signature)
            .timeout(target.timeout)
            .body(body);
        match request.send().await {
            Err(error) => classify(&error),
            Ok(response) => {
                let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let wish = wish.and_then(|value| retry_after(value, now, self.max_retry_after));
                let status = response.status().as_u16();
                finish(response).await;
                Answer { outcome: Outcome::of_status(status, wish), status: Some(status) }
            }
        }
    }
}

/// Reads the rest of an answer within limits, so that the connection can be used again; else it is closed.
async fn finish(mut response: Response) {
    let read = async {
        let mut length = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            length += chunk.len();
            if length > ANSWER_LIMIT {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(ANSWER_TIME, read).await;
}

fn classify(error: &reqwest::Error) -> Answer {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(refused) = inner.downcast_ref::<EgressError>() {
            let code = if *refused == EgressError::Unresolved { "no-connection" } else { "egress-refused" };
            return Answer::failed(code, Scope::Connection);
        }
        source = inner.source();
    }
    if error.is_connect() {
        Answer::failed("no-connection", Scope::Connection)
    } else if error.is_timeout() {
        Answer::failed("timeout", Scope::Silence)
    } else if error.is_builder() {
        Answer::failed("not-built", Scope::Event)
    } else {
        Answer {
            outcome: Outcome::Failed(Failure {
                code: "broken-connection",
                scope: Scope::Silence,
                retry_after: None,
            }),
            status: None,
        }
    }
}

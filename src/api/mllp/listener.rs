//! One MLLP listener: connections from a source's engine, messages one after another, an answer after each commit.

use super::acknowledge::{Fault, Verdict, acknowledgements};
use super::frame::{FrameError, Frames};
use super::header::Header;
use crate::api::settings::{MllpListener, MllpSettings};
use crate::api::tls::{TlsError, server_config};
use crate::exchange::{Exchange, Payload, Refusal, Submitted};
use crate::fhir::Issue;
use crate::govern::{Caller, Role};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long a TLS handshake or the writing of an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a listener cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Its source is not registered.
    #[error("the MLLP listener's source `{0}` is not registered")]
    UnknownSource(String),
    /// Its certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What every connection of a listener shares.
struct Desk {
    exchange: Arc<Exchange>,
    source: String,
    settings: MllpSettings,
    shutdown: CancellationToken,
}

impl Desk {
    /// Who sends here, as the registry in force says: it can be exchanged while connections are open.
    fn caller(&self) -> Caller {
        Caller {
            credential: format!("mllp:{}", self.source),
            organisation: self.exchange.organisation_of(&self.source).unwrap_or_default(),
            roles: vec![Role::Source],
            partner: None,
            source: Some(self.source.clone()),
            address: String::new(),
        }
    }
}

/// Serves messages on the listener until `shutdown` is cancelled, then lets a message under way be answered.
/// Answers whether every connection ended in time.
pub async fn serve(
    socket: TcpListener,
    listener: MllpListener,
    exchange: Arc<Exchange>,
    settings: MllpSettings,
    shutdown: CancellationToken,
) -> Result<bool, ListenerError> {
    if exchange.organisation_of(&listener.source).is_none() {
        return Err(ListenerError::UnknownSource(listener.source));
    }
    let acceptor = match &listener.tls {
        Some(tls) => Some(TlsAcceptor::from(server_config(tls, &[])?)),
        None => None,
    };
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let drain = Duration::from_secs(settings.drain_seconds);
    let desk = Arc::new(Desk { exchange, source: listener.source, settings, shutdown });
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = desk.shutdown.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if !listener.allow.is_empty() && !listener.allow.iter().any(|network| network.contains(peer.ip())) {
            tracing::warn!(source = %desk.source, peer = %peer, "an MLLP peer that is not allowed was turned away");
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(source = %desk.source, peer = %peer, "too many MLLP connections are open");
            continue;
        };
        let (desk, acceptor) = (desk.clone(), acceptor.clone());
        connections.spawn(async move {
            metrics::gauge!("sgw_mllp_connections").increment(1.0);
            let span = tracing::info_span!("mllp", source = %desk.source, peer = %peer);
            accept(&desk, stream, peer, acceptor).instrument(span).await;
            metrics::gauge!("sgw_mllp_connections").decrement(1.0);
            drop(place);
        });
    }
    drop(socket);
    connections.close();
    Ok(timeout(drain, connections.wait()).await.is_ok())
}

async fn accept(desk: &Desk, stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match acceptor {
        None => converse(desk, stream).await,
        Some(acceptor) => match timeout(PATIENCE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => converse(desk, stream).await,
            _ => tracing::debug!(peer = %peer, "a TLS handshake failed"),
        },
    }
}

/// What the wait for the next message ended with.
enum Next {
    Message(Bytes),
    Broken(FrameError),
    TooSlow,
    End,
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(desk: &Desk, mut stream: S) {
    let mut frames = Frames::new(desk.settings.max_message_bytes);
    let mut buffer = BytesMut::with_capacity(8 << 10);
    loop {
        let answers = match next(desk, &mut stream, &mut frames, &mut buffer).await {
            Next::Message(message) => {
                let answers = handle(desk, message).await;
                if send(&mut stream, &mut frames, &answers).await.is_err() {
                    return;
                }
                continue;
            }
            Next::End => return,
            Next::Broken(error) => broken(desk, &error.to_string()).await,
            Next::TooSlow => {
                let seconds = desk.settings.message_timeout_seconds;
                broken(desk, &format!("the message did not arrive within {seconds} s")).await
            }
        };
        // After a broken frame nobody knows where the next message begins.
        let _closing = send(&mut stream, &mut frames, &answers).await;
        return;
    }
}

async fn next<S: AsyncRead + Unpin>(
    desk: &Desk,
    stream: &mut S,
    frames: &mut Frames,
    buffer: &mut BytesMut,
) -> Next {
    let settings = &desk.settings;
    let mut deadline = Instant::now() + Duration::from_secs(settings.idle_seconds);
    let mut begun = false;
    loop {
        match frames.decode(buffer) {
            Ok(Some(message)) => return Next::Message(message),
            Ok(None) => {}
            Err(error) => return Next::Broken(error),
        }
        if frames.inside() && !begun {
            begun = true;
            deadline = Instant::now() + Duration::from_secs(settings.message_timeout_seconds);
        }
        // A message that has begun may be finished when the gateway stops; a new one is not waited for.
        let read = tokio::select! {
            () = desk.shutdown.cancelled(), if !begun => return Next::End,
            read = timeout_at(deadline, stream.read_buf(buffer)) => read,
        };
        match read {
            Ok(Ok(0)) => {
                return match frames.decode_eof(buffer) {
                    Ok(_) => Next::End,
                    Err(error) => Next::Broken(error),
                };
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Next::End,
            Err(_) if begun => return Next::TooSlow,
            Err(_) => return Next::End,
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    frames: &mut Frames,
    answers: &[String],
) -> Result<(), FrameError> {
    let mut bytes = BytesMut::new();
    for answer in answers {
        frames.encode(answer.as_str(), &mut bytes)?;
    }
    let sending = async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    };
    let in_time = timeout(PATIENCE, sending).await;
    in_time.map_err(|_| FrameError::Io(std::io::ErrorKind::TimedOut.into()))?.map_err(FrameError::Io)
}

/// Records that the stream of a known party was broken, and says so to the sender.
async fn broken(desk: &Desk, text: &str) -> Vec<String> {
    let now = Timestamp::now();
    count("AR");
    tracing::warn!(cause = text, "an MLLP stream is broken");
    desk.exchange.record_refusal(&desk.caller(), "mllp-frame", text, now).await;
    acknowledgements(None, Verdict::Rejected, &[Fault::whole("100", text)], now)
}

async fn handle(desk: &Desk, message: Bytes) -> Vec<String> {
    let now = Timestamp::now();
    let header = Header::read(&message);
    let request_id = uuid::Uuid::now_v7().to_string();
    let payload = Payload::hl7v2(message, request_id.clone());
    let result = desk.exchange.submit(&desk.caller(), &desk.source, payload, now).await;
    let (verdict, faults) = match &result {
        Ok(Submitted { .. }) => (Verdict::Accepted, Vec::new()),
        Err(refusal) => judged(refusal),
    };
    count(verdict.application_code());
    match &result {
        Ok(_) => tracing::info!(request_id = %request_id, code = verdict.application_code(), "answered"),
        Err(refusal) => tracing::warn!(
            request_id = %request_id,
            code = verdict.application_code(),
            refusal = refusal.code(),
            "answered"
        ),
    }
    acknowledgements(header.as_ref(), verdict, &faults, now)
}

fn count(code: &'static str) {
    metrics::counter!("sgw_mllp_messages_total", "code" => code).increment(1);
}

/// The verdict and the `ERR` segments for a refusal.
fn judged(refusal: &Refusal) -> (Verdict, Vec<Fault>) {
    let whole = |code| vec![Fault::whole(code, refusal.to_string())];
    match refusal {
        Refusal::Unreadable { issues } | Refusal::Invalid { issues } => of_findings(issues, String::new()),
        Refusal::Quarantined { issues, .. } => of_findings(issues, refusal.to_string()),
        Refusal::KeyReused => (Verdict::Error, whole("205")),
        Refusal::Forbidden { .. } | Refusal::MediaType { .. } | Refusal::Malformed { .. } => {
            (Verdict::Rejected, whole("207"))
        }
        Refusal::NotFound
        | Refusal::UnknownType { .. }
        | Refusal::Gone
        | Refusal::Precondition { .. }
        | Refusal::State { .. } => (Verdict::Error, whole("204")),
        Refusal::Contention => (Verdict::Rejected, whole("206")),
        Refusal::Unavailable(_) | Refusal::Internal { .. } => (Verdict::Rejected, whole("207")),
    }
}

/// An unsupported kind of message is a rejection, anything else that is wrong with it an error. What is said about the
/// whole stands with the first finding.
fn of_findings(issues: &[Issue], whole: String) -> (Verdict, Vec<Fault>) {
    let mut faults: Vec<Fault> = issues.iter().map(Fault::from).collect();
    let rejected = faults.iter().any(Fault::unsupported);
    if let Some(first) = faults.first_mut() {
        first.diagnostics = whole;
    }
    (if rejected { Verdict::Rejected } else { Verdict::Error }, faults)
}

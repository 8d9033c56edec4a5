//! Accepting HTTP connections within limits, and letting requests finish when the gateway stops.
//!
//! In clear only HTTP/1.1 is spoken, so that every connection, also an idle new one, stands under the header timer;
//! over TLS the client chooses HTTP/1.1 or HTTP/2 by ALPN.

use super::settings::HttpSettings;
use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The most streams of one HTTP/2 connection.
const STREAMS: u32 = 64;

/// Serves the router on the listener until `shutdown` is cancelled, then lets requests under way finish for as long
/// as the settings allow. Answers whether all of them did.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    settings: HttpSettings,
    shutdown: CancellationToken,
) -> bool {
    let settings = Arc::new(settings);
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let acceptor = tls.map(TlsAcceptor::from);
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    loop {
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let watcher = graceful.watcher();
        let (acceptor, router, settings) = (acceptor.clone(), router.clone(), settings.clone());
        connections.spawn(async move {
            metrics::gauge!("sgw_http_connections").increment(1.0);
            connection(stream, peer, acceptor, router, &settings, watcher).await;
            metrics::gauge!("sgw_http_connections").decrement(1.0);
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    timeout(settings.drain(), async {
        graceful.shutdown().await;
        connections.wait().await;
    })
    .await
    .is_ok()
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    settings: &HttpSettings,
    watcher: hyper_util::server::graceful::Watcher,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = acceptor else {
        return speak(stream, peer, false, router, settings, watcher).await;
    };
    match timeout(settings.header_timeout(), acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            speak(stream, peer, second, router, settings, watcher).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %peer, error = %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %peer, "a TLS handshake took too long"),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    second: bool,
    router: Router,
    settings: &HttpSettings,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = TowerToHyperService::new(router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }));
    let io = TokioIo::new(stream);
    let ended = if second {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(32 << 10)
            .keep_alive_interval(settings.header_timeout())
            .keep_alive_timeout(settings.header_timeout());
        watcher.watch(builder.serve_connection(io, service)).await
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout())
            .max_buf_size(64 << 10)
            .pipeline_flush(true);
        watcher.watch(builder.serve_connection(io, service)).await
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %peer, error = %error, "a connection ended early");
    }
}

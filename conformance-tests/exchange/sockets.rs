//! HTTP over real sockets: requests under way finish when the gateway stops, and slow clients are cut off.

use super::submissions::{FHIR, flag};
use crate::gateway::{TestGateway, key_of};
use sgw::api::server;
use sgw::api::settings::HttpSettings;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

async fn open(
    gateway: &TestGateway,
    settings: HttpSettings,
) -> (SocketAddr, CancellationToken, JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(server::serve(listener, None, gateway.router.clone(), settings, stop.clone()));
    (address, stop, task)
}

async fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _reset =
        timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("an end in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-type: {FHIR}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n",
        key_of("scr")
    )
}

#[tokio::test]
async fn requests_under_way_finish_when_the_gateway_stops() {
    let gateway = TestGateway::new().await;
    let (address, stop, task) = open(&gateway, HttpSettings::default()).await;
    let mut streams = Vec::new();
    for number in 0..20 {
        let mut flag = flag();
        flag["identifier"][0]["value"] = format!("DRAIN-{number}").into();
        let body = flag.to_string();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head("/submissions/scr", body.len()).as_bytes()).await.unwrap();
        let (first, rest) = body.split_at(body.len() / 2);
        stream.write_all(first.as_bytes()).await.unwrap();
        streams.push((stream, rest.to_owned()));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(address).await.is_err(), "nothing new is accepted");
    for (stream, rest) in &mut streams {
        stream.write_all(rest.as_bytes()).await.unwrap();
    }
    for (stream, _) in &mut streams {
        let answer = all(stream).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    assert!(timeout(Duration::from_secs(10), task).await.unwrap().unwrap());
    assert_eq!(gateway.store.list("Flag", None, 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let settings =
        HttpSettings { header_timeout_seconds: 1, body_timeout_seconds: 1, ..HttpSettings::default() };
    let gateway = TestGateway::with(settings.clone()).await;
    let (address, _stop, _task) = open(&gateway, settings).await;
    let begun = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut head_only = TcpStream::connect(address).await.unwrap();
    head_only.write_all(b"POST /submissions/scr HTTP/1.1\r\nhost: g\r\nx-a: ").await.unwrap();
    let mut body_half = TcpStream::connect(address).await.unwrap();
    body_half.write_all(head("/submissions/scr", 1000).as_bytes()).await.unwrap();
    body_half.write_all(b"{\"resourceType\"").await.unwrap();
    assert!(all(&mut body_half).await.starts_with("HTTP/1.1 408"));
    all(&mut head_only).await;
    all(&mut silent).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    let recorded = gateway.audits(Some("refused")).await;
    assert_eq!(recorded.len(), 1, "the party of the half body is known");
}

#[tokio::test]
async fn broken_requests_do_not_stop_the_gateway() {
    let gateway = TestGateway::new().await;
    let (address, _stop, _task) = open(&gateway, HttpSettings::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: g\r\n\r\n", "a".repeat(200_000));
    for bytes in ["\u{0}\u{1}\u{2}", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &long] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _may_be_cut_already = stream.write_all(bytes.as_bytes()).await;
        let answer = all(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(all(&mut stream).await.starts_with("HTTP/1.1 200"));
}

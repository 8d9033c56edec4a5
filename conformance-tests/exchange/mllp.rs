//! HL7 v2 over a real MLLP socket: framing, acknowledgements, repeats across a restart, limits, drain.

use super::submissions::adt;
use crate::gateway::TestGateway;
use sgw::api::mllp;
use sgw::api::settings::{MllpListener, MllpSettings, Network};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<bool, mllp::ListenerError>>,
}

async fn open(gateway: &TestGateway, settings: MllpSettings, allow: Vec<Network>) -> Door {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listener = MllpListener { source: "pas".into(), listen: address, allow, tls: None };
    let stop = CancellationToken::new();
    let task = tokio::spawn(mllp::serve(socket, listener, gateway.exchange.clone(), settings, stop.clone()));
    Door { address, stop, task }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [b"\x0b", message, b"\x1c\x0d"].concat()
}

/// A message with this control id and without wishes about acknowledgements.
fn message(id: &str) -> Vec<u8> {
    let text = String::from_utf8(adt()).unwrap();
    text.replace("RXX-000017", id).replace("|||AL|NE|GBR", "|||||GBR").into_bytes()
}

/// The next acknowledgement; `None` when the connection has ended.
async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\x1c\x0d") {
        let byte = timeout(Duration::from_secs(10), stream.read_u8()).await.expect("an answer in time");
        bytes.push(byte.ok()?);
    }
    Some(String::from_utf8(bytes[1..bytes.len() - 2].to_vec()).unwrap())
}

fn code(answer: &str) -> &str {
    answer.split('\r').find_map(|line| line.strip_prefix("MSA|")).unwrap().split('|').next().unwrap()
}

async fn ask(stream: &mut TcpStream, message: &[u8]) -> String {
    stream.write_all(&framed(message)).await.unwrap();
    answer(stream).await.unwrap()
}

#[tokio::test]
async fn pipelined_messages_are_answered_in_order_after_their_commit() {
    let gateway = TestGateway::new().await;
    let door = open(&gateway, MllpSettings::default(), Vec::new()).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let all: Vec<u8> = (0..5).flat_map(|n| framed(&message(&format!("M-{n}")))).collect();
    stream.write_all(&all).await.unwrap();
    for n in 0..5 {
        let answer = answer(&mut stream).await.unwrap();
        assert!(answer.contains(&format!("MSA|AA|M-{n}\r")), "{answer}");
    }
    assert_eq!(gateway.audits(Some("submission")).await.len(), 5);
    assert_eq!(gateway.store.list("Flag", None, 10).await.unwrap().len(), 1);
    // Enhanced mode, as the fixture asks for it: an accept acknowledgement.
    assert_eq!(code(&ask(&mut stream, &adt()).await), "CA");
}

#[tokio::test]
async fn a_message_sent_again_after_a_restart_has_no_second_effect() {
    let gateway = TestGateway::new().await;
    let door = open(&gateway, MllpSettings::default(), Vec::new()).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    assert_eq!(code(&ask(&mut stream, &message("R-1")).await), "AA");
    drop(stream);
    door.stop.cancel();
    assert!(door.task.await.unwrap().unwrap());
    let gateway = gateway.restarted().await;
    let door = open(&gateway, MllpSettings::default(), Vec::new()).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    assert_eq!(code(&ask(&mut stream, &message("R-1")).await), "AA");
    let provenances = gateway.store.list("Provenance", None, 10).await.unwrap();
    assert_eq!(provenances.len(), 1);
    assert_eq!(provenances[0].version, 1);
    let other = String::from_utf8(message("R-1")).unwrap().replace("CPALERT", "CPALERX");
    let reused = ask(&mut stream, other.as_bytes()).await;
    assert_eq!(code(&reused), "AE");
    assert!(reused.contains("205^Duplicate key identifier"), "{reused}");
}

#[tokio::test]
async fn errors_say_where_and_by_which_rule() {
    let gateway = TestGateway::new().await;
    let door = open(&gateway, MllpSettings::default(), Vec::new()).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let wrong = String::from_utf8(message("E-1")).unwrap().replace("9000000009", "9000000008");
    let answer = ask(&mut stream, wrong.as_bytes()).await;
    assert_eq!(code(&answer), "AE");
    assert!(
        answer.contains("\rERR||PID^1^3^2^1|102^Data type error^HL70357|E|"),
        "ERR-2 names the place: {answer}"
    );
    assert!(!answer.contains("9000000008"), "no patient value: {answer}");
    let unsupported =
        String::from_utf8(message("E-2")).unwrap().replace("ADT^A08^ADT_A01", "QBP^Q22^QBP_Q21");
    let answer = ask(&mut stream, unsupported.as_bytes()).await;
    assert_eq!(code(&answer), "AR", "{answer}");
    assert!(answer.contains("\rERR||MSH^1^9^1^"), "{answer}");
    // An alert that the mapping does not know is an error in the content, not an unsupported kind of message.
    let unknown = String::from_utf8(message("E-4")).unwrap().replace("|CP^", "|ZZ^");
    let answer = ask(&mut stream, unknown.as_bytes()).await;
    assert_eq!(code(&answer), "AE", "{answer}");
    assert!(answer.contains("\rERR||OBX^1^"), "{answer}");
    assert!(answer.contains("|the payload is kept in quarantine as "), "ERR-7: {answer}");
    assert!(!answer.contains("Unsupported message type"), "{answer}");
    let headless = ask(&mut stream, b"PID|1||9000000009").await;
    assert!(headless.contains("\rERR|"), "{headless}");
    // The connection is still good.
    assert_eq!(code(&ask(&mut stream, &message("E-3")).await), "AA");
    assert!(gateway.audits(Some("submission-refused")).await.len() >= 3);
}

#[tokio::test]
async fn broken_frames_are_answered_recorded_and_cut() {
    let gateway = TestGateway::new().await;
    let settings =
        MllpSettings { max_message_bytes: 4096, message_timeout_seconds: 1, ..MllpSettings::default() };
    let door = open(&gateway, settings, Vec::new()).await;
    let long = [b"\x0bMSH|".as_slice(), &[b'x'; 8192]].concat();
    let cases: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\n", "outside a frame"),
        (b"\x0bMSH|\x0bMSH|", "inside the frame"),
        (b"\x0bMSH|\x1cX", "not followed"),
        (&long, "longer than 4096 bytes"),
        (b"\x0bMSH|^~", "did not arrive within 1 s"),
    ];
    for (number, (bytes, text)) in cases.into_iter().enumerate() {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let reply = answer(&mut stream).await.unwrap();
        assert_eq!(code(&reply), "AR", "{reply}");
        assert!(reply.contains(text), "{reply}");
        assert!(answer(&mut stream).await.is_none(), "the connection is cut");
        assert_eq!(gateway.audits(Some("refused")).await.len(), number + 1);
    }
    let mut cut = TcpStream::connect(door.address).await.unwrap();
    cut.write_all(b"\x0bMSH|").await.unwrap();
    cut.shutdown().await.unwrap();
    assert!(answer(&mut cut).await.unwrap().contains("the connection ended inside"));
}

#[tokio::test]
async fn a_peer_that_is_not_allowed_gets_no_answer() {
    let gateway = TestGateway::new().await;
    let elsewhere = Network::try_from("10.0.0.0/8".to_owned()).unwrap();
    let door = open(&gateway, MllpSettings::default(), vec![elsewhere]).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let _may_be_cut_already = stream.write_all(&framed(&message("A-1"))).await;
    assert!(answer(&mut stream).await.is_none());
    assert!(gateway.audits(None).await.is_empty());
}

#[tokio::test]
async fn a_stop_lets_the_message_under_way_be_answered() {
    let gateway = TestGateway::new().await;
    let door = open(&gateway, MllpSettings::default(), Vec::new()).await;
    let mut busy = TcpStream::connect(door.address).await.unwrap();
    let mut idle = TcpStream::connect(door.address).await.unwrap();
    assert_eq!(code(&ask(&mut idle, &message("D-0")).await), "AA");
    let bytes = framed(&message("D-1"));
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    busy.write_all(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    door.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(door.address).await.is_err(), "nothing new is accepted");
    busy.write_all(rest).await.unwrap();
    assert_eq!(code(&answer(&mut busy).await.unwrap()), "AA");
    drop(busy);
    assert!(answer(&mut idle).await.is_none());
    assert!(timeout(Duration::from_secs(5), door.task).await.unwrap().unwrap().unwrap());
}

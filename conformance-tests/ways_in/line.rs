//! One MLLP connection to a gateway under test.

use crate::gateway::TestGateway;
use sgw::api::mllp;
use sgw::api::settings::{MllpListener, MllpSettings};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The connection; the listener ends with it.
pub struct Line {
    stream: TcpStream,
    stop: CancellationToken,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Line {
    /// A connection to a listener for this source.
    pub async fn open(gateway: &TestGateway, source: &str) -> Line {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = socket.local_addr().unwrap();
        let listener = MllpListener { source: source.to_owned(), listen, allow: Vec::new(), tls: None };
        let stop = CancellationToken::new();
        let exchange = gateway.exchange.clone();
        tokio::spawn(mllp::serve(socket, listener, exchange, MllpSettings::default(), stop.clone()));
        Line { stream: TcpStream::connect(listen).await.unwrap(), stop }
    }

    /// Sends a message in its frame.
    pub async fn send(&mut self, message: &[u8]) {
        self.stream.write_all(&[b"\x0b", message, b"\x1c\x0d"].concat()).await.unwrap();
    }

    /// The next acknowledgement.
    pub async fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\x1c\x0d") {
            let byte = timeout(Duration::from_secs(20), self.stream.read_u8()).await;
            bytes.push(byte.expect("an answer in time").expect("a byte"));
        }
        String::from_utf8(bytes[1..bytes.len() - 2].to_vec()).unwrap()
    }
}

/// MSA-1 and MSA-2 of an acknowledgement.
pub fn verdict(answer: &str) -> (&str, &str) {
    let msa = answer.split('\r').find(|line| line.starts_with("MSA")).unwrap();
    let separator = answer.chars().nth(3).unwrap();
    let mut fields = msa.split(separator).skip(1);
    (fields.next().unwrap(), fields.next().unwrap_or(""))
}

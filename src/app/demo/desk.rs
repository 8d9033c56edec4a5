//! The demonstration's own desk: it speaks to the gateway only as outsiders do, over HTTP and MLLP, each time with
//! the key of the party it plays.

use super::StoryError;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const START_OF_BLOCK: u8 = 0x0b;
const END_OF_BLOCK: [u8; 2] = [0x1c, 0x0d];

/// What the gateway answered to one request.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, `Null` when it was empty.
    pub body: Value,
    /// How long the answer took.
    pub took: Duration,
}

/// Addresses and keys.
pub struct Desk {
    /// `http://host:port` of the gateway.
    pub base: String,
    /// Where the gateway listens for MLLP.
    pub mllp: SocketAddr,
    /// Keys by credential id.
    pub keys: BTreeMap<String, String>,
    client: Client,
}

impl Desk {
    /// A desk for the gateway at these addresses.
    pub fn new(base: String, mllp: SocketAddr, keys: BTreeMap<String, String>) -> Result<Desk, StoryError> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Desk { base, mllp, keys, client })
    }

    /// Posts a payload as the party `who`.
    pub async fn post(&self, who: &str, path: &str, kind: &str, body: Vec<u8>) -> Result<Answer, StoryError> {
        self.send(who, Method::POST, path, Some((kind, body))).await
    }

    /// Reads as the party `who`.
    pub async fn get(&self, who: &str, path: &str) -> Result<Answer, StoryError> {
        self.send(who, Method::GET, path, None).await
    }

    async fn send(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, StoryError> {
        let key = self.keys.get(who).ok_or_else(|| StoryError::NoKey(who.to_owned()))?;
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(key);
        if let Some((kind, bytes)) = body {
            request = request.header("content-type", kind).body(bytes);
        }
        let started = std::time::Instant::now();
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        let took = started.elapsed();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        Ok(Answer { status, body, took })
    }

    /// Sends one HL7 v2 message over MLLP and answers with the acknowledgement's text.
    pub async fn send_mllp(&self, message: &str) -> Result<(String, Duration), StoryError> {
        let started = std::time::Instant::now();
        let mut stream = TcpStream::connect(self.mllp).await?;
        let mut frame = vec![START_OF_BLOCK];
        frame.extend_from_slice(message.as_bytes());
        frame.extend_from_slice(&END_OF_BLOCK);
        stream.write_all(&frame).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(&END_OF_BLOCK) {
            let read = stream.read_buf(&mut answer).await?;
            if read == 0 {
                return Err(StoryError::Unobserved(
                    "the MLLP listener closed without an acknowledgement".into(),
                ));
            }
        }
        let text = String::from_utf8_lossy(&answer);
        Ok((text.trim_matches(['\u{b}', '\u{1c}', '\r']).to_owned(), started.elapsed()))
    }
}

//! The sections `[http]` and `[mllp]` of the settings file.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The base URL that clients use, for `Location` and `fullUrl`; by default `http(s)://` and the address.
    pub public_url: Option<String>,
    /// Certificate and key; without them HTTP is in clear, which suits only loopback or a proxy in front.
    pub tls: Option<TlsSettings>,
    /// The longest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most connections open at once; more wait in the system's queue.
    pub max_connections: usize,
    /// The most requests under way at once; more are answered 503 with `Retry-After`.
    pub max_requests: usize,
    /// The most requests under way at once for one credential; more are answered 429 with `Retry-After`.
    pub max_requests_per_credential: usize,
    /// How long a client may take for a TLS handshake or the head of a request, in seconds.
    pub header_timeout_seconds: u64,
    /// How long a client may take to send a body, in seconds.
    pub body_timeout_seconds: u64,
    /// How long the gateway may take to answer once the body is there, in seconds.
    pub answer_timeout_seconds: u64,
    /// How long requests under way may take to finish when the gateway stops, in seconds.
    pub drain_seconds: u64,
    /// Whether `/metrics` answers callers on this machine (loopback addresses) without a credential.
    pub metrics_on_loopback: bool,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            tls: None,
            max_body_bytes: 1 << 20,
            max_connections: 1024,
            max_requests: 256,
            max_requests_per_credential: 128,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
            answer_timeout_seconds: 30,
            drain_seconds: 25,
            metrics_on_loopback: true,
        }
    }
}

/// Where the certificate and the key are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// Certificate authorities, PEM; when given, a client must show a certificate that one of them has signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// The section `[mllp]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MllpSettings {
    /// The longest message, in bytes.
    pub max_message_bytes: usize,
    /// How long a message may take from its first to its last byte, in seconds.
    pub message_timeout_seconds: u64,
    /// How long a connection may be idle between messages, in seconds.
    pub idle_seconds: u64,
    /// The most connections open at once for each listener.
    pub max_connections: usize,
    /// How long a message under way may take to finish when the gateway stops, in seconds.
    pub drain_seconds: u64,
    /// One listener for each source.
    pub listeners: Vec<MllpListener>,
}

impl Default for MllpSettings {
    fn default() -> MllpSettings {
        MllpSettings {
            max_message_bytes: 1 << 20,
            message_timeout_seconds: 30,
            idle_seconds: 600,
            max_connections: 64,
            drain_seconds: 25,
            listeners: Vec::new(),
        }
    }
}

/// One MLLP listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MllpListener {
    /// The registered source whose messages come in here.
    pub source: String,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Addresses or networks (`10.1.0.0/16`) that may connect; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Network>,
    /// Certificate and key; without them the messages are in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is not an address or a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a network such as `10.1.0.0/16`")]
pub struct NetworkError(String);

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Network, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.as_str(), None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { return Err(NetworkError(text)) };
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits.map_or(Ok(most), str::parse::<u8>) {
            Ok(bits) if bits <= most => Ok(Network { address, bits }),
            _ => Err(NetworkError(text)),
        }
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        format!("{}/{}", network.address, network.bits)
    }
}

impl Network {
    /// Whether the address lies in this network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl HttpSettings {
    /// The time for a TLS handshake or a request's head.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// The time for a request's body.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    /// The time for an answer.
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    /// The time for requests under way to finish at a stop.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("10.1.0.0/16").contains(ip("10.1.255.1")));
        assert!(network("10.1.0.0/16").contains(ip("::ffff:10.1.2.3")));
        assert!(!network("10.1.0.0/16").contains(ip("10.2.0.1")));
        assert!(network("0.0.0.0/0").contains(ip("8.8.8.8")));
        assert!(!network("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")));
        assert!(!network("192.0.2.7").contains(ip("192.0.2.8")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:1::5")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.1.0.0/33", "10.1.0/16", "host", "::1/129", "10.0.0.0/x"] {
            assert!(Network::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}

//! The egress guard: which addresses a notification may be sent to.
//!
//! A subscriber names the endpoint, so the endpoint is untrusted. The name is resolved, every address is checked, and
//! the connection is made to a checked address and no other (the client resolves only through [`GuardedResolver`]),
//! so that a name cannot change its address between the check and the use. Redirects are never followed.

use super::settings::{Settings, SettingsError};
use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Why a notification is not sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The endpoint is not an absolute URL with a host.
    #[error("the endpoint is not an absolute URL with a host")]
    NotAUrl,
    /// The scheme is not `https` (or `http`, where the settings allow it).
    #[error("the endpoint's scheme is not allowed; use `https`")]
    Scheme,
    /// The URL carries a user name or a password.
    #[error("the endpoint carries credentials")]
    Credentials,
    /// The address is not one that partners may have.
    #[error("the endpoint's address is not allowed: {0}")]
    Address(&'static str),
    /// The name could not be resolved.
    #[error("the endpoint's name could not be resolved")]
    Unresolved,
}

/// The rules of the guard, from the settings.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    allow_http: bool,
    allow_loopback: bool,
    networks: Vec<Network>,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let (width, bits) = (if address.is_ipv4() { 32 } else { 128 }, wide(address));
        if length > width {
            return None;
        }
        // IPv4 lives in the last 32 bits of `::ffff:0:0/96`.
        let fixed = length + 128 - width;
        let mask = if fixed == 0 { 0 } else { u128::MAX << (128 - fixed) };
        Some(Network { bits: bits & mask, mask })
    }

    fn holds(&self, address: IpAddr) -> bool {
        wide(address) & self.mask == self.bits
    }
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Rules {
    /// The rules that the settings ask for; a network that cannot be read is an error.
    pub fn of(settings: &Settings) -> Result<Rules, SettingsError> {
        let networks = settings
            .allowed_networks
            .iter()
            .map(|text| Network::parse(text).ok_or_else(|| SettingsError::Network(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Rules { allow_http: settings.allow_http, allow_loopback: settings.allow_loopback, networks })
    }

    /// Reads an endpoint and checks all that can be checked without resolving its name. Called when a subscription
    /// is created, and again before each notification.
    pub fn check_endpoint(&self, endpoint: &str) -> Result<Url, EgressError> {
        let url = Url::parse(endpoint).map_err(|_| EgressError::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(EgressError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressError::Credentials);
        }
        let host = url.host_str().ok_or(EgressError::NotAUrl)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if let Ok(address) = literal {
            self.check_address(address)?;
        }
        Ok(url)
    }

    /// Whether a notification may be sent to this address.
    pub fn check_address(&self, address: IpAddr) -> Result<(), EgressError> {
        match refusal(address) {
            None => Ok(()),
            Some("loopback") if self.allow_loopback => Ok(()),
            Some(kind @ ("loopback" | "metadata" | "unspecified" | "multicast" | "broadcast")) => {
                Err(EgressError::Address(kind))
            }
            Some(_) if self.networks.iter().any(|network| network.holds(address)) => Ok(()),
            Some(kind) => Err(EgressError::Address(kind)),
        }
    }
}

/// Why an address is not one on the public internet; none if it is. After the IANA special-purpose registries.
fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, 0, 0, 0] => Some("unspecified"),
        [0, ..] => Some("this-network"),
        [127, ..] => Some("loopback"),
        // Metadata services: most clouds, Alibaba, Azure's wire server, Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => {
            Some("metadata")
        }
        [10, ..] | [192, 168, ..] => Some("private"),
        [172, b, ..] if b & 0xf0 == 16 => Some("private"),
        [100, b, ..] if b & 0xc0 == 64 => Some("carrier-grade-nat"),
        [169, 254, ..] => Some("link-local"),
        [192, 0, 0, _] => Some("protocol-assignments"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("documentation"),
        [192, 88, 99, _] => Some("6to4-relay"),
        [198, 18 | 19, ..] => Some("benchmarking"),
        [224..=239, ..] => Some("multicast"),
        [255, 255, 255, 255] => Some("broadcast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let tail = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        refusal_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // An IPv4 address in another form is judged as what it is.
        [0, 0, 0, 0, 0, 0xffff, high, low] => tail(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => tail(high, low).or(Some("translated")),
        [0, 0, 0, 0, 0, 0, high, low] => tail(high, low).or(Some("ipv4-compatible")),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => tail(high, low),
        [0x64, 0xff9b, ..] => Some("nat64-local"),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some("metadata"),
        [0x2002, high, low, ..] => tail(high, low).or(Some("6to4")),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => tail(high, low).or(Some("isatap")),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("documentation"),
        [0x2001, 0, ..] => Some("teredo"),
        [0x2001, 0..=0x1ff, ..] => Some("protocol-assignments"),
        [0xfc00..=0xfdff, ..] => Some("unique-local"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

/// How names are resolved: the system's resolver, or a test's.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }))
}

/// Gives the client addresses that have been checked, and no others.
#[derive(Clone)]
pub struct GuardedResolver {
    rules: Rules,
    lookup: Lookup,
}

impl GuardedResolver {
    /// A resolver with these rules.
    pub fn new(rules: Rules, lookup: Lookup) -> GuardedResolver {
        GuardedResolver { rules, lookup }
    }

    /// The addresses of a name. If *any* is not allowed, the name is refused: an honest partner's name does not point
    /// to a private address now and then.
    pub async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, EgressError> {
        let found = (self.lookup)(name).await.map_err(|_| EgressError::Unresolved)?;
        for address in &found {
            self.rules.check_address(address.ip())?;
        }
        if found.is_empty() { Err(EgressError::Unresolved) } else { Ok(found) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = guard.addresses(name).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;

//! Credentials: 256-bit keys, of which only the SHA-256 is kept.
//!
//! A caller sends its key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`. The key's hash is compared with every
//! credential's in constant time, so that the time an answer takes tells nothing about which keys exist.

use crate::govern::{Caller, Role};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rand::TryRng;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

/// What every key begins with, so that a key that leaked into a text can be found there.
pub const PREFIX: &str = "sgw_";
/// Bytes of randomness in a key.
const KEY_BYTES: usize = 32;
/// A key longer than this is not even hashed.
const LONGEST: usize = 256;

/// One credential of the registry: who holds the key with this hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// Who its holder is, and what that holder may do.
    pub caller: Caller,
}

/// All credentials of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    credentials: Vec<Credential>,
}

/// Why a request has no caller, or a caller may not do what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No key was sent.
    #[error("a key is needed, as `Authorization: Bearer` or `X-API-Key`")]
    Missing,
    /// The header cannot be read, or two different keys were sent.
    #[error("the credential header is malformed")]
    Malformed,
    /// No credential has this key.
    #[error("the key is not known")]
    Unknown,
    /// The caller's roles do not include what the request needs.
    #[error("the credential does not have the role `{0}`")]
    Role(&'static str),
    /// The credential is bound to another source.
    #[error("the credential is not bound to this source")]
    Source,
}

/// The name of a role, as the registry writes it.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Subscriber => "subscriber",
        Role::Tester => "tester",
        Role::Auditor => "auditor",
        Role::Operator => "operator",
        Role::BreakGlass => "break-glass",
    }
}

/// Makes a new key from the operating system's randomness; the caller shows it once and stores [`hash`] of it.
pub fn new_key() -> Result<Zeroizing<String>, rand::rngs::SysError> {
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    rand::rngs::SysRng.try_fill_bytes(bytes.as_mut())?;
    Ok(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_ref()))))
}

/// The hash under which a key is stored.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl Keyring {
    /// A keyring of these credentials.
    pub fn new(credentials: Vec<Credential>) -> Keyring {
        Keyring { credentials }
    }

    /// How many credentials there are.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether there are none, so that nobody can get in.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// The caller that these headers belong to.
    ///
    /// Errors: [`AuthError::Missing`], [`AuthError::Malformed`] and [`AuthError::Unknown`]; all three are answered
    /// with 401.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<&Caller, AuthError> {
        let key = presented(headers)?;
        if key.len() > LONGEST {
            return Err(AuthError::Unknown);
        }
        self.find(&hash(key)).ok_or(AuthError::Unknown)
    }

    /// Looks at every credential, whether or not one has matched already.
    fn find(&self, presented: &[u8; 32]) -> Option<&Caller> {
        let mut found = Choice::from(0);
        let mut at = 0_u64;
        for (index, credential) in (0_u64..).zip(&self.credentials) {
            let equal = credential.sha256.ct_eq(presented);
            at.conditional_assign(&index, equal);
            found |= equal;
        }
        if bool::from(found) {
            self.credentials.get(usize::try_from(at).ok()?).map(|credential| &credential.caller)
        } else {
            None
        }
    }
}

/// The key that the headers carry. Two headers are accepted only if they say the same.
fn presented(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut found: Option<&str> = None;
    let bearer = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let text = value.to_str().ok()?;
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers.get_all("x-api-key").iter().map(|value| value.to_str().ok().map(str::trim));
    for key in bearer.chain(plain) {
        let key = key.filter(|key| !key.is_empty()).ok_or(AuthError::Malformed)?;
        match found {
            Some(other) if other != key => return Err(AuthError::Malformed),
            _ => found = Some(key),
        }
    }
    found.ok_or(AuthError::Missing)
}

/// Whether the caller has at least one of these roles; the error names the first.
pub fn require(caller: &Caller, roles: &[Role]) -> Result<(), AuthError> {
    if roles.iter().any(|role| caller.has(*role)) {
        return Ok(());
    }
    Err(AuthError::Role(roles.first().map_or("none", |role| role_name(*role))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(keys: &[&str]) -> Keyring {
        Keyring::new(
            keys.iter()
                .map(|key| Credential {
                    sha256: hash(key),
                    caller: Caller {
                        credential: format!("credential of {key}"),
                        organisation: "RX1".into(),
                        roles: vec![Role::Source],
                        partner: None,
                        source: None,
                        address: String::new(),
                    },
                })
                .collect(),
        )
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_long_and_different_each_time() {
        let (one, two) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(*one, *two);
        assert_eq!(one.len(), PREFIX.len() + 43);
    }

    #[test]
    fn each_key_finds_its_own_credential() {
        let ring = keyring(&["a", "b", "c"]);
        for key in ["a", "b", "c"] {
            for pair in [("authorization", format!("Bearer {key}")), ("x-api-key", key.to_owned())] {
                let caller = ring.authenticate(&headers(&[(pair.0, &pair.1)])).unwrap();
                assert_eq!(caller.credential, format!("credential of {key}"));
            }
        }
    }

    #[test]
    fn anything_else_finds_nobody() {
        let ring = keyring(&["a"]);
        let refusal = |pairs: &[(&'static str, &str)]| ring.authenticate(&headers(pairs)).unwrap_err();
        assert_eq!(refusal(&[]), AuthError::Missing);
        assert_eq!(refusal(&[("authorization", "Bearer A")]), AuthError::Unknown);
        assert_eq!(refusal(&[("authorization", "Basic YTph")]), AuthError::Malformed);
        assert_eq!(refusal(&[("authorization", "Bearer ")]), AuthError::Malformed);
        assert_eq!(refusal(&[("authorization", "a")]), AuthError::Malformed);
        assert_eq!(refusal(&[("x-api-key", "")]), AuthError::Malformed);
        assert_eq!(refusal(&[("x-api-key", "a"), ("authorization", "Bearer b")]), AuthError::Malformed);
        assert_eq!(refusal(&[("x-api-key", &"a".repeat(9000))]), AuthError::Unknown);
        assert_eq!(Keyring::default().authenticate(&headers(&[("x-api-key", "a")])), Err(AuthError::Unknown));
    }
}

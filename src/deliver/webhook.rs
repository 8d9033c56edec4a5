//! Signatures of notifications, after Standard Webhooks 1.0 (<https://www.standardwebhooks.com>).
//!
//! Each notification carries three headers: `webhook-id`, the same at every attempt of one event, by which a receiver
//! drops repeats; `webhook-timestamp`, the seconds of this attempt; `webhook-signature`, `v1,` and the base64 of
//! HMAC-SHA256 over `id.timestamp.body`, once for each secret in force, separated by spaces. A partner that changes
//! its secret has both in force for a while and accepts either.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The header with the event's id.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// How far the timestamp of a notification may be from the receiver's clock, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

/// A secret shared with one receiver. Never shown; erased from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It does not start with `whsec_`.
    #[error("a webhook secret starts with `whsec_`")]
    Prefix,
    /// What follows is not base64.
    #[error("after `whsec_`, a webhook secret is base64")]
    Encoding,
    /// It has too few or too many bytes.
    #[error("a webhook secret has between 24 and 64 bytes")]
    Length,
}

impl Secret {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?);
        if (24..=64).contains(&bytes.len()) { Ok(Secret(bytes)) } else { Err(SecretError::Length) }
    }

    /// A new random secret of 32 bytes, and its text to hand to the partner once.
    pub fn generate() -> (Secret, String) {
        let bytes: [u8; 32] = rand::random();
        let text = format!("whsec_{}", STANDARD.encode(bytes));
        (Secret(Zeroizing::new(bytes.to_vec())), text)
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }
}

/// The value of `webhook-signature` for a notification: one signature for each secret in force.
pub fn sign(id: &str, timestamp_seconds: i64, body: &[u8], secrets: &[Secret]) -> String {
    let timestamp = timestamp_seconds.to_string();
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| secret.mac(id, &timestamp, body))
        .map(|mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        .collect();
    signatures.join(" ")
}

/// Why a notification must not be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The timestamp is not a number of seconds.
    #[error("`webhook-timestamp` is not a number of seconds")]
    Timestamp,
    /// It is too old, or from the future: perhaps replayed.
    #[error("`webhook-timestamp` is more than five minutes from now")]
    Stale,
    /// None of the signatures is right.
    #[error("`webhook-signature` holds no signature made with a known secret")]
    Signature,
}

/// What a receiver does with each notification before it reads the body: checks its time and its signature.
///
/// `id`, `timestamp` and `signature` are the headers' values as they came, `body` the bytes as they came. Any of the
/// receiver's `secrets` may have signed; signatures are compared in constant time. A receiver must then also drop
/// what it has already processed under the same `id`.
pub fn verify(
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if now.as_second().abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(VerifyError::Stale);
    }
    for candidate in signature.split(' ') {
        let Some(encoded) = candidate.strip_prefix("v1,") else { continue };
        let Ok(bytes) = STANDARD.decode(encoded) else { continue };
        for secret in secrets {
            if let Some(mac) = secret.mac(id, timestamp, body)
                && mac.verify_slice(&bytes).is_ok()
            {
                return Ok(());
            }
        }
    }
    Err(VerifyError::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// The published vector of the Standard Webhooks libraries.
    #[test]
    fn the_published_vector_is_signed_alike() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#, &[secret]);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_signature_holds_for_this_body_id_time_and_secret_only() {
        let (old, _) = Secret::generate();
        let (new, text) = Secret::generate();
        let read = Secret::parse(&text).unwrap();
        let both = sign("e1", 1_000, b"body", &[old.clone(), new]);
        assert_eq!(verify("e1", "1000", &both, b"body", std::slice::from_ref(&read), at(1_100)), Ok(()));
        assert_eq!(verify("e1", "1000", &both, b"body", &[old], at(1_100)), Ok(()));
        let secrets = [read];
        assert_eq!(verify("e2", "1000", &both, b"body", &secrets, at(1_000)), Err(VerifyError::Signature));
        assert_eq!(verify("e1", "1001", &both, b"body", &secrets, at(1_000)), Err(VerifyError::Signature));
        assert_eq!(verify("e1", "1000", &both, b"bodY", &secrets, at(1_000)), Err(VerifyError::Signature));
        assert_eq!(
            verify("e1", "1000", "v1,AAAA", b"body", &secrets, at(1_000)),
            Err(VerifyError::Signature)
        );
        assert_eq!(verify("e1", "1000", "", b"body", &secrets, at(1_000)), Err(VerifyError::Signature));
        assert_eq!(verify("e1", "1000", &both, b"body", &secrets, at(1_301)), Err(VerifyError::Stale));
        assert_eq!(verify("e1", "1000", &both, b"body", &secrets, at(699)), Err(VerifyError::Stale));
        assert_eq!(verify("e1", "soon", &both, b"body", &secrets, at(1_000)), Err(VerifyError::Timestamp));
        assert_eq!(
            verify("e1", "-9223372036854775808", &both, b"body", &secrets, at(1_000)),
            Err(VerifyError::Stale)
        );
    }

    #[test]
    fn a_secret_is_read_strictly_and_never_shown() {
        assert_eq!(Secret::parse("MfKQ9r8G").unwrap_err(), SecretError::Prefix);
        assert_eq!(Secret::parse("whsec_%%%").unwrap_err(), SecretError::Encoding);
        assert_eq!(Secret::parse("whsec_AAAA").unwrap_err(), SecretError::Length);
        let (secret, text) = Secret::generate();
        assert!(!format!("{secret:?}").contains(text.trim_start_matches("whsec_")));
    }
}

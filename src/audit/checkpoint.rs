//! Signed checkpoints of the log: C2SP `tlog-checkpoint` in a signed note, by Ed25519.
//!
//! A checkpoint is three lines (origin, size in decimal, root in base64), an empty line, and signature lines. The key
//! is named after the origin; its id is the first four bytes of SHA-256 over name, newline, algorithm byte 1 and
//! public key. See <https://c2sp.org/tlog-checkpoint> and <https://c2sp.org/signed-note>.

use super::merkle::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;

const ED25519: u8 = 1;

/// Why a key, a note or a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not a key in the form of C2SP `signed-note`.
    #[error("the key is not written as `name+hash+base64`")]
    Key,
    /// The name has a character that a key's name may not have.
    #[error("a key's name is not empty and has no white space and no `+`")]
    Name,
    /// The text is not a signed note.
    #[error("the checkpoint is not a signed note")]
    Note,
    /// The note's text is not a checkpoint.
    #[error("the checkpoint has no origin, size and root")]
    Checkpoint,
    /// It is of another log.
    #[error("the checkpoint is of the log `{0}`")]
    Origin(String),
    /// No signature by this key.
    #[error("the checkpoint is not signed by the key `{0}`")]
    NotSigned(String),
    /// There is a signature by this key, and it is wrong.
    #[error("the signature of the key `{0}` is wrong")]
    WrongSignature(String),
}

/// The id of a key: the beginning of a digest over its name, its algorithm and itself (C2SP `signed-note`).
fn key_id(name: &str, algorithm: u8, public: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', algorithm]);
    hasher.update(public);
    let [a, b, c, d, ..]: [u8; 32] = hasher.finalize().into();
    [a, b, c, d]
}

/// The name, the id in hexadecimal and the rest in base64 of `name+id+rest`.
fn parts_of(text: &str) -> Result<(&str, &str, &str), CheckpointError> {
    let mut parts = text.splitn(3, '+');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(id), Some(rest)) => Ok((name, id, rest)),
        _ => Err(CheckpointError::Key),
    }
}

/// Reads the public key of an algorithm, written as `name+id+base64`: its name, its id and itself. What a name must be
/// is for `named` to say.
pub(super) fn public_key(
    text: &str,
    algorithm: u8,
    named: impl FnOnce(&str) -> Result<(), CheckpointError>,
) -> Result<(String, [u8; 4], VerifyingKey), CheckpointError> {
    let (name, id, key) = parts_of(text.trim())?;
    named(name)?;
    let bytes = STANDARD.decode(key).map_err(|_| CheckpointError::Key)?;
    let public = bytes.strip_prefix(&[algorithm]).ok_or(CheckpointError::Key)?;
    let public: [u8; 32] = public.try_into().map_err(|_| CheckpointError::Key)?;
    let computed = key_id(name, algorithm, &public);
    if hex::encode(computed) != id {
        return Err(CheckpointError::Key);
    }
    let key = VerifyingKey::from_bytes(&public).map_err(|_| CheckpointError::Key)?;
    Ok((name.to_owned(), computed, key))
}

fn check_name(name: &str) -> Result<(), CheckpointError> {
    let fits = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    if fits { Ok(()) } else { Err(CheckpointError::Name) }
}

/// The public key by which checkpoints are verified; written as `name+hash+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<VerifierKey, CheckpointError> {
        let (name, _, key) = public_key(text, ED25519, check_name)?;
        Ok(VerifierKey { name, key })
    }

    /// The key's name, which is the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key signed, with the newline at its end.
    ///
    /// # Errors
    /// The text is not a signed note, this key has not signed it, or its signature is wrong.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, CheckpointError> {
        let at = note.rfind("\n\n").ok_or(CheckpointError::Note)?;
        let (text, signatures) = note.split_at(at + 1);
        let mut found = false;
        for line in signatures.trim_start_matches('\n').lines() {
            let (name, signature) = line
                .strip_prefix("\u{2014} ")
                .and_then(|rest| rest.split_once(' '))
                .ok_or(CheckpointError::Note)?;
            let bytes = STANDARD.decode(signature).map_err(|_| CheckpointError::Note)?;
            let (id, signature) = bytes.split_first_chunk::<4>().ok_or(CheckpointError::Note)?;
            if name != self.name || *id != key_id(&self.name, ED25519, self.key.as_bytes()) {
                continue;
            }
            let wrong = || CheckpointError::WrongSignature(self.name.clone());
            let signature = Signature::from_slice(signature).map_err(|_| wrong())?;
            self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| wrong())?;
            found = true;
        }
        if found { Ok(text) } else { Err(CheckpointError::NotSigned(self.name.clone())) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.key.as_bytes();
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(public);
        write!(
            formatter,
            "{}+{}+{}",
            self.name,
            hex::encode(key_id(&self.name, ED25519, public)),
            STANDARD.encode(bytes)
        )
    }
}

/// A checkpoint whose signature was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many leaves it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

impl Checkpoint {
    /// Reads a signed note and verifies it.
    pub fn parse(note: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        let mut lines = key.open(note)?.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Checkpoint);
        };
        if origin != key.name {
            return Err(CheckpointError::Origin(origin.to_owned()));
        }
        let plain = size == "0" || !size.starts_with('0');
        let digits = plain && size.bytes().all(|b| b.is_ascii_digit());
        let size = size.parse().ok().filter(|_| digits).ok_or(CheckpointError::Checkpoint)?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Checkpoint { size, root: root.ok_or(CheckpointError::Checkpoint)?, note: note.to_owned() })
    }
}

/// The private key of a log, and what it signed last: it never signs a tree that is smaller than one it signed, or
/// another of the same size.
pub struct Signer {
    origin: String,
    key: SigningKey,
    last: Option<(u64, Hash)>,
}

/// Why a checkpoint is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The log has fewer leaves than a checkpoint that was signed.
    #[error("the log has {size} leaves, but a checkpoint over {signed} was signed")]
    Shrunk {
        /// Leaves now.
        size: u64,
        /// Leaves then.
        signed: u64,
    },
    /// The log is another one than a checkpoint says that was signed.
    #[error("the log of {0} leaves has another root than the checkpoint that was signed over it")]
    Forked(u64),
}

impl Signer {
    /// A new key for the log of this name.
    pub fn generate(origin: &str) -> Result<Signer, CheckpointError> {
        check_name(origin)?;
        let key = SigningKey::from_bytes(&rand::random());
        Ok(Signer { origin: origin.to_owned(), key, last: None })
    }

    /// Reads a private key: `PRIVATE+KEY+name+hash+base64`.
    pub fn parse(text: &str) -> Result<Signer, CheckpointError> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(CheckpointError::Key)?;
        let (name, id, seed) = parts_of(rest)?;
        check_name(name)?;
        let bytes = STANDARD.decode(seed).map_err(|_| CheckpointError::Key)?;
        let [ED25519, seed @ ..] = bytes.as_slice() else { return Err(CheckpointError::Key) };
        let key = SigningKey::from_bytes(seed.try_into().map_err(|_| CheckpointError::Key)?);
        if hex::encode(key_id(name, ED25519, key.verifying_key().as_bytes())) != id {
            return Err(CheckpointError::Key);
        }
        Ok(Signer { origin: name.to_owned(), key, last: None })
    }

    /// The private key as text. Keep it out of logs and out of the database.
    pub fn to_secret_text(&self) -> zeroize::Zeroizing<String> {
        let mut bytes = zeroize::Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        let id = hex::encode(key_id(&self.origin, ED25519, self.key.verifying_key().as_bytes()));
        format!("PRIVATE+KEY+{}+{id}+{}", self.origin, STANDARD.encode(bytes.as_slice())).into()
    }

    /// The public key.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.origin.clone(), key: self.key.verifying_key() }
    }

    /// Remembers a checkpoint that was signed earlier; call it at the start, after the log was found to agree with it.
    pub fn remember(&mut self, checkpoint: &Checkpoint) {
        if self.last.is_none_or(|(size, _)| size < checkpoint.size) {
            self.last = Some((checkpoint.size, checkpoint.root));
        }
    }

    /// Signs a checkpoint over the log, which must have grown out of the last one by appending.
    pub fn sign(&mut self, size: u64, root: &Hash) -> Result<Checkpoint, SignError> {
        match self.last {
            Some((signed, _)) if size < signed => return Err(SignError::Shrunk { size, signed }),
            Some((signed, known)) if size == signed && known != *root => return Err(SignError::Forked(size)),
            _ => {}
        }
        let note = self.sign_note(&format!("{}\n{size}\n{}\n", self.origin, STANDARD.encode(root)));
        self.last = Some((size, *root));
        Ok(Checkpoint { size, root: *root, note })
    }
}

impl Signer {
    /// A signed note (C2SP `signed-note`) of this text, which ends with a newline.
    pub fn sign_note(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes());
        let mut bytes = key_id(&self.origin, ED25519, self.key.verifying_key().as_bytes()).to_vec();
        bytes.extend_from_slice(&signature.to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_note_verifies() {
        let key =
            VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(key.open(&note), Ok(text));
        let signer =
            Signer::parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
                .unwrap();
        assert_eq!(signer.verifier(), key);
        assert_eq!(signer.verifier().to_string().parse::<String>().as_deref(), Ok(key.to_string().as_str()));
        let altered = note.replace("your problem,", "our problem,");
        assert_eq!(key.open(&altered), Err(CheckpointError::WrongSignature("PeterNeumann".into())));
    }

    #[test]
    fn a_checkpoint_is_read_back_and_only_by_its_own_key() {
        let mut signer = Signer::generate("log.example/audit").unwrap();
        let checkpoint = signer.sign(7, &[9; 32]).unwrap();
        assert_eq!(Checkpoint::parse(&checkpoint.note, &signer.verifier()).as_ref(), Ok(&checkpoint));
        let restored = Signer::parse(&signer.to_secret_text()).unwrap();
        assert_eq!(restored.verifier(), signer.verifier());
        let other = Signer::generate("log.example/audit").unwrap();
        let refused = Checkpoint::parse(&checkpoint.note, &other.verifier());
        assert_eq!(refused, Err(CheckpointError::NotSigned("log.example/audit".into())));
        let larger = checkpoint.note.replacen("\n7\n", "\n8\n", 1);
        let refused = Checkpoint::parse(&larger, &signer.verifier());
        assert_eq!(refused, Err(CheckpointError::WrongSignature("log.example/audit".into())));
    }

    #[test]
    fn nothing_inconsistent_is_signed() {
        let mut signer = Signer::generate("log").unwrap();
        signer.sign(7, &[9; 32]).unwrap();
        assert!(signer.sign(7, &[9; 32]).is_ok());
        assert_eq!(signer.sign(6, &[9; 32]).unwrap_err(), SignError::Shrunk { size: 6, signed: 7 });
        assert_eq!(signer.sign(7, &[8; 32]).unwrap_err(), SignError::Forked(7));
        assert!(signer.sign(8, &[8; 32]).is_ok());
    }
}

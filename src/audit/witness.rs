//! What a log says to its witnesses, and what they answer: C2SP `tlog-witness` and `tlog-cosignature`.
//!
//! A witness keeps, for each log, the newest checkpoint that it cosigned, and cosigns another one only when a
//! consistency proof shows that the log has only grown since. See <https://c2sp.org/tlog-witness> and
//! <https://c2sp.org/tlog-cosignature>.

use super::checkpoint::{Checkpoint, CheckpointError, public_key};
use super::merkle::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

/// The algorithm byte of Ed25519 cosignatures with a time.
const COSIGNATURE: u8 = 4;

/// The body of an `add-checkpoint` request: the size that the witness knows, the proof that the log has only grown
/// since, and the checkpoint.
pub fn add_checkpoint(old: u64, proof: &[Hash], checkpoint: &Checkpoint) -> String {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body.push_str(&STANDARD.encode(hash));
        body.push('\n');
    }
    body.push('\n');
    body.push_str(&checkpoint.note);
    body
}

/// The public key of a witness; written as `name+hash+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl WitnessKey {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<WitnessKey, CheckpointError> {
        let named = |name: &str| if name.is_empty() { Err(CheckpointError::Key) } else { Ok(()) };
        let (name, id, key) = public_key(text, COSIGNATURE, named)?;
        Ok(WitnessKey { name, id, key })
    }

    /// The time (seconds since 1970) at which this witness cosigned the checkpoint, from the signature lines of its
    /// answer.
    ///
    /// Errors: there is no line of this witness, or its signature is wrong.
    pub fn cosigned(&self, checkpoint: &Checkpoint, lines: &str) -> Result<u64, CheckpointError> {
        let text = checkpoint.note.split_once("\n\n").ok_or(CheckpointError::Note)?.0;
        for line in lines.lines() {
            let Some((name, signature)) =
                line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let Ok(bytes) = STANDARD.decode(signature) else { continue };
            let Some((id, rest)) = bytes.split_first_chunk::<4>() else { continue };
            if name != self.name || *id != self.id {
                continue;
            }
            let wrong = || CheckpointError::WrongSignature(self.name.clone());
            let (time, signature) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
            let time = u64::from_be_bytes(*time);
            let message = format!("cosignature/v1\ntime {time}\n{text}\n");
            let signature = Signature::from_slice(signature).map_err(|_| wrong())?;
            self.key.verify_strict(message.as_bytes(), &signature).map_err(|_| wrong())?;
            return Ok(time);
        }
        Err(CheckpointError::NotSigned(self.name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Signer, Tree, merkle};
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use sha2::{Digest, Sha256};

    #[test]
    fn a_request_has_the_old_size_the_proof_an_empty_line_and_the_note() {
        let tree: Tree = (0..5u8).map(|n| merkle::leaf_hash(&[n])).collect();
        let leaves: Vec<Hash> = (0..5u8).map(|n| merkle::leaf_hash(&[n])).collect();
        let checkpoint = Signer::generate("log").unwrap().sign(5, &merkle::root(&leaves)).unwrap();
        let proof = tree.consistency_proof(3, 5).unwrap();
        let body = add_checkpoint(3, &proof, &checkpoint);
        let (head, note) = body.split_once("\n\n").unwrap();
        assert_eq!(note, checkpoint.note);
        assert_eq!(head.lines().next(), Some("old 3"));
        assert_eq!(head.lines().count(), 1 + proof.len());
        assert_eq!(add_checkpoint(0, &[], &checkpoint), format!("old 0\n\n{}", checkpoint.note));
    }

    #[test]
    fn a_cosignature_holds_for_its_checkpoint_and_time_only() {
        let checkpoint = Signer::generate("log").unwrap().sign(5, &[7; 32]).unwrap();
        let secret = SigningKey::from_bytes(&[3; 32]);
        let public = secret.verifying_key();
        let mut hasher = Sha256::new();
        hasher.update(b"witness.example/w1\n\x04");
        hasher.update(public.as_bytes());
        let id = hasher.finalize()[..4].to_vec();
        let bytes = [&[4u8][..], public.as_bytes()].concat();
        let key = format!("witness.example/w1+{}+{}", hex::encode(&id), STANDARD.encode(bytes));
        let key = WitnessKey::parse(&key).unwrap();
        let text = checkpoint.note.split("\n\n").next().unwrap();
        let message = format!("cosignature/v1\ntime 1790000000\n{text}\n");
        let signature = secret.sign(message.as_bytes()).to_bytes();
        let line = |time: u64| {
            let bytes = [&id[..], &time.to_be_bytes(), &signature].concat();
            format!("\u{2014} other.example aaaa\n\u{2014} witness.example/w1 {}\n", STANDARD.encode(bytes))
        };
        assert_eq!(key.cosigned(&checkpoint, &line(1_790_000_000)), Ok(1_790_000_000));
        assert!(matches!(key.cosigned(&checkpoint, &line(1)), Err(CheckpointError::WrongSignature(_))));
        assert!(matches!(key.cosigned(&checkpoint, ""), Err(CheckpointError::NotSigned(_))));
        let other = Signer::generate("log").unwrap().sign(6, &[7; 32]).unwrap();
        assert!(key.cosigned(&other, &line(1_790_000_000)).is_err());
        assert_eq!(WitnessKey::parse("a+00000000+AAAA"), Err(CheckpointError::Key));
    }
}

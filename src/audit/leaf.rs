//! What stands in the tree: a leaf without personal data, which commits to an event that can be erased.
//!
//! The leaf is the canonical JSON (RFC 8785) of an object with the members `act`, `agreement`, `at`, `basis`,
//! `commitment`, `erases` (the id of an event whose content this act erases), `id`, `outcome`, `recipient`, `tier` and
//! `v` (1); those without a value are left out. The commitment
//! is SHA-256 over a byte 2, a random salt of 32 bytes and the event's canonical text, in hexadecimal. Once salt and
//! event are erased, nobody can tell what the event was, nor test a guess; the leaf, and so the tree, stays.

use super::text::Text;
use sha2::{Digest, Sha256};

/// The members of a leaf.
pub(crate) struct Leaf<'a> {
    pub act: &'a str,
    pub at: &'a str,
    pub commitment: &'a str,
    pub erases: &'a str,
    pub id: &'a str,
    pub outcome: &'a str,
    pub recipient: &'a str,
    pub tier: &'a str,
    pub agreement: Option<String>,
    pub bases: &'a [String],
}

/// The commitment to an event, in hexadecimal.
pub fn commitment(salt: &[u8; 32], canonical: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update([2]);
    hasher.update(salt);
    hasher.update(canonical);
    hex::encode(hasher.finalize())
}

/// The text of a leaf.
pub(crate) fn write(leaf: &Leaf) -> String {
    let mut text = Text::with_capacity(384);
    text.object(|o| {
        o.pair("act", leaf.act);
        o.pair_if("agreement", leaf.agreement.as_deref().unwrap_or_default());
        o.pair("at", leaf.at);
        if !leaf.bases.is_empty() {
            o.name("basis").array(|list| leaf.bases.iter().for_each(|basis| list.text(basis)));
        }
        o.pair("commitment", leaf.commitment);
        o.pair_if("erases", leaf.erases);
        o.pair("id", leaf.id);
        o.pair("outcome", leaf.outcome);
        o.pair_if("recipient", leaf.recipient);
        o.pair_if("tier", leaf.tier);
        o.raw("v", "1");
    });
    text.finish()
}

//! Why a log does not agree with a checkpoint: guesses that are proved or dropped by computing the root they imply.

use super::checkpoint::Checkpoint;
use super::merkle::{Frontier, Hash};
use super::verify::Finding;

/// Up to this many leaves since the last agreement every guess is tried.
const FEW: usize = 128;

/// The leaves since the last agreement, tried with two of them in each other's place and with each one left out.
/// Whatever cannot be told is [`Finding::TreeAltered`].
pub(super) fn explain(
    agreed: &Frontier,
    hashes: &[Hash],
    after: Option<Hash>,
    checkpoint: &Checkpoint,
) -> Finding {
    let from = agreed.size();
    let altered = Finding::TreeAltered { after: from, size: checkpoint.size };
    if hashes.len() > FEW {
        return altered;
    }
    let agrees = |order: &mut dyn Iterator<Item = Hash>| {
        let mut frontier = agreed.clone();
        order.for_each(|hash| frontier.push(hash));
        frontier.root() == checkpoint.root
    };
    for (first, one) in hashes.iter().enumerate() {
        for (second, other) in hashes.iter().enumerate().skip(first + 1) {
            let mut swapped = hashes.iter().enumerate().map(|(at, hash)| match at {
                at if at == first => *other,
                at if at == second => *one,
                _ => *hash,
            });
            if agrees(&mut swapped) {
                return Finding::LeavesSwapped(from + first as u64, from + second as u64);
            }
        }
    }
    if let Some(after) = after {
        for (left_out, _) in hashes.iter().enumerate() {
            let mut others = hashes
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != left_out)
                .map(|(_, hash)| *hash)
                .chain([after]);
            if agrees(&mut others) {
                return Finding::LeafInserted(from + left_out as u64, checkpoint.size);
            }
        }
    }
    altered
}

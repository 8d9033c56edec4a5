//! The whole tree in memory, for proofs: the hash of every complete subtree, 64 bytes for each leaf.

use super::merkle::{Hash, consistency_path, inclusion_path, node_hash, split};

/// A Merkle tree that grows by appending, and proves what stands in it at any size it has had.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The roots of the complete subtrees of 1, 2, 4, … leaves, each in the order of the leaves.
    levels: Vec<Vec<Hash>>,
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Tree {
        let mut tree = Tree::new();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

impl Tree {
    /// The empty tree.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carried = leaf;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else { return };
            hashes.push(carried);
            if hashes.len() % 2 == 1 {
                return;
            }
            let [.., left, right] = hashes.as_slice() else { return };
            carried = node_hash(left, right);
            level += 1;
        }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The audit path of a leaf in the tree over the first `size` leaves. `None` when the leaf is not in it, or the
    /// tree has fewer leaves.
    pub fn inclusion_proof(&self, position: u64, size: u64) -> Option<Vec<Hash>> {
        inclusion_path(position, size, |start, size| self.subtree(start, size))
    }

    /// The proof that the tree over the first `older` leaves is the beginning of that over the first `size`. `None`
    /// unless `1 <= older <= size` and the tree has that many leaves.
    pub fn consistency_proof(&self, older: u64, size: u64) -> Option<Vec<Hash>> {
        consistency_path(older, size, |start, size| self.subtree(start, size))
    }

    /// The root over this many leaves from this one on, which is where a subtree begins.
    fn subtree(&self, start: u64, size: u64) -> Option<Hash> {
        if size.is_power_of_two() {
            let level = self.levels.get(usize::try_from(size.trailing_zeros()).ok()?)?;
            return level.get(usize::try_from(start / size).ok()?).copied();
        }
        let left = (size > 1).then(|| split(size))?;
        Some(node_hash(&self.subtree(start, left)?, &self.subtree(start + left, size - left)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::merkle::{self, leaf_hash};
    use super::*;

    #[test]
    fn its_proofs_are_those_of_the_plain_computation_at_every_size() {
        let leaves: Vec<Hash> = (0..70u8).map(|n| leaf_hash(&[n])).collect();
        let tree: Tree = leaves.iter().copied().collect();
        assert_eq!(tree.size(), 70);
        for size in 1..=70 {
            let part = &leaves[..size];
            let size = size as u64;
            for position in 0..size {
                assert_eq!(tree.inclusion_proof(position, size), merkle::inclusion_proof(part, position));
                let older = position + 1;
                assert_eq!(tree.consistency_proof(older, size), merkle::consistency_proof(part, older));
            }
            assert_eq!(tree.inclusion_proof(size, size), None);
        }
        assert_eq!(tree.inclusion_proof(0, 71), None);
        assert_eq!(tree.consistency_proof(0, 5), None);
    }
}

//! The Merkle tree of RFC 6962 section 2.1: leaves, root, inclusion and consistency proofs.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256 over a zero byte and the leaf's text.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(leaf);
    hasher.finalize().into()
}

/// The hash of an inner node: SHA-256 over a one byte and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of a growing tree: all that is needed to append a leaf and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees from the largest to the smallest: one for each bit of `size`.
    edge: Vec<Hash>,
}

impl Frontier {
    /// The edge of an empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carried = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            let Some(left) = self.edge.pop() else { break };
            carried = node_hash(&left, &carried);
            size >>= 1;
        }
        self.edge.push(carried);
        self.size += 1;
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut smaller = self.edge.iter().rev();
        match smaller.next() {
            None => empty_root(),
            Some(last) => smaller.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The edge as bytes: the size, big-endian, then the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.edge.iter().for_each(|hash| bytes.extend_from_slice(hash));
        bytes
    }

    /// The edge that [`Frontier::to_bytes`] wrote, or `None` when these bytes are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frontier> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (edge, left_over) = rest.as_chunks::<32>();
        let whole = left_over.is_empty() && edge.len() == size.count_ones() as usize;
        whole.then(|| Frontier { size, edge: edge.to_vec() })
    }
}

/// The root over these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The root over this many leaves from this one on.
fn subtree(leaves: &[Hash], start: u64, size: u64) -> Option<Hash> {
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    leaves.get(start..end).map(root)
}

/// The largest power of two smaller than `size` (which is at least 2).
pub(super) fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The audit path of a leaf (RFC 6962 section 2.1.1), lowest first. `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], position: u64) -> Option<Vec<Hash>> {
    inclusion_path(position, leaves.len() as u64, |start, size| subtree(leaves, start, size))
}

/// The audit path of a leaf in the tree of this size, whose subtrees (start and size) are given.
pub(super) fn inclusion_path(
    position: u64,
    mut size: u64,
    subtree: impl Fn(u64, u64) -> Option<Hash>,
) -> Option<Vec<Hash>> {
    if position >= size {
        return None;
    }
    let mut path = Vec::new();
    let mut start = 0;
    while size > 1 {
        let left = split(size);
        if position - start < left {
            path.push(subtree(start + left, size - left)?);
            size = left;
        } else {
            path.push(subtree(start, left)?);
            start += left;
            size -= left;
        }
    }
    path.reverse();
    Some(path)
}

/// The proof that the tree over the first `older` leaves is the beginning of this one (RFC 6962 section 2.1.2).
/// `None` unless `1 <= older <= leaves.len()`.
pub fn consistency_proof(leaves: &[Hash], older: u64) -> Option<Vec<Hash>> {
    consistency_path(older, leaves.len() as u64, |start, size| subtree(leaves, start, size))
}

/// The consistency proof between the trees of these sizes, whose subtrees (start and size) are given.
pub(super) fn consistency_path(
    mut older: u64,
    mut size: u64,
    subtree: impl Fn(u64, u64) -> Option<Hash>,
) -> Option<Vec<Hash>> {
    if older == 0 || older > size {
        return None;
    }
    let mut path = Vec::new();
    let (mut start, mut whole) = (0, true);
    while older != size {
        let left = split(size);
        if older <= left {
            path.push(subtree(start + left, size - left)?);
            size = left;
        } else {
            path.push(subtree(start, left)?);
            start += left;
            older -= left;
            size -= left;
            whole = false;
        }
    }
    if !whole {
        path.push(subtree(start, size)?);
    }
    path.reverse();
    Some(path)
}

/// Whether the proof shows that the leaf stands at this position in the tree of this size and root
/// (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, position: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if position >= size {
        return false;
    }
    let (mut at, mut last) = (position, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether the proof shows that the older tree is the beginning of the newer (RFC 9162 section 2.1.4.2).
pub fn verify_consistency(
    older: u64,
    newer: u64,
    older_root: &Hash,
    newer_root: &Hash,
    proof: &[Hash],
) -> bool {
    if older == newer {
        return proof.is_empty() && older_root == newer_root;
    }
    if older == 0 {
        return proof.is_empty() && newer > 0 && *older_root == empty_root();
    }
    if older > newer {
        return false;
    }
    // When the older tree is complete, its root is itself the first node.
    let given = if older.is_power_of_two() { Some(older_root) } else { None };
    let mut path = given.into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let (mut at, mut last) = (older - 1, newer - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *older_root && new_hash == *newer_root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves of the published reference vectors of Certificate Transparency.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaves(count: usize) -> Vec<Hash> {
        LEAVES[..count].iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
    }

    fn hashes(list: &[&str]) -> Vec<Hash> {
        list.iter().map(|text| hex::decode(text).unwrap().try_into().unwrap()).collect()
    }

    #[test]
    fn roots_are_those_of_the_published_vectors() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(Frontier::new().root()), empty);
        for (index, published) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(root(&leaves(index + 1))), *published);
        }
    }

    #[test]
    fn inclusion_proofs_are_those_of_the_published_vectors() {
        let cases: [(u64, usize, &[&str]); 5] = [
            (0, 1, &[]),
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (position, size, published) in cases {
            let proof = inclusion_proof(&leaves(size), position).unwrap();
            assert_eq!(proof, hashes(published));
        }
    }

    #[test]
    fn consistency_proofs_are_those_of_the_published_vectors() {
        let cases: [(u64, usize, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (older, size, published) in cases {
            assert_eq!(consistency_proof(&leaves(size), older).unwrap(), hashes(published));
        }
    }

    #[test]
    fn every_proof_verifies_and_no_altered_one_does() {
        let all: Vec<Hash> = (0..40u8).map(|n| leaf_hash(&[n])).collect();
        for size in 1..=all.len() {
            let (tree, now) = (&all[..size], root(&all[..size]));
            for position in 0..size as u64 {
                let proof = inclusion_proof(tree, position).unwrap();
                let leaf = tree[position as usize];
                assert!(verify_inclusion(&leaf, position, size as u64, &proof, &now));
                assert!(!verify_inclusion(&leaf, position + 1, size as u64, &proof, &now) || size == 1);
                assert!(!verify_inclusion(&leaf_hash(b"x"), position, size as u64, &proof, &now));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_inclusion(&leaf, position, size as u64, shorter, &now));
                }
            }
            for older in 1..=size {
                let (before, proof) = (root(&all[..older]), consistency_proof(tree, older as u64).unwrap());
                assert!(verify_consistency(older as u64, size as u64, &before, &now, &proof));
                let forged = leaf_hash(b"forged");
                assert!(!verify_consistency(older as u64, size as u64, &forged, &now, &proof));
                assert!(!verify_consistency(older as u64, size as u64, &before, &forged, &proof));
            }
        }
    }

    #[test]
    fn a_frontier_survives_being_written_down() {
        let mut frontier = Frontier::new();
        for n in 0..100u8 {
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).as_ref(), Some(&frontier));
            frontier.push(leaf_hash(&[n]));
        }
        assert_eq!(Frontier::from_bytes(&[0; 7]), None);
        assert_eq!(Frontier::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 1]), None);
    }
}

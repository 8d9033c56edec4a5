//! Mistakes in a mapping file, shown where they stand.

use crate::document::{Entry, Node, Place, SyntaxError};

/// One mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {reason}", place.line, place.column)]
pub struct MappingError {
    /// Where it stands; the default place when it concerns the whole file.
    pub place: Place,
    /// What is wrong.
    pub reason: String,
}

impl From<SyntaxError> for MappingError {
    fn from(error: SyntaxError) -> MappingError {
        MappingError { place: error.place, reason: error.text }
    }
}

/// A mistake at this node.
pub(super) fn mistake(node: &Node, reason: impl Into<String>) -> MappingError {
    MappingError { place: node.place, reason: reason.into() }
}

/// The entries of a table; anything else but no value is a mistake.
pub(super) fn entries(node: &Node) -> Result<&[Entry], MappingError> {
    node.entries().ok_or_else(|| mistake(node, "a mapping (`key: value`) is expected here"))
}

/// Refuses names that are not among `known`, naming the nearest.
pub(super) fn only(node: &Node, known: &[&str], errors: &mut Vec<MappingError>) {
    for entry in node.entries().unwrap_or_default() {
        if !known.contains(&entry.name.as_str()) {
            let nearest = known.iter().min_by_key(|name| strsim::damerau_levenshtein(name, &entry.name));
            let hint = nearest.map_or_else(String::new, |name| format!("; the nearest is `{name}`"));
            let reason = format!("`{}` is not known here{hint}", entry.name);
            errors.push(MappingError { place: entry.place, reason });
        }
    }
}

/// The entries of a section that may be absent; a section that is no table is a mistake, and counts as empty.
pub(super) fn section<'n>(node: Option<&'n Node>, errors: &mut Vec<MappingError>) -> &'n [Entry] {
    match node.map(entries) {
        Some(Ok(entries)) => entries,
        Some(Err(error)) => {
            errors.push(error);
            &[]
        }
        None => &[],
    }
}

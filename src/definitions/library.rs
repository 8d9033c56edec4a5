//! Definitions that were given from outside the pack: by canonical, newest version first.

use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// One definition and where it came from.
#[derive(Debug)]
pub struct Artefact {
    /// The resource type, such as `ValueSet`.
    pub resource_type: String,
    /// The canonical, without the version.
    pub url: String,
    /// The version, when it states one.
    pub version: Option<String>,
    /// The resource.
    pub body: Value,
    /// The file, and the place in it, that it was read from.
    pub origin: String,
}

impl Artefact {
    /// The canonical with its version, for messages.
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }
}

/// Parts a canonical reference into the canonical and the version; a fragment is left out.
pub fn split_canonical(reference: &str) -> (&str, Option<&str>) {
    let whole = reference.split_once('#').map_or(reference, |(whole, _)| whole);
    match whole.split_once('|') {
        Some((url, version)) if !version.is_empty() => (url, Some(version)),
        Some((url, _)) => (url, None),
        None => (whole, None),
    }
}

/// Orders versions: numbers by value, a release after its pre-releases, no version first.
pub fn compare_versions(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return a.is_some().cmp(&b.is_some()) };
    let parts = |version: &str| -> (Vec<String>, Option<String>) {
        let (core, label) = match version.split_once('-') {
            // A date such as 2018-08-12 has no label.
            Some((core, label)) if !label.starts_with(|c: char| c.is_ascii_digit()) => (core, Some(label)),
            _ => (version, None),
        };
        (core.split(['.', '-']).map(str::to_owned).collect(), label.map(str::to_owned))
    };
    let ((a, a_label), (b, b_label)) = (parts(a), parts(b));
    for i in 0..a.len().max(b.len()) {
        let part = |list: &[String]| list.get(i).cloned().unwrap_or_default();
        let (x, y) = (part(&a), part(&b));
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(&y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    match (a_label, b_label) {
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (a, b) => a.cmp(&b),
    }
}

/// Whether a definition of version `has` answers a reference to version `wanted`: the same, or `4.0` for `4.0.1`.
pub fn version_answers(has: Option<&str>, wanted: &str) -> bool {
    let Some(has) = has else { return false };
    has == wanted || has.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

/// The definitions given.
#[derive(Debug, Default)]
pub struct Library {
    by_url: super::Table<String, Vec<Arc<Artefact>>>,
    in_order: Vec<Arc<Artefact>>,
}

impl Library {
    /// Adds a definition; answers the one of the same type, canonical and version that was there before (it stays).
    pub fn add(&mut self, artefact: Artefact) -> Option<Arc<Artefact>> {
        let versions = self.by_url.entry(artefact.url.clone()).or_default();
        let same = versions
            .iter()
            .find(|known| known.version == artefact.version && known.resource_type == artefact.resource_type);
        if let Some(same) = same {
            return Some(Arc::clone(same));
        }
        let artefact = Arc::new(artefact);
        let newer = |known: &Arc<Artefact>| {
            compare_versions(known.version.as_deref(), artefact.version.as_deref()) != Ordering::Less
        };
        let at = versions.iter().take_while(|known| newer(known)).count();
        versions.insert(at, Arc::clone(&artefact));
        self.in_order.push(artefact);
        None
    }

    /// The definition of this canonical: of the version when one is given, else the newest.
    pub fn find(&self, url: &str, version: Option<&str>) -> Option<&Arc<Artefact>> {
        let versions = self.by_url.get(url)?;
        match version {
            None => versions.first(),
            Some(wanted) => versions
                .iter()
                .find(|known| known.version.as_deref() == Some(wanted))
                .or_else(|| versions.iter().find(|known| version_answers(known.version.as_deref(), wanted))),
        }
    }

    /// All definitions, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Artefact>> {
        self.in_order.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_versions() {
        let order = ["1.0.0-ballot", "1.0.0", "1.2", "1.10.0", "4.0.1", "2018-08-12", "20210331"];
        for pair in order.windows(2) {
            assert_eq!(compare_versions(Some(pair[0]), Some(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare_versions(None, Some("1")), Ordering::Less);
        assert!(version_answers(Some("4.0.1"), "4.0"));
        assert!(!version_answers(Some("4.01"), "4.0"));
    }

    #[test]
    fn parts_canonicals() {
        assert_eq!(split_canonical("http://a/b|1.0"), ("http://a/b", Some("1.0")));
        assert_eq!(split_canonical("http://a/b#frag"), ("http://a/b", None));
        assert_eq!(split_canonical("http://a/b|"), ("http://a/b", None));
    }
}

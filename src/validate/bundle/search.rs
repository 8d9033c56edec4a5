//! Search results.

use crate::fhir::tree::NodeId;
use crate::validate::rules;
use crate::validate::walk::Walk;

/// Checks the entries of a searchset.
pub(super) fn check(walk: &mut Walk<'_>, bundle: NodeId, entries: &[NodeId]) {
    let tree = walk.tree;
    let own = tree.named(bundle, "link").find(|link| tree.child_value(*link, "relation") == Some("self"));
    if own.is_none() {
        walk.warning(rules::BUNDLE_SEARCH, bundle, || "a searchset should have a link `self`".into());
    }
    let types =
        own.and_then(|link| tree.child_value(link, "url")).map(|url| searched(walk, url)).unwrap_or_default();
    let mode =
        |entry: NodeId| tree.child(entry, "search").and_then(|search| tree.child_value(search, "mode"));
    let some = entries.iter().any(|entry| mode(*entry).is_some());
    for entry in entries {
        let Some(resource) = tree.child(*entry, "resource") else {
            walk.error(rules::BUNDLE_RESOURCE, *entry, || {
                "an entry of a searchset must hold a resource".into()
            });
            continue;
        };
        let name = tree.resource_type(resource).unwrap_or("");
        let outcome = name == "OperationOutcome";
        let has_id = tree.child(resource, "id").is_some();
        let is_searched = types.is_empty() || types.iter().any(|one| one == name);
        match mode(*entry) {
            Some("match") => {
                if !has_id {
                    walk.error(rules::BUNDLE_SEARCH, resource, || {
                        "a resource that was found must have an id".into()
                    });
                }
                if !is_searched {
                    walk.error(rules::BUNDLE_SEARCH, resource, || {
                        format!(
                            "`{name}` is not one of the types that were searched: `{}`",
                            types.join("`, `")
                        )
                    });
                }
            }
            Some("include") => {
                if !has_id {
                    walk.error(rules::BUNDLE_SEARCH, resource, || {
                        "a resource that was included must have an id".into()
                    });
                }
            }
            Some(_) => {
                if !outcome {
                    walk.error(rules::BUNDLE_SEARCH, resource, || {
                        "the outcome of a search must be an `OperationOutcome`".into()
                    });
                }
            }
            None => {
                if some {
                    walk.warning(rules::BUNDLE_SEARCH, *entry, || {
                        "an entry of a searchset should have a `search.mode`".into()
                    });
                }
                if !has_id && !outcome {
                    walk.warning(rules::BUNDLE_SEARCH, resource, || {
                        "a resource that was found should have an id".into()
                    });
                }
                if !is_searched && !outcome {
                    walk.warning(rules::BUNDLE_SEARCH, resource, || {
                        format!("`{name}` is not one of the types that were searched, and there is no `search.mode`")
                    });
                }
            }
        }
    }
}

/// The types that a search URL asks for.
fn searched(walk: &Walk<'_>, url: &str) -> Vec<String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let last = if last == "_search" {
        path.trim_end_matches("/_search").rsplit('/').next().unwrap_or("")
    } else {
        last
    };
    if walk.core.definitions.is_resource_type(last) {
        return vec![last.to_owned()];
    }
    let types = query.split('&').filter_map(|part| part.strip_prefix("_type="));
    types.flat_map(|list| list.split(',')).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

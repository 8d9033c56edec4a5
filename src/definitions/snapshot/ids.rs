//! The ids of elements, where authors left them out.

use serde_json::{Map, Value};

/// The segments of an element id: name and slice.
pub(super) fn segments(id: &str) -> Vec<(&str, Option<&str>)> {
    id.split('.')
        .map(|segment| match segment.split_once(':') {
            Some((name, slice)) => (name, Some(slice)),
            None => (segment, None),
        })
        .collect()
}

/// The elements, each with an id that agrees with its path and slice name: the one written, or one made of the path
/// and of the slices that the elements before it opened.
pub(super) fn with_ids(elements: &[Value]) -> Vec<Value> {
    let mut open: Vec<String> = Vec::new();
    let mut out = Vec::with_capacity(elements.len());
    for element in elements {
        let Value::Object(map) = element else { continue };
        let path = map.get("path").and_then(Value::as_str).unwrap_or_default();
        let slice = map.get("sliceName").and_then(Value::as_str);
        let written = map.get("id").and_then(Value::as_str).filter(|id| agrees(id, path, slice));
        let id = written.map_or_else(|| made(&open, path, slice), str::to_owned);
        open = id.split('.').map(str::to_owned).collect();
        if written.is_some() {
            out.push(element.clone());
        } else {
            let mut copy = Map::with_capacity(map.len() + 1);
            copy.insert("id".to_owned(), Value::String(id));
            copy.extend(
                map.iter()
                    .filter(|(name, _)| *name != "id")
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
            out.push(Value::Object(copy));
        }
    }
    out
}

fn agrees(id: &str, path: &str, slice: Option<&str>) -> bool {
    let parts = segments(id);
    let mut names = path.split('.');
    let matching = parts.iter().all(|(name, slice)| {
        names.next().is_some_and(|path| {
            // A choice may be named `value[x]:valueString` in the id and `valueString` in the path.
            *name == path || name.ends_with("[x]") && *slice == Some(path)
        })
    });
    let last = parts.last().and_then(|(_, slice)| *slice);
    matching && names.next().is_none() && (slice.is_none() || last == slice || last.is_some())
}

fn made(open: &[String], path: &str, slice: Option<&str>) -> String {
    let names: Vec<&str> = path.split('.').collect();
    let mut id = String::new();
    let mut following = true;
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            id.push('.');
        }
        let last = at + 1 == names.len();
        let opened = open.get(at).filter(|segment| {
            following && !last && segment.split(':').next().is_some_and(|opened| opened == *name)
        });
        match opened {
            Some(segment) => id.push_str(segment),
            None => {
                following = false;
                id.push_str(name);
            }
        }
    }
    if let Some(slice) = slice {
        id.push(':');
        id.push_str(slice);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn makes_ids_of_paths_and_open_slices() {
        let elements = json!([
            {"path": "Patient"},
            {"path": "Patient.name", "sliceName": "official"},
            {"path": "Patient.name.given"},
            {"path": "Patient.name", "sliceName": "usual", "id": "wrong"},
            {"path": "Patient.name.given", "id": "Patient.name:official.given"},
            {"path": "Patient.active"},
        ]);
        let out = with_ids(elements.as_array().unwrap());
        let ids: Vec<_> = out.iter().map(|element| element["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            [
                "Patient",
                "Patient.name:official",
                "Patient.name:official.given",
                "Patient.name:usual",
                "Patient.name:official.given",
                "Patient.active"
            ]
        );
    }
}

//! Tasks over FHIR: search, and settling by `PUT`. Reading one goes with the other resources.

use super::answer::ApiError;
use super::parameters::Pairs;
use crate::exchange::{Refusal, TaskQuery};

/// A search over Tasks by `code`, `status`, `owner` (an ODS code, with or without its system) and `overdue`.
pub(super) fn query(pairs: &Pairs) -> Result<(TaskQuery, Pairs), ApiError> {
    let mut query = TaskQuery::default();
    let mut used = Pairs::new();
    for (name, value) in pairs {
        let code = || Some(value.rsplit('|').next().unwrap_or_default().to_owned());
        match name.as_str() {
            "code" => query.code = code(),
            "status" => query.status = code(),
            "owner" | "owner:identifier" | "owner.identifier" => query.owner = code(),
            "overdue" => match value.as_str() {
                "true" => query.overdue = Some(true),
                "false" => query.overdue = Some(false),
                _ => {
                    let text = "`overdue` must be `true` or `false`".to_owned();
                    return Err(Refusal::Malformed { text }.into());
                }
            },
            _ => continue,
        }
        used.push((name.clone(), value.clone()));
    }
    Ok((query, used))
}

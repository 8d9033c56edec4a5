//! `sgw audit access`: who saw what about one patient, for the process of a subject's request.

use super::super::say;
use super::Form;
use crate::exchange::accesses;
use crate::oversight::letter;
use crate::store::SharedStore;

/// Prints every access, the oldest first.
pub(super) async fn run(store: &SharedStore, patient: &str, form: Form) -> Result<bool, String> {
    let found = accesses(store, patient).await.map_err(|error| error.to_string())?;
    match form {
        Form::Letter => say(letter(&found).trim_end()),
        Form::Json => say(&serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?),
        Form::Text => {
            say("when\twhat was done\tby or to\twhat\tpurpose\tauthority\toutcome\trecord");
            for access in &found {
                let crate::oversight::Access { when, act, who, what, purpose, authority, outcome, record } =
                    access;
                say(&format!("{when}\t{act}\t{who}\t{what}\t{purpose}\t{authority}\t{outcome}\t{record}"));
            }
            say(&format!("{} accesses", found.len()));
        }
    }
    Ok(true)
}

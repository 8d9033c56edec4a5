//! Making "there is no such record" and "you may not have it" take the same time.
//!
//! The work is the same: where there is no record, the rules are run on a resource that nobody has. And the answer is
//! held back until the next of evenly spaced moments after the question, so that what is left of a difference does not
//! show.

use super::Exchange;
use super::facts::{Known, facts};
use super::refusal::Refusal;
use crate::audit::{self, Act, Party, Target};
use crate::fhir::{origin, systems};
use crate::govern::{Caller, Request, decide};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The space between the moments at which "not found" is answered: longer than the work behind it takes.
const SPACE: Duration = Duration::from_millis(25);

/// Waits for the next moment at which a question that began then may be answered with "not found".
pub(super) async fn even_out(begun: Instant) {
    sleep_until(begun + next_moment(begun.elapsed())).await;
}

/// The first of the evenly spaced moments after this much work.
fn next_moment(work: Duration) -> Duration {
    let spaces = work.as_micros() / SPACE.as_micros() + 1;
    SPACE * u32::try_from(spaces).unwrap_or(u32::MAX)
}

/// A Flag of nobody, of the usual size.
fn nobodys() -> &'static Value {
    static FLAG: OnceLock<Value> = OnceLock::new();
    FLAG.get_or_init(|| {
        let own = |kind: &str, code: &str| {
            json!({"system": systems::canonical(&format!("CodeSystem/{kind}")), "code": code})
        };
        json!({"resourceType": "Flag", "id": "nobody",
            "meta": {"source": origin::stamp("", ""), "security":
                [{"system": systems::CONFIDENTIALITY, "code": "V"}]},
            "extension": [{"url": systems::canonical("StructureDefinition/lawful-basis"),
                "valueCoding": own("lawful-basis", "gdpr-6-1-e")}],
            "status": "inactive",
            "category": [{"coding": [own("concern-category", "other-safeguarding")]}],
            "code": {"text": "nobody"},
            "subject": {"display": "nobody"}})
    })
}

impl Exchange {
    /// Does for a record that is not there what would be done for one that is; nothing comes of it.
    pub(super) async fn as_if_there(
        &self,
        caller: &Caller,
        purpose: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let known = Known::of(&self.store.facts_for("nobody").await?)?;
        let _nobody = self.store.read("Flag", "nobody").await?;
        let consents = known.consents();
        let policy = self.policy.load_full();
        let resource: Value = serde_json::from_str(&nobodys().to_string()).unwrap_or_default();
        let facts = facts(&resource, "Flag", "nobody", 1, known.patient(), &consents);
        let decision = decide(&policy, &Request::read(caller, purpose), &facts, now);
        let act = Act::Read {
            caller: Party::from(caller),
            target: Target::resource("Flag", "nobody"),
            patient: None,
            purpose,
            decision: Some(&decision),
        };
        std::hint::black_box(audit::record(&act, &self.gateway, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_at_evenly_spaced_moments() {
        for (work, answered) in [(0, 25), (1, 25), (24, 25), (25, 50), (26, 50), (80, 100)] {
            assert_eq!(next_moment(Duration::from_millis(work)).as_millis(), answered, "{work} ms of work");
        }
    }
}

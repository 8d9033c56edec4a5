//! `decide`: pure, total, default deny; an error is a deny.

use super::agreement::{AgreementStatus, ConsentConflict, ConsentRule};
use super::consent::{self, Say};
use super::decision::{ConsentReference, Decision, Outcome, PolicyReference, Reason, ReasonCode};
use super::facts::{Facts, Reading};
use super::matching::Asked;
use super::partner::{Partner, PartnerKind, Role};
use super::permit::{Grant, Permit};
use super::policy::{CompiledTerm, Policy, day};
use super::purpose;
use super::request::{Action, Recipient, Request};
use super::task::Task;
use super::term::{self, Stand};
use super::tier;
use jiff::Timestamp;
use std::sync::Arc;

/// Decides one request on these facts at this moment.
///
/// Total: every input has an answer, and everything that is not expressly permitted, or cannot be evaluated, is
/// withheld (or, at intake, quarantined). The answer depends on nothing but the arguments.
pub fn decide(policy: &Policy, request: &Request, facts: &Facts, now: Timestamp) -> Decision {
    let reading = Reading::of(facts);
    let mut decision = Decision {
        outcome: Outcome::Withhold,
        reasons: Vec::new(),
        contributed: Vec::new(),
        consents: Vec::new(),
        tier: reading.tier,
        categories: reading.categories.clone(),
        lawful_bases: term::bases_in_force(policy, &reading, day(now)),
        purpose: request.purpose.to_owned(),
        policy_version: policy.version().to_owned(),
        overrode_dissent: None,
        break_glass: false,
        rationale: String::new(),
    };
    let granted = match (request.action, request.recipient) {
        (Action::Hold, Recipient::Gateway) => hold(&reading, facts, &mut decision),
        (Action::Notify, Recipient::Partner(partner)) => {
            share(policy, request, facts, &reading, Some(partner), now, &mut decision)
        }
        (Action::Read, Recipient::Caller(_)) => read(policy, request, facts, &reading, now, &mut decision),
        _ => Err(ReasonCode::EvaluationError.into()),
    };
    match granted {
        Ok(grant) => {
            decision.rationale = term::rationale(&grant, &decision, facts, request);
            decision.outcome = Outcome::Permit(Permit::new(grant, request, facts, &reading, policy, now));
        }
        Err(reasons) => {
            decision.reasons = reasons.0;
            if request.action == Action::Hold {
                decision.outcome = Outcome::Quarantine;
            }
            decision.rationale = term::refusal(&decision, request);
        }
    }
    decision
}

/// Why not.
pub(crate) struct Refused(Vec<Reason>);

impl From<ReasonCode> for Refused {
    fn from(code: ReasonCode) -> Refused {
        Refused(vec![code.into()])
    }
}

/// At intake: categories must be defined, and a lawful basis given, before anything else happens.
fn hold(reading: &Reading, facts: &Facts, decision: &mut Decision) -> Result<Grant, Refused> {
    decision.contributed.push(PolicyReference::Rule("intake"));
    if facts.resource_type != "Flag" {
        return Ok(Grant::Whole("intake"));
    }
    let mut reasons: Vec<Reason> = Vec::new();
    if reading.categories_undefined {
        reasons.push(ReasonCode::CategoryNotCovered.into());
    }
    if reading.tier.is_none() && !reading.categories_undefined {
        reasons.push(ReasonCode::TierNotCovered.into());
    }
    if decision.lawful_bases.is_empty() {
        reasons.push(ReasonCode::LawfulBasisMissing.into());
    }
    if reasons.is_empty() { Ok(Grant::Whole("intake")) } else { Err(Refused(reasons)) }
}

/// A read: the organisation's own records, audit records for auditors, else as an agreement lets it.
fn read(
    policy: &Policy,
    request: &Request,
    facts: &Facts,
    reading: &Reading,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Grant, Refused> {
    let Recipient::Caller(caller) = request.recipient else { return Err(ReasonCode::EvaluationError.into()) };
    if facts.resource_type == "AuditEvent" {
        return if caller.has(Role::Auditor) {
            decision.contributed.push(PolicyReference::Rule("auditor"));
            Ok(Grant::Whole("auditor"))
        } else {
            Err(ReasonCode::NotShareable.into())
        };
    }
    if facts.resource_type == "Task" && (caller.has(Role::Operator) || caller.has(Role::Auditor)) {
        decision.contributed.push(PolicyReference::Rule("oversight"));
        return Ok(Grant::Whole("oversight"));
    }
    let takes_part = caller.has(Role::Source) || caller.has(Role::Subscriber);
    if caller.organisation.is_empty() || !takes_part {
        return Err(ReasonCode::RecipientUnknown.into());
    }
    if facts.resource_type == "Task" {
        return owned_task(&caller.organisation, facts, decision);
    }
    if caller.has(Role::Source) && caller.organisation == facts.source_organisation {
        decision.contributed.push(PolicyReference::Rule("own-record"));
        return Ok(Grant::Whole("own-record"));
    }
    if !caller.has(Role::Subscriber) {
        return Err(ReasonCode::NotShareable.into());
    }
    share(policy, request, facts, reading, policy.partner_of(&caller.organisation), now, decision)
}

/// A Task is for its owner alone.
fn owned_task(organisation: &str, facts: &Facts, decision: &mut Decision) -> Result<Grant, Refused> {
    if organisation.is_empty() || Task::of(facts.resource).owner() != organisation {
        return Err(ReasonCode::NotShareable.into());
    }
    decision.contributed.push(PolicyReference::Rule("task-owner"));
    Ok(Grant::Whole("task-owner"))
}

/// Sharing with another organisation, under an agreement.
fn share(
    policy: &Policy,
    request: &Request,
    facts: &Facts,
    reading: &Reading,
    partner: Option<&Partner>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Grant, Refused> {
    let Some(partner) = partner.filter(|partner| !partner.organisation.is_empty()) else {
        return Err(ReasonCode::RecipientUnknown.into());
    };
    if partner.suspended {
        return Err(ReasonCode::RecipientSuspended.into());
    }
    if !purpose::is_known(request.purpose) {
        return Err(ReasonCode::PurposeNotPermitted.into());
    }
    if facts.resource_type == "Task" {
        // What a Task says of an emergency or a dispute must not be seen where the patient's household looks.
        let seen = !partner.visible_to.is_empty() || partner.kind == PartnerKind::PatientPortal;
        return if seen {
            Err(ReasonCode::TipOffRisk.into())
        } else {
            owned_task(&partner.organisation, facts, decision)
        };
    }
    if tips_off(partner, reading) {
        decision.contributed.push(PolicyReference::Rule("tip-off-protection"));
        return Err(ReasonCode::TipOffRisk.into());
    }
    let stand = Stand { policy, facts, reading, purpose: request.purpose, today: day(now) };
    let mut furthest = 0;
    let mut reasons: Vec<Reason> = Vec::new();
    let mut refusing: Vec<PolicyReference> = Vec::new();
    let mut found: Option<&Arc<CompiledTerm>> = None;
    for candidate in policy.terms_for(&partner.organisation) {
        match stand.test(candidate) {
            Ok(()) if found.is_some() => return Err(ReasonCode::EvaluationError.into()),
            Ok(()) => found = Some(candidate),
            Err((rank, code)) => {
                if rank > furthest {
                    furthest = rank;
                    reasons.clear();
                    refusing.clear();
                }
                if rank == furthest {
                    if !reasons.iter().any(|reason| reason.code == code) {
                        reasons.push(code.into());
                    }
                    refusing.push(term::reference(candidate));
                }
            }
        }
    }
    let Some(term) = found else {
        if furthest > 1 {
            decision.contributed.extend(refusing);
        } else if reasons.is_empty() {
            reasons.push(ReasonCode::NoAgreement.into());
        }
        return Err(Refused(reasons));
    };
    decision.contributed.push(term::reference(term));
    let emergency = term::emergency_accepted(term, request, now);
    decision.break_glass = emergency && (term::labels_refused(term, reading));
    if term::labels_refused(term, reading) && !emergency {
        return Err(ReasonCode::LabelNotCleared.into());
    }
    consents(policy, request, facts, reading, partner, term, now, emergency, decision)?;
    Ok(Grant::Term(Arc::clone(term)))
}

/// Whether the person alleged to cause harm could learn of it through this partner.
fn tips_off(partner: &Partner, reading: &Reading) -> bool {
    let sensitive = reading.labels.no_patient
        || reading.labels.sensitivities.contains(&"TIPOFF")
        || !reading.alleged.is_empty()
        || reading.categories.iter().any(|code| tier::is_tip_off_sensitive(code));
    let seen = !partner.visible_to.is_empty() || partner.kind == PartnerKind::PatientPortal;
    let named = reading.alleged.iter().any(|alleged| {
        partner.organisation.eq_ignore_ascii_case(alleged)
            || partner.people.iter().chain(&partner.references).any(|known| known == alleged)
    });
    named || (seen && sensitive)
}

#[expect(clippy::too_many_arguments, reason = "the facts of one decision, read once each")]
fn consents(
    policy: &Policy,
    request: &Request,
    facts: &Facts,
    reading: &Reading,
    partner: &Partner,
    term: &CompiledTerm,
    now: Timestamp,
    emergency: bool,
    decision: &mut Decision,
) -> Result<(), Refused> {
    let asked = Asked {
        organisation: &partner.organisation,
        references: &partner.references,
        purpose: request.purpose,
        action: match request.action {
            Action::Hold => ("collect", ""),
            Action::Notify => ("disclose", "access"),
            Action::Read => ("access", "disclose"),
        },
        resource: facts.resource,
        resource_type: facts.resource_type,
        id: facts.id,
        patient: facts.patient,
        labels: &reading.labels,
        confidentiality: reading.confidentiality.or(Some(term::assumed(reading.tier))),
        now,
    };
    let mut speaking = Vec::new();
    for stored in facts.consents {
        match consent::evaluate(stored.resource, &asked) {
            Say::Foreign => return Err(ReasonCode::EvaluationError.into()),
            Say::Silent => {}
            said => speaking.push((stored, said, consent::given(stored.resource, said))),
        }
    }
    let last = speaking.iter().map(|(_, _, given)| *given).max();
    let (mut permits, mut denies) = (false, false);
    for (stored, said, given) in speaking {
        let superseded =
            term.written.consent_conflict == ConsentConflict::Newest && last.is_some_and(|last| given < last);
        let overdue = consent::review_overdue(stored.resource, now);
        let doubted = overdue && term.overdue_consent_withholds;
        denies |= !superseded && (said == Say::Deny || doubted);
        permits |= !superseded && said == Say::Permit && !doubted;
        decision.consents.push(ConsentReference {
            id: stored.id.to_owned(),
            version: stored.version,
            said,
            overridden: false,
            superseded,
            review_overdue: overdue,
        });
    }
    if denies {
        let overriding = (term.consent == ConsentRule::StatutoryOverride)
            .then(|| {
                let bases = decision.lawful_bases.iter().filter(|code| term.accept.contains(code));
                bases.filter_map(|code| policy.register().get(code)).find(|basis| basis.overrides_dissent)
            })
            .flatten()
            .map(|basis| basis.code.clone());
        if overriding.is_none() && !emergency {
            return Err(ReasonCode::ConsentDissent.into());
        }
        decision.break_glass |= overriding.is_none();
        for consent in decision.consents.iter_mut().filter(|consent| !consent.superseded) {
            consent.overridden = consent.said == Say::Deny || consent.review_overdue;
        }
        decision.overrode_dissent = overriding;
    }
    let needed = || {
        term.consent == ConsentRule::Required
            || (facts.resource_type == "Flag"
                && !term::supported(policy, term, &decision.lawful_bases, false))
    };
    if !permits && needed() {
        if !emergency {
            return Err(ReasonCode::ConsentMissing.into());
        }
        decision.break_glass = true;
    }
    Ok(())
}

/// Whether the term's agreement permits anything on this day.
pub(crate) fn in_force(term: &CompiledTerm, today: jiff::civil::Date) -> Result<(), ReasonCode> {
    let dated = term.from <= today && term.until.is_none_or(|until| today <= until);
    if term.status != AgreementStatus::InForce || !dated {
        return Err(ReasonCode::AgreementNotInForce);
    }
    if term.review_due < today {
        return Err(ReasonCode::AgreementReviewOverdue);
    }
    Ok(())
}

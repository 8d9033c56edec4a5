//! `sgw decide`: what would happen to a resource, and why; and what a changed set of agreements would change.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::config::Registry;
use crate::govern::{Decision, Facts, Policy, PolicyReference, Request, Say, StoredConsent, decide};
use jiff::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Says, for every partner, whether it would be told of a resource, by which agreement, and what it would have.
#[derive(clap::Args)]
pub struct Args {
    /// The resource: a file with a Flag or a Consent.
    resource: PathBuf,
    /// The folder with the agreements.
    #[arg(long)]
    agreements: PathBuf,
    /// The registry with the partners.
    #[arg(long)]
    registry: PathBuf,
    /// The organisation (ODS code) whose source sent it.
    #[arg(long)]
    source: String,
    /// Files with the patient's Consents.
    #[arg(long)]
    consent: Vec<PathBuf>,
    /// A file with the Patient.
    #[arg(long)]
    patient: Option<PathBuf>,
    /// Only this partner.
    #[arg(long)]
    partner: Option<String>,
    /// The purpose, instead of the one each partner is registered with.
    #[arg(long)]
    purpose: Option<String>,
    /// The moment, instead of now.
    #[arg(long)]
    at: Option<Timestamp>,
    /// Print the whole explanation, and the copy that would leave.
    #[arg(long)]
    explain: bool,
    /// Another folder of agreements: print only where it decides otherwise.
    #[arg(long, value_name = "FOLDER")]
    diff: Option<PathBuf>,
}

/// Runs `sgw decide`. Exit codes: 0 some partner would be told (with `--diff`: nothing changes), 1 none would
/// (something changes), 2 a file cannot be read.
pub fn run(args: Args) -> ExitCode {
    match answer(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ANSWER_IS_NO),
        Err(text) => {
            complain(&text);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let failed = |reason: String| format!("`{}`: {reason}", path.display());
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    crate::fhir::json::parse(&text, &crate::fhir::json::Limits::default()).map_err(|e| failed(e.to_string()))
}

fn policy(folder: &Path, registry: &Path) -> Result<Policy, String> {
    let partners = Registry::load(registry).map_err(|error| error.to_string())?.partners;
    Policy::load(folder, partners)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn answer(args: &Args) -> Result<bool, String> {
    let resource = read(&args.resource)?;
    let patient = args.patient.as_deref().map(read).transpose()?;
    let consents: Vec<Value> = args.consent.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let id = |value: &Value| value.get("id").and_then(Value::as_str).unwrap_or("unnamed").to_owned();
    let ids: Vec<String> = consents.iter().map(&id).collect();
    let stored: Vec<StoredConsent> =
        ids.iter().zip(&consents).map(|(id, resource)| StoredConsent { id, version: 1, resource }).collect();
    let resource_id = id(&resource);
    let facts = Facts {
        resource: &resource,
        resource_type: resource.get("resourceType").and_then(Value::as_str).unwrap_or_default(),
        id: &resource_id,
        version: 1,
        source_organisation: &args.source,
        patient: patient.as_ref(),
        consents: &stored,
    };
    let now = args.at.unwrap_or_else(Timestamp::now);
    let current = policy(&args.agreements, &args.registry)?;
    let next = args.diff.as_deref().map(|folder| policy(folder, &args.registry)).transpose()?;
    let mut answer = next.is_some();
    for partner in current.partners() {
        if args.partner.as_ref().is_some_and(|only| *only != partner.id) {
            continue;
        }
        let mut request = Request::notify(partner);
        request.purpose = args.purpose.as_deref().unwrap_or(request.purpose);
        let decision = decide(&current, &request, &facts, now);
        match &next {
            None => {
                answer |= decision.permit().is_some();
                tell(&partner.id, &decision);
                if args.explain {
                    explain(&decision, &facts, now);
                }
            }
            Some(next) => {
                let changed = decide(next, &request, &facts, now);
                if line(&decision) != line(&changed) {
                    answer = false;
                    say(&format!("- {}: {}", partner.id, line(&decision)));
                    say(&format!("+ {}: {}", partner.id, line(&changed)));
                }
            }
        }
    }
    Ok(answer)
}

fn line(decision: &Decision) -> String {
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.code()).collect();
    let obligations = decision.permit().map(|permit| permit.obligations().join(", ")).unwrap_or_default();
    format!("{} {}{obligations}", decision.outcome.code(), reasons.join(", "))
}

fn tell(partner: &str, decision: &Decision) {
    say(&format!("{partner}: {}. {}", decision.outcome.code(), decision.rationale));
}

fn explain(decision: &Decision, facts: &Facts, now: Timestamp) {
    say(&format!(
        "  policy {}; tier {}",
        decision.policy_version,
        decision.tier.map_or("none", |t| t.code())
    ));
    for reason in &decision.reasons {
        say(&format!("  reason {}: {}", reason.code.code(), reason.text));
    }
    for policy in &decision.contributed {
        match policy {
            PolicyReference::Agreement { id, version, term } => {
                say(&format!("  agreement {id} version {version}, term {term}"));
            }
            PolicyReference::Rule(rule) => say(&format!("  rule {rule}")),
        }
    }
    for consent in &decision.consents {
        let said = match consent.said {
            Say::Permit => "permits",
            Say::Deny => "denies",
            Say::Silent | Say::Foreign => "says nothing",
        };
        let overridden = if consent.overridden { ", overridden" } else { "" };
        let overdue = if consent.review_overdue { ", review overdue" } else { "" };
        say(&format!("  consent {} version {} {said}{overridden}{overdue}", consent.id, consent.version));
    }
    if let Some(permit) = decision.permit() {
        say(&format!("  obligations: {}", permit.obligations().join(", ")));
        match permit.release(facts, now) {
            Ok(released) => say(&format!("  copy: {}", released.resource)),
            Err(error) => say(&format!("  no copy: {error}")),
        }
    }
}

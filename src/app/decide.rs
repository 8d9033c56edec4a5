//! `sgw decide`: what would happen to a resource, and why; and what a changed set of agreements would change.

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use crate::config::Registry;
use crate::exchange::{Access, Difference, compare};
use crate::govern::{Decision, Facts, Policy, PolicyReference, Request, Say, StoredConsent, decide};
use crate::store::{SqliteStore, Store};
use jiff::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Says, for every partner, whether it would be told of a resource, by which agreement, and what it would have.
#[derive(clap::Args)]
pub struct Args {
    /// The resource: a file with a Flag or a Consent; left out to decide about everything in a database.
    #[arg(required_unless_present = "database")]
    resource: Option<PathBuf>,
    /// The folder with the agreements.
    #[arg(long, required_unless_present = "diff")]
    agreements: Option<PathBuf>,
    /// The registry with the partners.
    #[arg(long)]
    registry: PathBuf,
    /// The organisation (ODS code) whose source sent it.
    #[arg(long, required_unless_present = "database")]
    source: Option<String>,
    /// Decide about every Flag and Consent in this database, with the patients and Consents that it holds; it is only
    /// read, also while a gateway runs.
    #[arg(long, value_name = "FILE", requires = "diff", conflicts_with_all = ["resource", "source", "consent", "patient", "purpose", "explain"])]
    database: Option<PathBuf>,
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
    /// Two folders of agreements: print who would gain access, and who would lose it, under the new one.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "agreements")]
    diff: Option<Vec<PathBuf>>,
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
    let (agreements, next) = match (&args.agreements, args.diff.as_deref()) {
        (Some(folder), _) => (folder, None),
        (None, Some([old, new])) => (old, Some(new)),
        _ => return Err("`--agreements FOLDER` or `--diff OLD NEW` is needed".to_owned()),
    };
    let current = policy(agreements, &args.registry)?;
    let next = next.map(|folder| policy(folder, &args.registry)).transpose()?;
    let now = args.at.unwrap_or_else(Timestamp::now);
    if let (Some(database), Some(next)) = (&args.database, &next) {
        return recorded(database, &current, next, args.partner.as_deref(), now);
    }
    let (Some(resource), Some(source)) = (&args.resource, &args.source) else {
        return Err("a resource and its `--source` are needed".to_owned());
    };
    let resource = read(resource)?;
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
        source_organisation: source,
        patient: patient.as_ref(),
        consents: &stored,
    };
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

/// Compares two policies on everything that a database holds.
fn recorded(
    database: &Path,
    old: &Policy,
    new: &Policy,
    only: Option<&str>,
    now: Timestamp,
) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let compared = runtime.map_err(|error| error.to_string())?.block_on(async {
        let store = SqliteStore::open_read_only(database).await.map_err(|error| error.to_string())?;
        let compared = compare(&store, old, new, now).await.map_err(|error| error.to_string());
        store.close().await.map_err(|error| error.to_string())?;
        compared
    })?;
    let of = |access: Access| {
        let wanted = move |one: &&Difference| one.access == access && only.is_none_or(|id| one.partner == id);
        compared.differences.iter().filter(wanted)
    };
    for (access, sign) in [(Access::Gained, "+"), (Access::Lost, "-"), (Access::Otherwise, "~")] {
        for one in of(access) {
            say(&format!("{sign} {} {}: {} -> {}", one.partner, one.record, one.before, one.after));
        }
    }
    let count = |access| of(access).count();
    let (gained, lost, otherwise) = (count(Access::Gained), count(Access::Lost), count(Access::Otherwise));
    say(&format!(
        "{} records, {} decisions: {gained} gained, {lost} lost, {otherwise} permitted otherwise, {} withheld for other reasons",
        compared.records,
        compared.decisions,
        count(Access::StillNone)
    ));
    Ok(gained + lost + otherwise == 0)
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
        let overridden = match (consent.overridden, consent.superseded) {
            (true, _) => ", overridden",
            (false, true) => ", superseded",
            (false, false) => "",
        };
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

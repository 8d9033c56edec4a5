//! The parts of a pack, in the order in which they are read.

use super::pack::{Case, Cell, Gathered, Row, Section, Table};
use super::reception;
use super::tally::Tally;
use crate::govern::ReasonCode;

const OUTCOMES: [&str; 2] = ["permit", "withhold"];
/// Tables with this key count every sharing decision once: their totals are one number.
const DECISIONS: Option<&str> = Some("decisions");

pub(super) fn all(tally: &mut Tally) -> Vec<Section> {
    tally.deliveries.finish();
    vec![
        summary(tally),
        sharing(tally),
        withheld(tally),
        inconsistent(tally),
        disclosures(tally),
        deliveries(tally),
        emergencies(tally),
        waiting(tally),
        reception::intake(tally),
        reception::accesses(tally),
    ]
}

pub(super) fn take(tally: &mut Tally, name: &'static str) -> Gathered {
    tally.by.remove(name).unwrap_or_default()
}

fn cases(tally: &mut Tally, name: &'static str) -> Vec<Case> {
    tally.cases.remove(name).unwrap_or_default()
}

fn summary(tally: &mut Tally) -> Section {
    let permitted = tally.figures.remove("permitted").unwrap_or_default();
    let withheld = tally.figures.remove("withheld").unwrap_or_default();
    let disclosures = tally.figures.remove("disclosures").unwrap_or_default();
    let row = |label: &str, same: Option<&str>, records: Vec<String>| Row {
        labels: vec![label.to_owned()],
        cells: vec![Cell { same: same.map(str::to_owned), ..Cell::of(records) }],
    };
    let decisions = permitted.iter().chain(&withheld).cloned().collect();
    let rows = vec![
        row("sharing decisions", Some("decisions/all"), decisions),
        row("of these permitted", Some("decisions/permit"), permitted),
        row("of these withheld", Some("decisions/withhold"), withheld),
        row("disclosures", Some("disclosures/all"), disclosures),
    ];
    let key_figures = Table {
        id: "key-figures",
        title: "Key figures",
        heads: vec!["figure"],
        columns: vec!["number".to_owned()],
        sums: false,
        rows,
        total: None,
        cases: false,
    };
    let acts =
        take(tally, "acts").table("acts", "Records by kind of act", &["act"], &["records"], Some("acts"));
    Section {
        id: "summary",
        title: "In short",
        about: "A sharing decision is one answer to the question whether one organisation may have one version of one \
                record for one purpose; it is asked at intake and again at every send that is not permitted any more, \
                retry, replay and read. A disclosure is a copy that left.",
        tables: vec![key_figures, acts],
    }
}

fn sharing(tally: &mut Tally) -> Section {
    let mut table =
        |name, title, head: &'static str, key| take(tally, name).table(name, title, &[head], &OUTCOMES, key);
    Section {
        id: "sharing",
        title: "Sharing decisions",
        about: "By tier, category, lawful basis, organisation, purpose, agreement and occasion. A record may have \
                several categories, bases and terms: those tables have no total.",
        tables: vec![
            table("by-tier", "By tier", "tier", DECISIONS),
            table("by-category", "By category of concern", "category", None),
            table("by-basis", "By lawful basis", "basis", None),
            table("by-organisation", "By organisation that would receive", "organisation", DECISIONS),
            table("by-purpose", "By purpose", "purpose", DECISIONS),
            table("by-agreement", "By term of an agreement, or rule of the gateway", "term", None),
            table("by-trigger", "By what asked", "occasion", DECISIONS),
        ],
    }
}

fn withheld(tally: &mut Tally) -> Section {
    let mut reasons =
        take(tally, "reasons").table("reasons", "Reasons, by organisation", &["reason"], &[], None);
    reasons.heads.push("meaning");
    for row in &mut reasons.rows {
        let known =
            ReasonCode::ALL.iter().find(|code| row.labels.first().is_some_and(|label| label == code.code()));
        row.labels.push(known.map_or("", |code| code.text()).to_owned());
    }
    let overridden = take(tally, "overridden").table(
        "overridden",
        "Disclosures against a dissent, by the duty that overrode it",
        &["basis"],
        &["disclosures"],
        None,
    );
    Section {
        id: "withheld",
        title: "Withheld, and why",
        about: "Each reason of each decision that withheld. Withholding what mattered is as much a finding as sharing \
                too much: look at the reasons that missing data or an uncovered category explain.",
        tables: vec![reasons, overridden],
    }
}

fn inconsistent(tally: &mut Tally) -> Section {
    let mut same = Vec::new();
    for (facts, outcomes) in std::mem::take(&mut tally.same_facts) {
        if outcomes.len() > 1 {
            let told: Vec<String> =
                outcomes.iter().map(|(outcome, records)| format!("{outcome} {}", records.len())).collect();
            let mut labels: Vec<String> = facts.into_iter().take(4).collect();
            labels.push(told.join(", "));
            same.push((labels, outcomes.into_values().flatten().collect()));
        }
    }
    let mut alike = Gathered::default();
    let mut why: Vec<(Vec<String>, String)> = Vec::new();
    for (labels, cases) in std::mem::take(&mut tally.like_cases) {
        if cases.outcomes.len() > 1 {
            let plain: Vec<&str> = labels.iter().map(String::as_str).collect();
            for (outcome, records) in &cases.outcomes {
                records.iter().for_each(|record| alike.add(&plain, outcome, record));
            }
            let reasons: Vec<String> = cases.reasons.into_iter().collect();
            why.push((labels, reasons.join(", ")));
        }
    }
    let heads = ["organisation", "tier", "categories", "bases", "purpose"];
    let mut alike = alike.table("like-cases", "Like cases decided differently", &heads, &OUTCOMES, None);
    alike.heads.push("reasons of the withheld");
    for row in &mut alike.rows {
        let found = why.iter().find(|(labels, _)| {
            labels
                .iter()
                .zip(&row.labels)
                .all(|(one, other)| one == other || (one.is_empty() && other == "none"))
        });
        row.labels.push(found.map_or(String::new(), |(_, reasons)| reasons.clone()));
    }
    Section {
        id: "inconsistent",
        title: "Inconsistent decisions",
        about: "Same facts: one version of a record, one recipient, purpose, policy and set of Consents, and yet more \
                than one outcome. Either a date passed or the patient's own record changed in between, or the gateway \
                is at fault: look at each. Like cases: the same organisation, tier, categories, bases and purpose, \
                about different records or at different times; the reasons say what made the difference.",
        tables: vec![
            Table::of_cases(
                "same-facts",
                "Same facts, different outcome",
                &["record", "recipient", "purpose", "policy", "outcomes"],
                same,
            ),
            alike,
        ],
    }
}

fn disclosures(tally: &mut Tally) -> Section {
    let ways = ["notified", "read"];
    let key = Some("disclosures");
    Section {
        id: "disclosures",
        title: "Disclosures",
        about: "What left the gateway: with a notification, or as the answer to a read.",
        tables: vec![
            take(tally, "disclosed-to").table(
                "disclosed-to",
                "By organisation",
                &["organisation"],
                &ways,
                key,
            ),
            take(tally, "disclosed-tier").table("disclosed-tier", "By tier", &["tier"], &ways, key),
            take(tally, "obligations").table(
                "obligations",
                "By what was applied to the copy",
                &["obligation"],
                &ways,
                None,
            ),
        ],
    }
}

fn deliveries(tally: &mut Tally) -> Section {
    let columns = [
        "received in time",
        "received late",
        "not received",
        "withheld later",
        "given up",
        "replaced or ended",
    ];
    let outcomes = std::mem::take(&mut tally.deliveries.outcomes);
    let late = std::mem::take(&mut tally.deliveries.late);
    Section {
        id: "deliveries",
        title: "Unacknowledged and late; failures of delivery",
        about: "Each notification permitted at intake, and what became of it by the time the pack was made. Received \
                means that the receiver's system acknowledged it; whether a person has read it is not known here. Late \
                is later than the response time of the agreement's term; where the term states none, nothing is late.",
        tables: vec![
            outcomes.table(
                "receipts",
                "Permitted notifications",
                &["organisation"],
                &columns,
                Some("receipts"),
            ),
            Table::of_cases(
                "late",
                "Not received, or late",
                &["state", "organisation", "record", "permitted", "received"],
                late,
            ),
            take(tally, "failures").table(
                "failures",
                "Failed attempts, by cause",
                &["organisation", "cause"],
                &["tried again", "given up"],
                Some("failures"),
            ),
            Table::of_cases(
                "given-up",
                "Deliveries given up",
                &["when", "organisation", "record", "cause"],
                cases(tally, "given-up"),
            ),
        ],
    }
}

fn emergencies(tally: &mut Tally) -> Section {
    let mut arisen = Gathered::default();
    for (what, organisation, state) in &tally.standing.arisen {
        arisen.add(&[what, organisation], state, "");
    }
    let (title, heads) = ("Tasks that arose in the period, by how they stand", ["what", "organisation"]);
    let mut arisen = arisen.table("tasks-arisen", title, &heads, &["open", "overdue"], Some("tasks-arisen"));
    // Tasks are resources, not records of the log: they are counted, and the open ones are listed below.
    for row in arisen.rows.iter_mut().chain(arisen.total.as_mut()) {
        row.cells.iter_mut().for_each(|cell| cell.records.clear());
    }
    Section {
        id: "break-glass",
        title: "Break-glass",
        about: "Every use of the emergency path, and when its review is due. Open reviews stand among the Tasks below.",
        tables: vec![
            take(tally, "break-glass").table(
                "break-glass",
                "Uses, by organisation and reason",
                &["organisation", "reason"],
                &["uses"],
                Some("break-glass"),
            ),
            Table::of_cases(
                "break-glass-uses",
                "Each use",
                &["when", "organisation", "role", "reason", "record", "review due"],
                cases(tally, "break-glass"),
            ),
            arisen,
        ],
    }
}

fn waiting(tally: &mut Tally) -> Section {
    let consents = tally.standing.consents_overdue.iter().map(|consent| {
        let records = tally.consent_records.get(&consent.reference).cloned().unwrap_or_default();
        (vec![consent.reference.clone(), consent.status.clone(), consent.due.clone()], records)
    });
    let consents: Vec<_> = consents.collect();
    let tasks = tally.standing.tasks.iter().map(|task| {
        let state = if task.overdue { "overdue" } else { "open" };
        let labels = [&task.reference, &task.code, &task.focus, &task.owner, &task.status, &task.due];
        (labels.into_iter().cloned().chain([state.to_owned()]).collect(), Vec::new())
    });
    let tasks: Vec<_> = tasks.collect();
    let agreements = tally.standing.agreements.iter().map(|near| Row {
        labels: vec![
            near.agreement.clone(),
            near.what.to_owned(),
            near.last_day.clone(),
            near.days_left.to_string(),
        ],
        cells: Vec::new(),
    });
    let agreements = Table {
        id: "agreements",
        title: "Agreements near their end or review",
        heads: vec!["agreement", "what is due", "last day on which it permits", "days left"],
        columns: Vec::new(),
        sums: false,
        rows: agreements.collect(),
        total: None,
        cases: false,
    };
    Section {
        id: "waiting",
        title: "What waits for somebody",
        about: "As it stood at the end of the period, or when the pack was made if that was earlier. A number beside a \
                Consent counts the decisions of the period that rested on it.",
        tables: vec![
            Table::of_cases(
                "consents-overdue",
                "Consents whose review is overdue",
                &["consent", "status", "due"],
                consents,
            ),
            Table::of_cases(
                "tasks",
                "Open Tasks",
                &["task", "what", "about", "owner", "status", "due", "state"],
                tasks,
            ),
            agreements,
        ],
    }
}

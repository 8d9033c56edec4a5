use super::*;
use crate::audit::{Act, Change, Gateway, Party, QuarantineStep, StoredLeaf, Target, record_as};
use crate::govern::{Caller, Decision, Facts, Partner, Policy, Request, Role, decide};
use jiff::Timestamp;
use serde_json::{Value, json};

fn moment(day: u32, hour: u32) -> Timestamp {
    format!("2026-10-{day:02}T{hour:02}:00:00Z").parse().unwrap()
}

struct Log {
    leaves: Vec<StoredLeaf>,
    gateway: Gateway,
}

impl Log {
    fn new() -> Log {
        let gateway = Gateway {
            organisation: "GZZ01".into(),
            name: "Test gateway".into(),
            device: "sgw".into(),
            address: "127.0.0.1".into(),
        };
        Log { leaves: Vec::new(), gateway }
    }

    fn add(&mut self, act: &Act, at: Timestamp) {
        let position = self.leaves.len() as u64;
        let entry = record_as(act, &self.gateway, at, format!("event-{position}"), [7; 32]);
        self.leaves.push(StoredLeaf {
            position,
            id: entry.id,
            leaf: entry.leaf,
            leaf_hash: entry.leaf_hash,
            salt: Some(entry.salt),
            body: Some(entry.canonical),
        });
    }

    fn pack(&self, standing: Standing) -> Pack {
        let mut tally = Tally::new("2026-10".parse().unwrap(), standing);
        self.leaves.iter().for_each(|leaf| tally.take(&Seen::of(leaf).unwrap()));
        let state = LogState { leaves: self.leaves.len() as u64, ..LogState::default() };
        tally.finish("GZZ01", "Test gateway", moment(31, 1), state)
    }
}

fn table<'p>(pack: &'p Pack, id: &str) -> &'p Table {
    pack.sections.iter().flat_map(|section| &section.tables).find(|table| table.id == id).unwrap()
}

fn count(pack: &Pack, id: &str, row: &str, column: &str) -> u64 {
    let table = table(pack, id);
    let place = table.columns.iter().position(|name| name == column).unwrap();
    table.rows.iter().find(|found| found.labels[0] == row).map_or(0, |found| found.cells[place].count)
}

fn flag(basis: &str) -> Value {
    let base = crate::fhir::systems::base();
    json!({"resourceType": "Flag", "id": "f1",
        "extension": [{"url": format!("{base}/StructureDefinition/lawful-basis"),
            "valueCoding": {"system": format!("{base}/CodeSystem/lawful-basis"), "code": basis}}],
        "category": [{"coding": [{"system": format!("{base}/CodeSystem/concern-category"), "code": "child-protection"}]}],
        "subject": {"reference": "Patient/p1"}})
}

fn policy(partner: &Partner) -> Policy {
    let agreement = include_str!("../../profiles/agreements/northshire-hub.yaml").to_owned();
    Policy::from_documents(&[("hub.yaml".into(), agreement)], vec![partner.clone()]).unwrap()
}

fn decision(policy: &Policy, partner: &Partner, flag: &Value, at: Timestamp) -> Decision {
    let facts = Facts {
        resource: flag,
        resource_type: "Flag",
        id: "f1",
        version: 1,
        source_organisation: "RZZ01",
        patient: None,
        consents: &[],
    };
    decide(policy, &Request::notify(partner), &facts, at)
}

#[test]
fn decisions_are_counted_by_what_they_rest_on_and_lead_to_their_records() {
    let partner = Partner::new("hub", "LZZ01", "Hub");
    let policy = policy(&partner);
    let permitted = decision(&policy, &partner, &flag("ca1989-s47"), moment(2, 9));
    let withheld = decision(&policy, &partner, &flag("cldc-consent"), moment(2, 9));
    assert!(permitted.permit().is_some() && withheld.permit().is_none());
    let mut log = Log::new();
    let party = Party::from(&partner);
    let patient = Some("nhs:9000000009");
    let one = Target::version("Flag", "f1", 1);
    let two = Target::version("Flag", "f2", 1);
    let act = |decision, target, trigger| Act::Decision {
        decision,
        recipient: Some(party),
        target,
        patient,
        trigger,
    };
    log.add(&act(&permitted, one, "intake"), "2026-09-30T23:59:59Z".parse().unwrap());
    log.add(&act(&permitted, one, "intake"), moment(2, 9));
    log.add(&act(&permitted, two, "intake"), moment(2, 10));
    log.add(&act(&withheld, two, "retry"), moment(2, 11));
    log.add(
        &Act::Disclosure {
            decision: &permitted,
            recipient: party,
            target: one,
            patient,
            obligations: &["masked"],
            subscription: Some("s1"),
            event_number: Some(1),
        },
        moment(2, 15),
    );
    log.add(&act(&permitted, one, "intake"), "2026-11-01T00:00:00Z".parse().unwrap());
    let term = "northshire-hub|1.0#enquiry".to_owned();
    let standing = Standing { response_times: [(term, 4 * 3600)].into(), ..Standing::default() };
    let pack = log.pack(standing);
    assert_eq!(pack.log.in_period, 4);
    for (id, row) in [
        ("by-tier", "safeguarding-critical"),
        ("by-category", "child-protection"),
        ("by-organisation", "LZZ01"),
        ("by-purpose", "SAFEGUARDING"),
    ] {
        assert_eq!((count(&pack, id, row, "permit"), count(&pack, id, row, "withhold")), (2, 1), "{id}");
    }
    assert_eq!(count(&pack, "by-basis", "ca1989-s47", "permit"), 2);
    assert_eq!(count(&pack, "reasons", "lawful-basis-not-accepted", "LZZ01"), 1);
    assert_eq!(count(&pack, "key-figures", "sharing decisions", "number"), 3);
    // The first was received after six hours, of four; the second was withheld later.
    assert_eq!(count(&pack, "receipts", "LZZ01", "received late"), 1);
    assert_eq!(count(&pack, "receipts", "LZZ01", "withheld later"), 1);
    assert_eq!(count(&pack, "same-facts", "Flag/f2/_history/1", "records"), 2);
    let tier = &table(&pack, "by-tier").rows[0].cells[0];
    assert_eq!(tier.records, ["event-1", "event-2"]);
    assert_eq!(pack.records["event-2"].position, 2);
    assert!(!pack.records.contains_key("event-0") && !pack.records.contains_key("event-5"));
}

#[test]
fn an_erased_record_is_counted_as_far_as_its_leaf_tells() {
    let partner = Partner::new("hub", "LZZ01", "Hub");
    let policy = policy(&partner);
    let permitted = decision(&policy, &partner, &flag("ca1989-s47"), moment(2, 9));
    let mut log = Log::new();
    let target = Target::version("Flag", "f1", 1);
    let recipient = Some(Party::from(&partner));
    let act = Act::Decision { decision: &permitted, recipient, target, patient: None, trigger: "intake" };
    log.add(&act, moment(2, 9));
    log.leaves[0].body = None;
    log.leaves[0].salt = None;
    let pack = log.pack(Standing::default());
    assert_eq!(pack.log.erased, 1);
    assert_eq!(count(&pack, "by-tier", "safeguarding-critical", "permit"), 1);
    assert_eq!(count(&pack, "by-organisation", "LZZ01", "permit"), 1);
    assert_eq!(count(&pack, "by-category", "none", "permit"), 1);
}

#[test]
fn an_organisation_reading_its_own_record_shares_nothing() {
    let policy = policy(&Partner::new("hub", "LZZ01", "Hub"));
    let caller = Caller {
        credential: "pas".into(),
        organisation: "RZZ01".into(),
        roles: vec![Role::Source],
        source: Some("pas".into()),
        partner: None,
        address: String::new(),
    };
    let flag = flag("ca1989-s47");
    let facts = Facts {
        resource: &flag,
        resource_type: "Flag",
        id: "f1",
        version: 1,
        source_organisation: "RZZ01",
        patient: None,
        consents: &[],
    };
    let decision = decide(&policy, &Request::read(&caller, "SAFEGUARDING"), &facts, moment(3, 9));
    let mut log = Log::new();
    let target = Target::version("Flag", "f1", 1);
    let party = Party::from(&caller);
    let act = Act::Read {
        caller: party,
        target,
        patient: None,
        purpose: "SAFEGUARDING",
        decision: Some(&decision),
    };
    log.add(&act, moment(3, 9));
    let pack = log.pack(Standing::default());
    assert_eq!(count(&pack, "key-figures", "sharing decisions", "number"), 0);
    assert_eq!(count(&pack, "accesses", "RZZ01", "of records"), 1);
}

#[test]
fn what_others_wrote_cannot_break_out_of_the_page_or_the_sheet() {
    let mut log = Log::new();
    let party = Party { id: "key", organisation: "X<script>", name: "", address: "" };
    let act = Act::Refused {
        caller: Some(party),
        operation: "=cmd|'/c calc'!A1",
        rule: "r",
        text: "t",
        target: None,
        patient: None,
    };
    log.add(&act, moment(2, 9));
    let pack = log.pack(Standing::default());
    let page = html(&pack, &Links::Files);
    assert!(page.contains("X&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(page.contains("records/proof-event-0.json"));
    assert!(tables_sheet(&pack).contains("'=cmd"), "{}", tables_sheet(&pack));
    assert!(records_sheet(&pack).contains("event-0,0,2026-10-02T09:00:00Z,refused"));
}

#[test]
fn an_access_report_has_emergencies_and_what_operators_saw_and_nothing_that_nobody_saw() {
    let mut log = Log::new();
    let party = Party { id: "key", organisation: "LZZ01", name: "", address: "" };
    let (target, patient) = (Target::version("Flag", "f1", 1), Some("nhs:9000000009"));
    let quarantine =
        |step| Act::Quarantine { caller: Some(party), step, item: "q1", rule: "r", text: "t", patient };
    for act in [
        Act::BreakGlass {
            caller: party,
            user: "dr-a",
            role: "consultant",
            reason: "BTG",
            text: "unconscious",
            target,
            patient,
            review_due: moment(9, 9),
        },
        quarantine(QuarantineStep::Read),
        quarantine(QuarantineStep::Kept),
        Act::Changed { caller: party, change: Change::Create, target, patient },
        Act::Refused {
            caller: Some(party),
            operation: "read",
            rule: "r",
            text: "t",
            target: Some(target),
            patient,
        },
    ] {
        log.add(&act, moment(2, 9));
    }
    let found: Vec<Access> = log.leaves.iter().filter_map(Access::of).collect();
    let told: Vec<(&str, &str, &str)> =
        found.iter().map(|a| (a.act.as_str(), a.who.as_str(), a.authority.as_str())).collect();
    let emergency = ("break-glass", "LZZ01 (dr-a)", "role consultant; reason BTG");
    assert_eq!(told, [emergency, ("quarantine", "LZZ01 (key)", "reason r")]);
    assert_eq!(found[1].what, "quarantined payload q1");
    assert!(letter(&found).contains("in an emergency saw Flag/f1/_history/1"));
}

#[test]
fn a_pack_for_sharing_has_no_case_and_no_id() {
    let mut log = Log::new();
    let party = Party { id: "key", organisation: "LZZ01", name: "", address: "" };
    let act = Act::BreakGlass {
        caller: party,
        user: "dr-a",
        role: "consultant",
        reason: "BTG",
        text: "unconscious",
        target: Target::version("Flag", "f1", 1),
        patient: None,
        review_due: moment(9, 9),
    };
    log.add(&act, moment(2, 9));
    let mut pack = log.pack(Standing::default());
    assert!(html(&pack, &Links::Ids).contains("Flag/f1/_history/1"));
    suppress(&mut pack, SMALLEST);
    let page = html(&pack, &Links::Ids);
    for told in ["Flag/f1", "event-0", "dr-a", "consultant"] {
        assert!(!page.contains(told) && !serde_json::to_string(&pack).unwrap().contains(told), "{told}");
    }
    assert!(page.contains("withheld"));
}

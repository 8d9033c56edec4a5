//! The examples of IHE Privacy Consent on FHIR 1.1 (basic, intermediate, advanced), rebuilt from what the guide says of
//! each, as tables: what is asked, and what the Consent says to it. And cases of our own around them.

use super::consent::{Say, evaluate};
use super::labels::Labels;
use super::matching::Asked;
use crate::fhir::systems;
use serde_json::{Value, json};

const OTHER: &str = "Practitioner/other";
const DOCTOR: &str = "Practitioner/ex-practitioner";

/// One question: who asks, for what, about which resource, when.
struct Question {
    who: &'static str,
    organisation: &'static str,
    purpose: &'static str,
    resource: Value,
    at: &'static str,
}

/// A question as most of them are: treatment, about data of 2022 with this label, by a practitioner of no note.
fn about(label: &str) -> Question {
    // What is labelled as sensitive is restricted too, as a labelling service of the guide makes it.
    let security = if label.len() == 1 { labelled(&[label]) } else { labelled(&["R", label]) };
    let resource = json!({"resourceType": "Observation", "id": "ex-weight",
        "meta": {"security": security},
        "subject": {"reference": "Patient/ex-patient"},
        "encounter": {"reference": "Encounter/ex-encounter"},
        "performer": [{"reference": DOCTOR}],
        "period": {"start": "2022-06-13", "end": "2022-06-13"}});
    Question { who: OTHER, organisation: "X26", purpose: "TREAT", resource, at: "2022-07-01T09:00:00Z" }
}

impl Question {
    fn by(self, who: &'static str) -> Question {
        Question { who, ..self }
    }

    fn of(self, organisation: &'static str) -> Question {
        Question { organisation, ..self }
    }

    fn to(self, purpose: &'static str) -> Question {
        Question { purpose, ..self }
    }

    fn at(self, at: &'static str) -> Question {
        Question { at, ..self }
    }

    fn with(mut self, member: &str, value: Value) -> Question {
        self.resource[member] = value;
        self
    }

    fn asked_of(&self, consent: &Value) -> Say {
        let labels = Labels::of(&self.resource);
        evaluate(
            consent,
            &Asked {
                organisation: self.organisation,
                references: &[self.who.to_owned()],
                purpose: self.purpose,
                action: ("disclose", "access"),
                resource: &self.resource,
                resource_type: "Observation",
                id: self.resource["id"].as_str().unwrap(),
                patient: None,
                confidentiality: labels.confidentiality,
                labels: &labels,
                now: self.at.parse().unwrap(),
            },
        )
    }
}

fn purposes(codes: &[&str]) -> Value {
    codes.iter().map(|code| json!({"system": systems::ACT_REASON, "code": code})).collect()
}

fn actor(reference: &str) -> Value {
    let role = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    json!([{"role": role, "reference": {"reference": reference}}])
}

fn labelled(codes: &[&str]) -> Value {
    let system = |code: &str| if code.len() == 1 { systems::CONFIDENTIALITY } else { systems::ACT_CODE };
    codes.iter().map(|code| json!({"system": system(code), "code": code})).collect()
}

/// A Consent of the guide's foundation: treatment, payment and operations, and what is said beside.
fn consent(kind: &str, more: Value) -> Value {
    let mut provision = json!({"type": kind, "purpose": purposes(&["TREAT", "HPAYMT", "HOPERAT"])});
    provision.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/ex-patient"}, "dateTime": "2022-06-13",
        "performer": [{"reference": "Patient/ex-patient"}],
        "policy": [{"uri": "https://policies.example/base-privacy"}], "provision": provision})
}

#[track_caller]
fn says(consent: &Value, table: impl IntoIterator<Item = (Question, Say)>) {
    for (number, (question, said)) in table.into_iter().enumerate() {
        assert_eq!(question.asked_of(consent), said, "question {number} of {}", consent["provision"]);
    }
}

#[test]
fn basic_consents_agree_dissent_and_expire() {
    says(
        &consent("permit", json!({})),
        [
            (about("N"), Say::Permit),
            (about("N").to("HPAYMT"), Say::Permit),
            (about("N").to("ETREAT"), Say::Permit),
            (about("N").to("HRESCH"), Say::Silent),
            (about("N").at("2022-06-01T09:00:00Z"), Say::Silent),
        ],
    );
    says(
        &consent("permit", json!({"period": {"end": "2022-12-31"}})),
        [
            (about("N").at("2022-12-31T23:59:59Z"), Say::Permit),
            (about("N").at("2023-01-01T00:00:00Z"), Say::Silent),
        ],
    );
    says(
        &consent("deny", json!({})),
        [
            (about("N"), Say::Deny),
            (about("N").to("HOPERAT"), Say::Deny),
            (about("N").to("HRESCH"), Say::Silent),
        ],
    );
}

#[test]
fn intermediate_consents_narrow_by_time_author_encounter_and_object() {
    let year = json!({"start": "2022-01", "end": "2022-12"});
    let data =
        |meaning: &str, reference: &str| json!([{"meaning": meaning, "reference": {"reference": reference}}]);
    let earlier = || about("N").with("period", json!({"start": "2021-03-01", "end": "2021-03-02"}));
    let another = || about("N").with("performer", json!([{"reference": OTHER}]));
    let alcohol = || about("N").with("id", json!("ex-alcoholUse"));
    let except = |criterion: Value| {
        let mut exception = json!({"type": "deny"});
        exception.as_object_mut().unwrap().extend(criterion.as_object().unwrap().clone());
        consent("permit", json!({"provision": [exception]}))
    };
    says(
        &consent("permit", json!({"dataPeriod": year})),
        [(about("N"), Say::Permit), (earlier(), Say::Silent)],
    );
    says(&except(json!({"dataPeriod": year})), [(about("N"), Say::Deny), (earlier(), Say::Permit)]);
    says(
        &consent("permit", json!({"data": data("authoredby", DOCTOR)})),
        [(about("N"), Say::Permit), (another(), Say::Silent)],
    );
    says(
        &except(json!({"data": data("authoredby", DOCTOR)})),
        [(about("N"), Say::Deny), (another(), Say::Permit)],
    );
    let listed = json!([{"meaning": "instance", "reference": {"reference": "Observation/ex-weight-stone"}},
        {"meaning": "instance", "reference": {"reference": "Observation/ex-weight"}}]);
    says(&consent("permit", json!({"data": listed})), [(about("N"), Say::Permit), (alcohol(), Say::Silent)]);
    says(
        &except(json!({"data": data("instance", "Observation/ex-alcoholUse")})),
        [(about("N"), Say::Permit), (alcohol(), Say::Deny)],
    );
    // What belongs to an encounter the gateway cannot look up: a permission does not reach it, a dissent does.
    says(
        &consent("permit", json!({"data": data("related", "Encounter/ex-encounter")})),
        [(about("N"), Say::Silent)],
    );
    says(&except(json!({"data": data("related", "Encounter/ex-encounter")})), [(about("N"), Say::Deny)]);
}

#[test]
fn an_intermediate_consent_for_research_is_for_that_house_and_that_purpose() {
    let foobar = json!([{"system": "https://policies.example/purposeOfUse", "code": "FooBar"}]);
    let consent = |purpose: Value| {
        consent("permit", json!({"purpose": purpose, "actor": actor("Organization/ex-org-researcher")}))
    };
    let house = || about("N").by("Organization/ex-org-researcher");
    // A purpose that the gateway does not know helps nobody; one that it knows helps that house.
    says(&consent(foobar), [(house().to("HRESCH"), Say::Silent), (about("N"), Say::Silent)]);
    says(&consent(purposes(&["HRESCH"])), [(house().to("HRESCH"), Say::Permit), (house(), Say::Silent)]);
}

#[test]
fn advanced_consents_go_by_label_and_add_what_one_practitioner_may_have() {
    says(
        &consent("permit", json!({"securityLabel": labelled(&["N"])})),
        [(about("N"), Say::Permit), (about("L"), Say::Permit), (about("R"), Say::Silent)],
    );
    says(
        &consent("permit", json!({"securityLabel": labelled(&["N", "R"])})),
        [(about("N"), Say::Permit), (about("R"), Say::Permit), (about("V"), Say::Silent)],
    );
    // The guide: "the exclusion of restricted should not be needed". It covers what is higher too, and nothing lower.
    let not = |label: &str| json!({"provision": [{"type": "deny", "securityLabel": labelled(&[label])}]});
    let mut normal = consent("permit", not("R"));
    normal["provision"]["securityLabel"] = labelled(&["N"]);
    says(&normal, [(about("N"), Say::Permit), (about("R"), Say::Silent)]);
    says(
        &consent("permit", not("R")),
        [(about("N"), Say::Permit), (about("R"), Say::Deny), (about("V"), Say::Deny)],
    );
    says(&consent("permit", not("PSY")), [(about("N"), Say::Permit), (about("PSY"), Say::Deny)]);
    let focused = |label: &[&str], purpose: Option<&str>| {
        let mut more = json!({"type": "permit", "securityLabel": labelled(label), "actor": actor(DOCTOR)});
        if let Some(purpose) = purpose {
            more["purpose"] = purposes(&[purpose]);
        }
        consent("permit", json!({"securityLabel": labelled(&["N"]), "provision": [more]}))
    };
    let doctor = |label: &str| about(label).by(DOCTOR);
    says(
        &focused(&["R"], None),
        [
            (about("N"), Say::Permit),
            (doctor("N"), Say::Permit),
            (doctor("R"), Say::Permit),
            (about("R"), Say::Silent),
            (doctor("V"), Say::Silent),
            (doctor("R").to("HRESCH"), Say::Silent),
        ],
    );
    says(
        &focused(&["PSY", "SEX"], None),
        [
            (doctor("PSY"), Say::Permit),
            (doctor("SEX"), Say::Permit),
            (doctor("HIV"), Say::Silent),
            (about("PSY"), Say::Silent),
        ],
    );
    says(
        &focused(&["R"], Some("BTG")),
        [
            (doctor("R").to("BTG"), Say::Permit),
            (doctor("R"), Say::Silent),
            (about("R").to("BTG"), Say::Silent),
        ],
    );
}

#[test]
fn additions_have_exceptions_of_their_own_and_never_lift_a_dissent() {
    let addition = json!({"type": "permit", "securityLabel": labelled(&["R"]),
        "provision": [{"type": "deny", "actor": [{"reference": {"identifier": {"system": systems::ODS_ORGANIZATION, "value": "X26"}}}]}]});
    says(
        &consent("permit", json!({"securityLabel": labelled(&["N"]), "provision": [addition]})),
        [
            (about("R"), Say::Deny),
            (about("R").of("X99"), Say::Permit),
            (about("N"), Say::Deny),
            (about("N").of("X99"), Say::Permit),
            (about("V"), Say::Silent),
        ],
    );
    // A dissent within a dissent stands by itself, wherever the outer one applies or not.
    let more =
        json!({"actor": actor(DOCTOR), "provision": [{"type": "deny", "purpose": purposes(&["HRESCH"])}]});
    says(
        &consent("deny", more),
        [
            (about("N").by(DOCTOR), Say::Deny),
            (about("N").to("HRESCH"), Say::Deny),
            // Whether a doctor whom nobody has registered is this one cannot be told: the dissent holds.
            (about("N"), Say::Deny),
            (about("N").to("PATRQT"), Say::Silent),
        ],
    );
    // An exception within an addition to a dissent permits nothing that the dissent itself denies.
    let inner = json!({"type": "deny", "actor": actor(OTHER), "provision": [{"type": "permit"}]});
    says(&consent("deny", json!({"provision": [inner]})), [(about("N"), Say::Deny)]);
}

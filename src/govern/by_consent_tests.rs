//! Bases that are the patient's own consent: what they support with a Consent that permits, and without.

use super::StoredConsent;
use super::term_tests::{ED, ask, policy, why};
use super::tests::{facts, flag};
use serde_json::json;

#[test]
fn the_patients_consent_is_a_basis_only_where_it_was_given() {
    let accepting = |rule: &str| {
        policy(&ED.replacen(
            "      accept: [",
            &format!("{rule}      accept: [cldc-consent, gdpr-6-1-a, "),
            1,
        ))
    };
    let consent = |kind: &str| {
        json!({"resourceType": "Consent", "id": "c", "status": "active", "scope": {"coding": [{"system":
            "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "dateTime": "2026-01-01", "provision": {"type": kind}})
    };
    let (permit, deny) = (consent("permit"), consent("deny"));
    let given = |resource| [StoredConsent { id: "c", version: 1, resource }];
    let (permit, deny) = (given(&permit), given(&deny));
    let (either, both) = (accepting(""), accepting("      require: [article-6, common-law]\n"));
    for (policy, bases, consents, said) in [
        (&either, vec!["cldc-consent"], &[][..], vec!["consent-missing"]),
        (&either, vec!["cldc-consent"], &permit, vec![]),
        (&either, vec!["cldc-consent"], &deny, vec!["consent-dissent"]),
        (&either, vec!["cldc-consent", "gdpr-6-1-e"], &[], vec![]),
        (&both, vec!["cldc-consent", "gdpr-6-1-e"], &[], vec!["consent-missing"]),
        (&both, vec!["cldc-consent", "gdpr-6-1-e"], &permit, vec![]),
        (&both, vec!["cldc-public-interest", "gdpr-6-1-a"], &[], vec!["consent-missing"]),
        (&both, vec!["cldc-public-interest", "gdpr-6-1-e"], &[], vec![]),
        (&both, vec!["gdpr-6-1-a"], &permit, vec!["lawful-basis-not-accepted"]),
    ] {
        let resource = flag("child-protection", &bases);
        let decision = ask(policy, "ed", &facts(&resource, consents));
        assert_eq!(why(&decision), said, "{bases:?}: {}", decision.rationale);
    }
    // A statute overrides the dissent, and still does not give the consent on which Article 6 would rest.
    let statute = policy(
        &ED.replacen(
            "      accept: [",
            "      require: [article-6, statute]\n      accept: [gdpr-6-1-a, ",
            1,
        )
        .replace("consent: dissent-withholds", "consent: statutory-override"),
    );
    for (bases, said) in
        [(["ca1989-s47", "gdpr-6-1-a"], vec!["consent-missing"]), (["ca1989-s47", "gdpr-6-1-e"], vec![])]
    {
        let resource = flag("child-protection", &bases);
        let decision = ask(&statute, "ed", &facts(&resource, &deny));
        assert_eq!(why(&decision), said, "{bases:?}: {}", decision.rationale);
    }
}

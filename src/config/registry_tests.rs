use super::*;

const SOUND: &str = r#"
organisations:
  - { code: RZZ01, name: Northshire Hospitals }
  - { code: LZZ01, name: Northshire Council }
sources:
  - { id: pas, organisation: RZZ01, format: hl7v2, lawful-basis: [ca2004-s11] }
partners:
  - id: hub
    name: Hub
    organisation: LZZ01
    kind: safeguarding-hub
    webhook-secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
credentials:
  - { id: pas, organisation: RZZ01, roles: [source], source: pas, sha256: "HASH1" }
  - { id: hub, organisation: LZZ01, roles: [subscriber], partner: hub, sha256: "HASH2" }
"#;

fn sound() -> String {
    SOUND.replace("HASH1", &"1".repeat(64)).replace("HASH2", &"2".repeat(64))
}

fn refusal(from: &str, to: &str) -> String {
    let text = sound();
    assert!(text.contains(from), "{from}");
    Registry::parse(&text.replacen(from, to, 1), Path::new("r.yaml")).unwrap_err().to_string()
}

#[test]
fn a_sound_registry_is_read_and_secrets_are_kept_apart() {
    let registry = Registry::parse(&sound(), Path::new("r.yaml")).unwrap();
    assert_eq!(registry.sources[0].lawful_basis, ["ca2004-s11"]);
    assert_eq!(registry.sources[0].place.line, 6);
    assert_eq!(registry.partners[0].id, "hub");
    assert_eq!(registry.webhook_secrets["hub"].len(), 1);
    assert_eq!(registry.credentials[1].caller.partner.as_deref(), Some("hub"));
    assert_eq!(registry.credentials[0].sha256, [0x11; 32]);
    assert_eq!(registry.organisation_name("LZZ01"), Some("Northshire Council"));
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    assert_eq!(
        refusal("lawful-basis", "lawful-bases"),
        "r.yaml:6:52: `sources[0]`: unknown name `lawful-bases`; did you mean `lawful-basis`?"
    );
    assert!(
        refusal("kind: safeguarding-hub", "kind: safeguarding-hup")
            .contains("did you mean `safeguarding-hub`?")
    );
    assert!(refusal("[source]", "[sourse]").contains("`credentials[0].roles[0]`: unknown value `sourse`"));
    assert!(refusal("source: pas", "source: paz").contains("unknown source `paz`; did you mean `pas`?"));
    assert!(refusal("partner: hub", "partner: hubb").contains("unknown partner `hubb`"));
    assert!(refusal("RZZ01, format", "RZZ02, format").contains("unknown organisation `RZZ02`"));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let hash = "1".repeat(64);
    assert!(
        refusal(&"2".repeat(64), &hash)
            .contains("`credentials[1].sha256`: it stands here for the second time")
    );
    assert!(
        refusal("id: hub, organisation: LZZ01", "id: hub, organisation: RZZ01")
            .contains("belongs to another")
    );
    assert!(refusal(", partner: hub", "").contains("the role `subscriber` needs a `partner`"));
    assert!(refusal(&hash, "abc").contains("`credentials[0].sha256`"));
    assert!(refusal("code: LZZ01", "code: RZZ01").contains("second time"));
}

#[test]
fn a_hash_that_is_wrong_is_not_shown() {
    let text = refusal(&"1".repeat(64), "sgw_the-key-itself-by-mistake");
    assert!(!text.contains("by-mistake"), "{text}");
}

#[test]
fn a_file_that_is_no_registry_is_refused() {
    for text in ["", "[]", "organisations: 7", "a: 1\na: 2", "{", "\u{0}"] {
        assert!(Registry::parse(text, Path::new("r.yaml")).is_err(), "{text}");
    }
}

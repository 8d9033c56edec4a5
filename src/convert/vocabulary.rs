//! The codes of the gateway's own code systems that mapping files may use, read from `profiles/codesystems`.

use serde_json::Value;
use std::sync::OnceLock;

/// One of the gateway's own code systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// What an alert is about.
    ConcernCategory,
    /// What the receiver is to do.
    ActionExpected,
    /// How widely it may be shared.
    SharingTier,
    /// Red-flag indicators.
    RedFlagIndicator,
    /// Lawful bases.
    LawfulBasis,
}

impl Vocabulary {
    /// The name of the code system.
    pub fn name(self) -> &'static str {
        match self {
            Vocabulary::ConcernCategory => "concern-category",
            Vocabulary::ActionExpected => "action-expected",
            Vocabulary::SharingTier => "sharing-tier",
            Vocabulary::RedFlagIndicator => "red-flag-indicator",
            Vocabulary::LawfulBasis => "lawful-basis",
        }
    }

    /// Its codes.
    pub fn codes(self) -> &'static [String] {
        static READ: [OnceLock<Vec<String>>; 5] = [const { OnceLock::new() }; 5];
        let (index, text) = match self {
            Vocabulary::ConcernCategory => {
                (0, include_str!("../../profiles/codesystems/concern-category.json"))
            }
            Vocabulary::ActionExpected => {
                (1, include_str!("../../profiles/codesystems/action-expected.json"))
            }
            Vocabulary::SharingTier => (2, include_str!("../../profiles/codesystems/sharing-tier.json")),
            Vocabulary::RedFlagIndicator => {
                (3, include_str!("../../profiles/codesystems/red-flag-indicator.json"))
            }
            Vocabulary::LawfulBasis => (4, include_str!("../../profiles/codesystems/lawful-basis.json")),
        };
        READ.get(index).map_or(&[], |slot: &'static OnceLock<Vec<String>>| slot.get_or_init(|| read(text)))
    }
}

fn read(text: &str) -> Vec<String> {
    let system: Value = serde_json::from_str(text).unwrap_or_default();
    let mut codes = Vec::new();
    collect(&system, &mut codes);
    codes
}

fn collect(parent: &Value, codes: &mut Vec<String>) {
    for concept in parent.get("concept").and_then(Value::as_array).into_iter().flatten() {
        codes.extend(concept.get("code").and_then(Value::as_str).map(str::to_owned));
        collect(concept, codes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_list_the_codes_of_the_code_systems() {
        let schema: Value =
            serde_json::from_str(include_str!("../../profiles/schemas/alert.schema.json")).unwrap();
        let alert = &schema["properties"]["alerts"]["items"]["properties"];
        let events: Value =
            serde_json::from_str(include_str!("../../profiles/schemas/event.schema.json")).unwrap();
        let event = &events["properties"]["events"]["items"]["properties"];
        let pairs = [
            (Vocabulary::ConcernCategory, &alert["category"]["enum"]),
            (Vocabulary::ActionExpected, &alert["action"]["enum"]),
            (Vocabulary::SharingTier, &alert["tier"]["enum"]),
            (Vocabulary::RedFlagIndicator, &alert["redFlags"]["items"]["enum"]),
            (Vocabulary::LawfulBasis, &alert["lawfulBasis"]["items"]["enum"]),
            (Vocabulary::LawfulBasis, &event["lawfulBasis"]["items"]["enum"]),
        ];
        for (vocabulary, listed) in pairs {
            let mut listed: Vec<_> =
                listed.as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
            let mut codes = vocabulary.codes().to_vec();
            listed.sort();
            codes.sort();
            assert_eq!(listed, codes, "{}", vocabulary.name());
        }
    }
}

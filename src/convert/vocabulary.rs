//! The codes of the gateway's own code systems that mapping files use; a test compares them with `profiles/codesystems`.

/// Concern categories.
pub const CATEGORIES: [&str; 29] = [
    "child-protection",
    "child-in-need",
    "looked-after-child",
    "unborn-child",
    "child-safeguarding-concern",
    "adult-safeguarding",
    "domestic-abuse",
    "female-genital-mutilation",
    "sexual-exploitation",
    "criminal-exploitation",
    "radicalisation",
    "honour-based-abuse",
    "modern-slavery",
    "self-neglect",
    "self-harm-or-suicide",
    "neglect",
    "physical-abuse",
    "emotional-abuse",
    "sexual-abuse",
    "financial-abuse",
    "organisational-abuse",
    "restrictive-practice",
    "missed-contact",
    "discharge-concern",
    "continuity-of-care",
    "housing-and-social",
    "education-and-early-help",
    "risk-to-staff",
    "other-safeguarding",
];

/// Actions expected.
pub const ACTIONS: [&str; 3] = ["urgent-review", "routine-follow-up", "no-action"];

/// Sharing tiers.
pub const TIERS: [&str; 3] = ["routine-coordination", "safeguarding-critical", "restricted"];

/// Red-flag indicators.
pub const INDICATORS: [&str; 25] = [
    "pre-birth-concern",
    "concealed-or-late-booked-pregnancy",
    "non-mobile-infant-injury",
    "injury-inconsistent-with-history",
    "delayed-presentation",
    "repeated-attendance",
    "child-not-brought",
    "faltering-growth",
    "domestic-abuse-in-household",
    "parental-substance-misuse",
    "parental-mental-ill-health",
    "child-missing",
    "persistent-absence",
    "sexual-exploitation-indicator",
    "criminal-exploitation-indicator",
    "fgm-risk",
    "forced-marriage-risk",
    "radicalisation-risk",
    "self-harm",
    "harm-to-siblings",
    "disclosure-of-abuse",
    "disguised-compliance",
    "placement-breakdown",
    "transition-at-18",
    "leaving-care",
];

/// Lawful bases.
pub const BASES: [&str; 22] = [
    "gdpr-6-1-c",
    "gdpr-6-1-d",
    "gdpr-6-1-e",
    "gdpr-6-1-ea",
    "gdpr-9-2-b",
    "gdpr-9-2-c",
    "gdpr-9-2-g",
    "gdpr-9-2-h",
    "dpa18-s1-p18",
    "ca1989-s17",
    "ca1989-s47",
    "ca2004-s10",
    "ca2004-s11",
    "ca2004-s16H",
    "ca2004-s16LA",
    "care2014-s42",
    "care2014-s45",
    "cda1998-s115",
    "fgm2003-s5B",
    "ctsa2015-s26",
    "cldc-consent",
    "cldc-public-interest",
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_lists_are_those_of_the_code_systems() {
        let pairs: [(&str, &[&str]); 5] = [
            ("concern-category", &super::CATEGORIES),
            ("action-expected", &super::ACTIONS),
            ("sharing-tier", &super::TIERS),
            ("red-flag-indicator", &super::INDICATORS),
            ("lawful-basis", &super::BASES),
        ];
        for (name, codes) in pairs {
            let path = format!("{}/profiles/codesystems/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let system: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let defined: Vec<&str> =
                system["concept"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
            assert_eq!(defined, codes, "{name}");
        }
    }
}

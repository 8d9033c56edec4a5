//! Sharing tiers and categories of concern, and the rule by which a tier follows from them.

/// How closely a concern is held. The order is that of protection: `Restricted` is the closest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Day-to-day co-ordination of care.
    RoutineCoordination,
    /// Somebody may be at risk of significant harm.
    SafeguardingCritical,
    /// Knowledge that could itself put somebody in danger.
    Restricted,
}

impl Tier {
    /// All tiers, the most open first.
    pub const ALL: [Tier; 3] = [Tier::RoutineCoordination, Tier::SafeguardingCritical, Tier::Restricted];

    /// The code in the CodeSystem `sharing-tier`.
    pub fn code(self) -> &'static str {
        match self {
            Tier::RoutineCoordination => "routine-coordination",
            Tier::SafeguardingCritical => "safeguarding-critical",
            Tier::Restricted => "restricted",
        }
    }

    /// The tier of this code.
    pub fn parse(code: &str) -> Option<Tier> {
        Tier::ALL.into_iter().find(|tier| tier.code() == code)
    }
}

use Tier::{Restricted, RoutineCoordination, SafeguardingCritical};

/// Every category of the CodeSystem `concern-category`, the tier that follows when the source gave none, and whether
/// it is one where the person alleged to cause harm is typically close (tip-off protection).
const CATEGORIES: &[(&str, Tier, bool)] = &[
    ("child-protection", SafeguardingCritical, true),
    ("child-in-need", RoutineCoordination, false),
    ("looked-after-child", SafeguardingCritical, true),
    ("unborn-child", SafeguardingCritical, true),
    ("child-safeguarding-concern", SafeguardingCritical, true),
    ("adult-safeguarding", SafeguardingCritical, true),
    ("domestic-abuse", SafeguardingCritical, true),
    ("female-genital-mutilation", SafeguardingCritical, true),
    ("sexual-exploitation", SafeguardingCritical, true),
    ("criminal-exploitation", SafeguardingCritical, true),
    ("radicalisation", Restricted, true),
    ("honour-based-abuse", Restricted, true),
    ("modern-slavery", Restricted, true),
    ("self-neglect", RoutineCoordination, false),
    ("self-harm-or-suicide", SafeguardingCritical, false),
    ("neglect", SafeguardingCritical, true),
    ("physical-abuse", SafeguardingCritical, true),
    ("emotional-abuse", SafeguardingCritical, true),
    ("sexual-abuse", SafeguardingCritical, true),
    ("financial-abuse", SafeguardingCritical, true),
    ("organisational-abuse", SafeguardingCritical, true),
    ("restrictive-practice", RoutineCoordination, false),
    ("missed-contact", RoutineCoordination, false),
    ("discharge-concern", RoutineCoordination, false),
    ("continuity-of-care", RoutineCoordination, false),
    ("housing-and-social", RoutineCoordination, false),
    ("education-and-early-help", RoutineCoordination, false),
    ("risk-to-staff", RoutineCoordination, true),
    ("other-safeguarding", SafeguardingCritical, true),
];

/// Every category code that the gateway knows.
pub fn categories() -> impl Iterator<Item = &'static str> {
    CATEGORIES.iter().map(|(code, _, _)| *code)
}

/// The gateway's own constant of a category code, when it is one.
pub fn category(code: &str) -> Option<&'static str> {
    CATEGORIES.iter().find(|(known, _, _)| *known == code).map(|(known, _, _)| *known)
}

/// Whether concerns of this category must not reach a place where the person alleged to cause harm could look.
pub fn is_tip_off_sensitive(code: &str) -> bool {
    CATEGORIES.iter().find(|(known, _, _)| *known == code).is_none_or(|(_, _, sensitive)| *sensitive)
}

/// The tier of a concern whose source gave none: the closest tier of its categories; `urgent-review` raises
/// `routine-coordination` to `safeguarding-critical`. `None` when there is no known category.
pub fn derived<'a>(categories: impl IntoIterator<Item = &'a str>, action: Option<&str>) -> Option<Tier> {
    let tier = categories
        .into_iter()
        .filter_map(|code| CATEGORIES.iter().find(|(known, _, _)| *known == code))
        .map(|(_, tier, _)| *tier)
        .max()?;
    Some(if action == Some("urgent-review") { tier.max(SafeguardingCritical) } else { tier })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tier_follows_from_category_and_action() {
        assert_eq!(derived(["child-in-need"], None), Some(RoutineCoordination));
        assert_eq!(derived(["child-in-need"], Some("urgent-review")), Some(SafeguardingCritical));
        assert_eq!(derived(["child-in-need", "honour-based-abuse"], Some("no-action")), Some(Restricted));
        assert_eq!(derived(["honour-based-abuse"], Some("urgent-review")), Some(Restricted));
        assert_eq!(derived(["made-up"], Some("urgent-review")), None);
        assert_eq!(derived([], None), None);
    }

    #[test]
    fn categories_are_those_of_the_code_system() {
        let text = include_str!("../../profiles/codesystems/concern-category.json");
        let system: serde_json::Value = serde_json::from_str(text).unwrap();
        let published: Vec<&str> =
            system["concept"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
        assert_eq!(published, categories().collect::<Vec<_>>());
    }

    #[test]
    fn an_unknown_category_is_treated_as_sensitive() {
        assert!(is_tip_off_sensitive("made-up"));
        assert!(!is_tip_off_sensitive("child-in-need"));
    }
}

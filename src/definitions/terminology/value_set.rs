//! One ValueSet, ready to answer.

use super::Membership;
use super::code_system::{CodeSystem, Content};
use crate::definitions::Set;
use crate::definitions::outside::{self, Form};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Which codes of a system are meant.
#[derive(Debug)]
pub(super) enum Codes {
    /// All.
    All,
    /// These.
    Listed(Set<Box<str>>),
    /// These, by position in the code system (what filters left over).
    Positions(Set<u32>),
    /// Cannot be told: why.
    Untold(String),
}

/// One include or exclude.
#[derive(Debug)]
pub(super) struct Part {
    pub system: Option<Box<str>>,
    pub version: Option<String>,
    pub definition: Option<Arc<CodeSystem>>,
    pub codes: Codes,
    /// Value sets that must all have the code too: the canonical, and the set when it is known.
    pub value_sets: Vec<(String, Option<Arc<ValueSet>>)>,
}

/// One ValueSet, ready to answer.
#[derive(Debug, Default)]
pub struct ValueSet {
    /// The canonical.
    pub url: String,
    /// The version.
    pub version: Option<String>,
    /// The computable name.
    pub name: String,
    /// The publication status.
    pub status: String,
    /// What its author did wrong, one sentence each; membership is unknown where that matters.
    pub problems: Vec<String>,
    pub(super) includes: Vec<Part>,
    pub(super) excludes: Vec<Part>,
    /// Whether inactive codes are left out (`compose.inactive` is false).
    pub(super) active_only: bool,
    /// Displays that the value set itself states: by system and code.
    pub(super) displays: HashMap<(Box<str>, Box<str>), Vec<String>>,
}

impl ValueSet {
    /// All codes of a code system.
    pub(super) fn whole(reference: &str, system: Arc<CodeSystem>) -> ValueSet {
        let part = Part {
            system: Some(system.url.clone().into_boxed_str()),
            version: None,
            definition: Some(system),
            codes: Codes::All,
            value_sets: Vec::new(),
        };
        ValueSet { url: reference.to_owned(), includes: vec![part], ..ValueSet::default() }
    }

    /// Whether the value set has a code. Without a system (the data type `code`) any system may hold it.
    #[inline]
    pub fn member(&self, system: Option<&str>, version: Option<&str>, code: &str) -> Membership {
        self.member_at(system, version, code, 0)
    }

    fn member_at(&self, system: Option<&str>, version: Option<&str>, code: &str, depth: usize) -> Membership {
        if depth > 16 {
            return Membership::Unknown("the value set imports others too deeply".into());
        }
        let any = |parts: &[Part]| {
            let mut answer = Membership::No(Cow::Borrowed("the value set does not have the code"));
            for part in parts {
                match part.member(self.active_only, system, version, code, depth) {
                    Membership::Yes => return Membership::Yes,
                    Membership::Unknown(reason) => answer = Membership::Unknown(reason),
                    Membership::No(reason) if matches!(answer, Membership::No(_)) && !reason.is_empty() => {
                        answer = Membership::No(reason);
                    }
                    Membership::No(_) => {}
                }
            }
            answer
        };
        let included = any(&self.includes);
        if self.excludes.is_empty() || matches!(included, Membership::No(_)) {
            return included;
        }
        match any(&self.excludes) {
            Membership::Yes => Membership::No("the value set excludes the code".into()),
            Membership::No(_) => included,
            unknown => unknown,
        }
    }

    /// Whether any part of the value set takes codes of this system, so that a code of another system is surely not
    /// in it. Value sets it imports count; one that is not loaded may take any system.
    pub fn takes_system(&self, system: &str) -> bool {
        self.includes.iter().any(|part| match &part.system {
            Some(own) => **own == *system,
            None => {
                part.value_sets.iter().all(|(_, set)| set.as_ref().is_none_or(|set| set.takes_system(system)))
            }
        })
    }

    /// The systems that the includes name.
    pub fn systems(&self) -> Vec<&str> {
        self.includes.iter().filter_map(|part| part.system.as_deref()).collect()
    }

    /// The displays that the value set itself gives to a code.
    pub fn displays(&self, system: &str, code: &str) -> &[String] {
        self.displays.get(&(system.into(), code.into())).map_or(&[], Vec::as_slice)
    }

    /// The codes, when all can be listed, up to `most`: system and code. For messages and choice lists.
    pub fn codes(&self, most: usize) -> Option<Vec<(String, String)>> {
        let mut out = Vec::new();
        for part in &self.includes {
            if part.value_sets.iter().any(|(_, set)| set.is_none()) {
                return None;
            }
            let listed = part.listed(most)?;
            for (system, code) in listed {
                if self.member(Some(&system), None, &code).is_yes() {
                    out.push((system, code));
                }
            }
            if out.len() > most {
                return None;
            }
        }
        Some(out)
    }
}

impl Part {
    fn listed(&self, most: usize) -> Option<Vec<(String, String)>> {
        let Some(system) = self.system.as_deref() else {
            let (_, first) = self.value_sets.first()?;
            return first.as_ref()?.codes(most);
        };
        let of = |code: &str| (system.to_owned(), code.to_owned());
        let known = self.definition.as_ref();
        Some(match &self.codes {
            Codes::All => {
                let complete = known.filter(|known| known.content == Content::Complete)?;
                complete.concepts().iter().map(|concept| of(&concept.code)).collect()
            }
            Codes::Listed(codes) => codes.iter().map(|code| of(code)).collect(),
            Codes::Positions(positions) => {
                let concepts = known?.concepts();
                positions
                    .iter()
                    .filter_map(|at| concepts.get(*at as usize))
                    .map(|concept| of(&concept.code))
                    .collect()
            }
            Codes::Untold(_) => return None,
        })
    }

    fn member(
        &self,
        active_only: bool,
        system: Option<&str>,
        version: Option<&str>,
        code: &str,
        depth: usize,
    ) -> Membership {
        const OTHER: Membership = Membership::No(Cow::Borrowed(""));
        if let Some(own) = self.system.as_deref() {
            if system.is_some_and(|system| system != own) {
                return OTHER;
            }
            if let (Some(own), Some(theirs)) = (self.version.as_deref(), version)
                && own != theirs
            {
                return Membership::No("the value set takes another version of the code system".into());
            }
            match self.of_system(own, active_only, code) {
                Membership::Yes => {}
                other => return other,
            }
        }
        let mut answer = Membership::Yes;
        for (url, set) in &self.value_sets {
            let one = match set {
                Some(set) => set.member_at(system, version, code, depth + 1),
                None => Membership::Unknown(format!("the value set `{url}` is not loaded").into()),
            };
            match one {
                Membership::Yes => {}
                Membership::No(reason) => return Membership::No(reason),
                unknown => answer = unknown,
            }
        }
        answer
    }

    #[inline]
    fn of_system(&self, system: &str, active_only: bool, code: &str) -> Membership {
        let known = self.definition.as_deref();
        match &self.codes {
            Codes::Listed(codes) if codes.contains(code) => return Membership::Yes,
            Codes::Listed(codes) => {
                // A system that does not mind case takes the code all the same.
                let canonical =
                    known.and_then(|known| known.lookup(code)).map(|concept| concept.code.as_str());
                return match canonical {
                    Some(canonical) if canonical != code && codes.contains(canonical) => Membership::Yes,
                    _ => Membership::No("the value set does not list the code".into()),
                };
            }
            Codes::Untold(reason) => {
                return match in_system(system, known, code) {
                    Membership::No(reason) => Membership::No(reason),
                    _ => Membership::Unknown(reason.clone().into()),
                };
            }
            Codes::All | Codes::Positions(_) => {}
        }
        let Some((at, known)) = known.and_then(|known| Some((known.position(code)?, known))) else {
            return match (&self.codes, in_system(system, known, code)) {
                (Codes::Positions(_), Membership::Yes) => {
                    Membership::No("the filters leave the code out".into())
                }
                (_, answer) => answer,
            };
        };
        if let Codes::Positions(positions) = &self.codes
            && !positions.contains(&at)
        {
            return Membership::No("the filters of the value set leave the code out".into());
        }
        if active_only && known.concepts().get(at as usize).is_some_and(|concept| concept.is_inactive) {
            return Membership::No("the value set takes active codes only".into());
        }
        Membership::Yes
    }
}

/// Whether a code system has a code.
pub(crate) fn in_system(system: &str, known: Option<&CodeSystem>, code: &str) -> Membership {
    let content = known.map_or(Content::NotPresent, |known| known.content);
    if known.is_some_and(|known| known.lookup(code).is_some()) {
        return Membership::Yes;
    }
    match content {
        Content::Complete => {
            Membership::No(format!("the code system `{system}` does not have the code").into())
        }
        Content::Fragment => {
            Membership::Unknown(format!("only a fragment of the code system `{system}` is loaded").into())
        }
        Content::Example => {
            Membership::Unknown(format!("only examples of the code system `{system}` are loaded").into())
        }
        Content::NotPresent | Content::Supplement => match outside::check(system, code) {
            Form::Sound => Membership::Yes,
            Form::Broken(reason) => Membership::No(reason.into()),
            Form::Plausible => Membership::Unknown(
                format!("the form of the code was checked, but the code system `{system}` is not loaded")
                    .into(),
            ),
            Form::UnknownSystem => {
                Membership::Unknown(format!("the code system `{system}` is not loaded").into())
            }
        },
    }
}

impl crate::definitions::Definitions {
    /// Whether a code system has a code: decided by its definition, or by the form of the code for outside systems.
    pub fn has_code(&self, system: &str, code: &str) -> Membership {
        in_system(system, self.code_system(system).as_deref(), code)
    }
}

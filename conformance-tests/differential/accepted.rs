//! Differences with the reference validator that are accepted, each with its reason.

/// One mutant on which the two disagree.
pub struct Difference {
    /// What was done to which seed.
    pub what: String,
    /// Whether ours found it valid.
    pub ours: bool,
    /// The rules that ours found broken.
    pub rules: Vec<String>,
    /// What the reference found: the texts of its errors, or of its failure.
    pub theirs: Vec<String>,
    /// Whether the reference gave up on the content.
    pub aborted: bool,
}

/// The reason why a difference is accepted, where it is.
pub fn reason(difference: &Difference) -> Option<&'static str> {
    let rule = |name: &str| !difference.ours && difference.rules.iter().all(|rule| rule == name);
    let any = |names: &[&str]| {
        !difference.ours
            && difference.rules.iter().all(|rule| names.iter().any(|name| rule.starts_with(name)))
    };
    if difference.aborted && !difference.ours {
        return Some("the reference gives up on it: content that cannot be read is invalid");
    }
    if difference.what.contains("***") || rule("primitive-base64Binary") {
        return Some("the reference takes `***` for base64");
    }
    if any(&["reference-type", "reference-target"]) {
        return Some(
            "the type that a reference's URL names must be one of the allowed targets; the reference looks only at what it can resolve",
        );
    }
    if any(&["duplicate-key"]) {
        return Some("a member that stands twice is refused at any depth; the reference keeps the last");
    }
    None
}

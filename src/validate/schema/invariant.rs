//! Invariants, parsed once. The commonest are recognised and checked without the evaluator.

use crate::fhirpath::Expression;

/// An invariant of some definition.
#[derive(Debug)]
pub(in super::super) struct Invariant {
    pub key: Box<str>,
    pub is_error: bool,
    pub human: Box<str>,
    /// The canonical of the definition that states it.
    pub source: Box<str>,
    pub test: Test,
}

/// How an invariant is checked.
#[derive(Debug)]
pub(in super::super) enum Test {
    /// By code of ours; the expression where that cannot tell.
    Native(Native, Box<Expression>),
    /// By evaluating its expression.
    Expression(Box<Expression>),
    /// Its expression is not FHIRPath: why.
    Unusable(String),
}

/// Invariants checked by code of ours; a test compares each with the evaluator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Native {
    /// `dom-2`: contained resources contain none.
    NotNested,
    /// `dom-3`: contained resources are referred to.
    Referred,
    /// `dom-4`: contained resources have no version or time of update.
    Unversioned,
    /// `dom-5`: contained resources have no security label.
    Unlabelled,
    /// `dom-6`: there is a narrative.
    Narrated,
    /// `ref-1`: a local reference is to a contained resource.
    Local,
    /// `per-1`: a period does not end before it starts.
    Ordered,
    /// `qty-3`: a unit's code has a system.
    CodeHasSystem,
}

/// The invariant's own code, if both its key and its expression are known.
pub(super) fn native(key: &str, expression: &str) -> Option<Native> {
    let same = |known: &str| expression.split_whitespace().eq(known.split_whitespace());
    Some(match key {
        "dom-2" if same("contained.contained.empty()") => Native::NotNested,
        "dom-3"
            if same(
                "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
            ) =>
        {
            Native::Referred
        }
        "dom-4" if same("contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()") => {
            Native::Unversioned
        }
        "dom-5" if same("contained.meta.security.empty()") => Native::Unlabelled,
        "dom-6" if same("text.`div`.exists()") => Native::Narrated,
        "ref-1"
            if same(
                "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
            ) =>
        {
            Native::Local
        }
        "per-1" if same("start.hasValue().not() or end.hasValue().not() or (start <= end)") => {
            Native::Ordered
        }
        "qty-3" if same("code.empty() or system.exists()") => Native::CodeHasSystem,
        _ => return None,
    })
}

/// Whether the walk itself checks the invariant at every element.
pub(super) fn is_walked(key: &str, expression: &str) -> bool {
    match key {
        "ele-1" => expression.starts_with("hasValue() or (children().count() > id.count())"),
        "ext-1" => expression == "extension.exists() != value.exists()",
        "txt-1" => expression == "htmlChecks()",
        "txt-2" => expression == "htmlChecks()",
        _ => false,
    }
}

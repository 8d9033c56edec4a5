//! Which elements of XHTML stand within which: the content models of XHTML 1.0 as far as HL7 holds narratives to them.
//!
//! Implements <https://hl7.org/fhir/R4/narrative.html#xhtml> ("a limited set of XHTML"), chapters 7 to 11, 13 and 15.

use roxmltree::Node;

/// Elements that hold text only: no block stands in them.
const TEXT: &[&str] = &[
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "caption", "cite", "code", "dd", "dfn", "dt", "em",
    "h1", "h2", "h3", "h4", "h5", "h6", "i", "kbd", "p", "pre", "q", "samp", "small", "span", "strong",
    "sub", "sup", "tt", "var",
];

/// Blocks that do not stand in text.
const BLOCKS: &[&str] = &["div", "ol", "pre", "table", "ul"];

/// Elements that do not hold themselves.
const ONCE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "dfn", "em", "i", "kbd", "q", "samp", "small",
    "strong", "sub", "sup", "tt", "var",
];

/// Elements that hold nothing.
const EMPTY: &[&str] = &["area", "br", "hr", "img"];

/// Elements that hold some others only, and no text.
const HOLDERS: &[(&str, &[&str])] = &[
    ("dl", &["dd", "dt"]),
    ("map", &["area"]),
    ("ol", &["li"]),
    ("table", &["caption", "col", "colgroup", "tbody", "tfoot", "thead", "tr"]),
    ("tbody", &["tr"]),
    ("tfoot", &["tr"]),
    ("thead", &["tr"]),
    ("tr", &["td", "th"]),
    ("ul", &["li"]),
];

/// Elements that stand in some others only.
const PLACES: &[(&str, &[&str])] = &[
    ("caption", &["table"]),
    ("col", &["colgroup", "table"]),
    ("colgroup", &["table"]),
    ("dd", &["dl"]),
    ("dt", &["dl"]),
    ("li", &["ol", "ul"]),
    ("tbody", &["table"]),
    ("td", &["tfoot", "thead", "tr"]),
    ("tfoot", &["table"]),
    ("th", &["tfoot", "thead", "tr"]),
    ("thead", &["table"]),
    ("tr", &["table", "tbody", "tfoot", "thead"]),
];

fn listed<'l>(table: &'l [(&str, &'l [&'l str])], name: &str) -> Option<&'l [&'l str]> {
    table.iter().find(|(known, _)| *known == name).map(|(_, names)| *names)
}

/// What is wrong with the place or the content of an allowed element; names of elements only, never text.
pub(super) fn misplaced(node: Node<'_, '_>) -> Vec<String> {
    let name = node.tag_name().name();
    let mut found = Vec::new();
    let above = || node.ancestors().skip(1).filter(|one| one.is_element()).map(|one| one.tag_name().name());
    if let Some(places) = listed(PLACES, name)
        && above().next().is_none_or(|parent| !places.contains(&parent))
    {
        found.push(format!("`{name}` must stand in `{}`", places.join("` or `")));
    }
    if BLOCKS.contains(&name)
        && let Some(outer) = above().find(|outer| TEXT.contains(outer))
    {
        found.push(format!("`{name}` must not stand within `{outer}`"));
    }
    if ONCE.contains(&name) && above().any(|outer| outer == name) {
        found.push(format!("`{name}` must not stand within itself"));
    }
    let says = |child: &Node<'_, '_>| {
        child.is_element() || child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty())
    };
    if EMPTY.contains(&name) && node.has_children() {
        found.push(format!("`{name}` must be empty"));
    }
    if let Some(held) = listed(HOLDERS, name)
        && node.children().filter(says).any(|child| !held.contains(&child.tag_name().name()))
    {
        found.push(format!("`{name}` holds `{}` only", held.join("`, `")));
    }
    found
}

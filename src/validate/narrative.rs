//! The narrative: one XHTML `div` with nothing in it that could do harm.
//!
//! Implements <https://hl7.org/fhir/R4/narrative.html#xhtml>.

use roxmltree::{Document, Node, NodeType};

/// One thing that is wrong with a narrative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not one well-formed `div`.
    Xml(String),
    /// It holds an element or attribute that is not allowed.
    Element(String),
    /// A link has a scheme that is not allowed.
    Link(String),
    /// It says nothing.
    Empty,
}

/// What was found in a narrative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub flaws: Vec<Flaw>,
    /// The fragments that links in it lead to (`href="#x"`).
    pub links: Vec<String>,
    /// The ids and anchor names in it.
    pub ids: Vec<String>,
    /// The languages of its sections: `div` elements directly within it with a language.
    pub languages: Vec<String>,
}

const XHTML: &str = "http://www.w3.org/1999/xhtml";

const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "axis",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "headers",
    "id",
    "lang",
    "rowspan",
    "scope",
    "span",
    "style",
    "tabindex",
    "title",
    "valign",
    "width",
    "xml:lang",
    "xml:space",
];

/// Attributes that only one element may have.
const OWN: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("img", &["alt", "border", "height", "ismap", "longdesc", "src", "usemap", "width"]),
    ("map", &["name"]),
    ("pre", &["space"]),
    ("q", &["cite"]),
    ("table", &["border", "cellpadding", "cellspacing", "frame", "rules", "summary", "width"]),
    ("td", &["nowrap"]),
];

const SCHEMES: &[&str] = &["http", "https", "mailto", "tel", "data", "cid", "ftp"];

/// Looks at a narrative as it is written.
pub(super) fn look(source: &str) -> Content {
    if super::plain::is_plain(source) { Content::default() } else { read(source) }
}

/// Reads a narrative of any kind.
pub(super) fn read(source: &str) -> Content {
    let mut content = Content::default();
    let document = match Document::parse(source) {
        Ok(document) => document,
        Err(error) => {
            content.flaws.push(Flaw::Xml(reason(&error)));
            return content;
        }
    };
    let root = document.root_element();
    if root.tag_name().name() != "div" {
        content.flaws.push(Flaw::Xml("the narrative must be a `div`".into()));
    }
    if root.tag_name().namespace() != Some(XHTML) {
        content.flaws.push(Flaw::Xml(format!("the narrative must be in the namespace `{XHTML}`")));
    }
    for child in root.children().filter(|child| child.is_element() && child.tag_name().name() == "div") {
        let language = child
            .attribute(("http://www.w3.org/XML/1998/namespace", "lang"))
            .or_else(|| child.attribute("lang"));
        content.languages.extend(language.map(str::to_owned));
    }
    let mut says = false;
    for node in document.descendants() {
        match node.node_type() {
            NodeType::Element => {
                says |= node.tag_name().name() == "img";
                element(node, &mut content);
            }
            NodeType::Text => says |= node.text().is_some_and(|text| !text.trim().is_empty()),
            NodeType::PI => {
                content.flaws.push(Flaw::Element("a processing instruction is not allowed".into()))
            }
            NodeType::Root | NodeType::Comment => {}
        }
    }
    if !says {
        content.flaws.push(Flaw::Empty);
    }
    content
}

/// Why a narrative is not XML, without any of its text.
fn reason(error: &roxmltree::Error) -> String {
    match error {
        roxmltree::Error::UnknownEntityReference(..) => {
            "an entity that XML does not predefine is used".into()
        }
        roxmltree::Error::DtdDetected => "a document type declaration is not allowed".into(),
        roxmltree::Error::UnknownNamespace(..) => "a namespace prefix is not declared".into(),
        roxmltree::Error::DuplicatedAttribute(..) => "an attribute stands twice".into(),
        roxmltree::Error::UnexpectedCloseTag(..) | roxmltree::Error::UnclosedRootNode => {
            "tags do not match".into()
        }
        _ => "the narrative is not well-formed XML".into(),
    }
}

fn element(node: Node<'_, '_>, content: &mut Content) {
    let name = node.tag_name().name();
    if node.tag_name().namespace() != Some(XHTML) && node.parent_element().is_some() {
        content.flaws.push(Flaw::Xml(format!("`{}` is not in the namespace of XHTML", known(name))));
    }
    if ELEMENTS.binary_search(&name).is_err() {
        content.flaws.push(Flaw::Element(format!("the element `{}` is not allowed", plain(name))));
    } else {
        content.flaws.extend(super::xhtml::misplaced(node).into_iter().map(Flaw::Element));
    }
    let own = OWN.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, attributes)| attributes);
    for attribute in node.attributes() {
        let prefix = match attribute.namespace() {
            Some("http://www.w3.org/XML/1998/namespace") => "xml:",
            Some(_) => "?:",
            None => "",
        };
        let full = format!("{prefix}{}", attribute.name());
        if ATTRIBUTES.binary_search(&full.as_str()).is_err() && !own.contains(&full.as_str()) {
            content.flaws.push(Flaw::Element(format!(
                "the attribute `{}` is not allowed on `{}`",
                plain(&full),
                plain(name)
            )));
        }
        match (name, attribute.name()) {
            ("a" | "area", "href") | ("img", "src") => link(attribute.value(), content),
            (_, "id") => content.ids.push(attribute.value().to_owned()),
            ("a" | "map", "name") => content.ids.push(attribute.value().to_owned()),
            _ => {}
        }
    }
    let block = matches!(name, "blockquote" | "p");
    if block && node.ancestors().skip(1).any(|above| above.is_element() && above.tag_name().name() == "p") {
        content.flaws.push(Flaw::Element(format!("`{name}` must not stand within a paragraph")));
    }
}

fn link(target: &str, content: &mut Content) {
    if let Some(fragment) = target.strip_prefix('#') {
        if !fragment.is_empty() {
            content.links.push(fragment.to_owned());
        }
        return;
    }
    if target.is_empty() {
        content.flaws.push(Flaw::Link("a link must not be empty".into()));
        return;
    }
    if !super::references::is_absolute(target) {
        return;
    }
    let scheme = target.split(':').next().unwrap_or("").to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        content.flaws.push(Flaw::Link(format!("the scheme `{}` of a link is not allowed", plain(&scheme))));
    }
}

/// A name for a message: one that is made of letters only cannot be a patient's value of any length.
fn plain(name: &str) -> &str {
    let fine = name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'?'));
    if fine { name } else { "…" }
}

fn known(name: &str) -> &str {
    plain(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(inner: &str) -> Vec<Flaw> {
        look(&format!("<div xmlns=\"{XHTML}\">{inner}</div>")).flaws
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    #[test]
    fn allows_plain_text_and_tables() {
        assert_eq!(
            flaws("<p id=\"a\">x <b>y</b></p><table border=\"1\"><tr><td nowrap=\"x\">1</td></tr></table>"),
            vec![]
        );
        let content = look(&format!(
            "<div xmlns=\"{XHTML}\"><a href=\"#b\" name=\"n\">x</a><div xml:lang=\"de\">y</div></div>"
        ));
        assert_eq!(content.links, ["b"]);
        assert_eq!(content.ids, ["n"]);
        assert_eq!(content.languages, ["de"]);
    }

    #[test]
    fn refuses_what_could_do_harm() {
        for inner in [
            "<script>x</script>",
            "<p onclick=\"x\">x</p>",
            "<a href=\"javascript:x\">x</a>",
            "<img src=\"urn:x\"/>",
            " ",
            "<p>x",
            "x&reg;",
            "<p xmlns=\"urn:x\">x</p>",
            "<?pi x?>x",
            "<p><p>x</p></p>",
            "<form>x</form>",
            "<a href=\"\">x</a>",
        ] {
            assert!(!flaws(inner).is_empty(), "{inner}");
        }
        assert!(!look("<div>x</div>").flaws.is_empty());
        assert!(!look("<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>").flaws.is_empty());
        assert!(!look("<!DOCTYPE div><div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>").flaws.is_empty());
    }
}

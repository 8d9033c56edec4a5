//! Narratives of the plainest kind, recognised in one reading without building a document.
//!
//! What is recognised here is surely without a flaw, a link or an id; for anything else the narrative is read in full.

/// Elements that may stand anywhere, with nothing but the attributes below.
const INLINE: &[&str] = &["b", "br", "code", "em", "i", "small", "span", "strong", "sub", "sup"];
/// Elements that must not stand within a paragraph, or need no watching.
const BLOCK: &[&str] = &[
    "blockquote",
    "dd",
    "div",
    "dl",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];
/// Elements that hold elements only.
const HOLDERS: &[&str] = &["dl", "ol", "table", "tbody", "tfoot", "thead", "tr", "ul"];
/// Elements that hold any other that may stand anywhere, and text.
const OPEN: &[&str] = &["blockquote", "div", "li", "td", "th"];
const ATTRIBUTES: &[&str] = &["class", "style", "title"];
const START: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\">";
const DEEPEST: usize = 24;

/// Whether a narrative is surely sound, and has neither links nor ids nor languages.
pub(super) fn is_plain(source: &str) -> bool {
    let Some(inside) = source.strip_prefix(START) else { return false };
    Reader { text: inside, open: [""; DEEPEST], depth: 0, paragraph: false, says: false }.read() == Some(())
}

struct Reader<'t> {
    text: &'t str,
    /// The elements that are open within the first `div`.
    open: [&'t str; DEEPEST],
    depth: usize,
    paragraph: bool,
    says: bool,
}

impl<'t> Reader<'t> {
    /// Reads to the end; nothing when it is not plain.
    fn read(&mut self) -> Option<()> {
        loop {
            let at = memchr::memchr(b'<', self.text.as_bytes())?;
            let (words, rest) = self.text.split_at_checked(at)?;
            self.words(words)?;
            if let Some(rest) = rest.strip_prefix("</") {
                let (name, rest) = rest.split_once('>')?;
                self.text = rest;
                if self.depth == 0 {
                    return (name == "div" && rest.is_empty() && self.says).then_some(());
                }
                self.depth -= 1;
                if self.open.get(self.depth) != Some(&name) {
                    return None;
                }
                self.paragraph &= name != "p";
            } else {
                self.start(rest.strip_prefix('<')?)?;
            }
        }
    }

    /// Text between tags: no entity but XML's own, no character that XML does not allow.
    fn words(&mut self, words: &str) -> Option<()> {
        let mut rest = words;
        while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
            let (_, entity) = rest.split_at_checked(at + 1)?;
            let (name, after) = entity.split_once(';')?;
            if !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") {
                return None;
            }
            self.says = true;
            rest = after;
        }
        if !words.is_ascii()
            || words.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
        {
            return None;
        }
        // `]]>` must not stand in text.
        if memchr::memchr(b']', words.as_bytes()).is_some() {
            return None;
        }
        if words.bytes().any(|byte| !byte.is_ascii_whitespace()) {
            self.says = true;
            if HOLDERS.contains(&self.parent()) {
                return None;
            }
        }
        Some(())
    }

    /// The element that is open.
    fn parent(&self) -> &'t str {
        self.depth.checked_sub(1).and_then(|top| self.open.get(top)).copied().unwrap_or("div")
    }

    /// Whether an element surely may stand where the reader is; what is less plain is left to the full reading.
    fn stands(&self, name: &str) -> bool {
        match name {
            "li" => matches!(self.parent(), "ol" | "ul"),
            "dd" | "dt" => self.parent() == "dl",
            "tbody" | "tfoot" | "thead" => self.parent() == "table",
            "tr" => matches!(self.parent(), "table" | "tbody" | "tfoot" | "thead"),
            "td" | "th" => self.parent() == "tr",
            "br" => !HOLDERS.contains(&self.parent()),
            _ if INLINE.contains(&name) => {
                !HOLDERS.contains(&self.parent())
                    && !self.open.iter().take(self.depth).any(|open| *open == name)
            }
            _ => OPEN.contains(&self.parent()),
        }
    }

    /// A start tag.
    fn start(&mut self, tag: &'t str) -> Option<()> {
        let end = tag.bytes().position(|byte| !byte.is_ascii_alphanumeric())?;
        let (name, mut rest) = tag.split_at_checked(end)?;
        let block = BLOCK.contains(&name);
        if !(block || INLINE.contains(&name)) || (block && self.paragraph) || !self.stands(name) {
            return None;
        }
        let mut seen = [""; 3];
        let mut count = 0;
        while let Some(attribute) = rest.strip_prefix(' ') {
            if attribute.starts_with("/>") {
                rest = attribute;
                break;
            }
            let (key, value) = attribute.split_once("=\"")?;
            let (value, after) = value.split_once('"')?;
            let fine = value.bytes().all(|byte| (b' '..0x7f).contains(&byte) && !matches!(byte, b'<' | b'&'));
            if !fine || !ATTRIBUTES.contains(&key) || seen.contains(&key) {
                return None;
            }
            *seen.get_mut(count)? = key;
            count += 1;
            rest = after;
        }
        if let Some(rest) = rest.strip_prefix("/>") {
            self.text = rest;
            return Some(());
        }
        if matches!(name, "br" | "hr") {
            return None;
        }
        self.text = rest.strip_prefix('>')?;
        *self.open.get_mut(self.depth)? = name;
        self.depth += 1;
        self.paragraph |= name == "p";
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::narrative::{Content, read};
    use proptest::prelude::*;

    fn narrative(inner: &str) -> String {
        format!("{START}{inner}</div>")
    }

    #[test]
    fn plain_narratives_are_recognised() {
        for inner in [
            "Child protection plan",
            "<p>a <b>b</b><br/><br /></p><table class=\"grid\"><tbody><tr><td>1 &amp; 2</td></tr></tbody></table>",
            "<ul><li style=\"color: red\" title=\"x\">a</li></ul>\n",
        ] {
            assert!(is_plain(&narrative(inner)), "{inner}");
        }
        for inner in [
            "",
            " ",
            "<p>a</b></p>",
            "<a href=\"x\">y</a>",
            "<p><p>x</p></p>",
            "<p id=\"a\">x</p>",
            "&nbsp;x",
            "x]]>",
        ] {
            assert!(!is_plain(&narrative(inner)), "{inner}");
        }
        assert!(!is_plain("<div>x</div>") && !is_plain(&format!("{}x", narrative("x"))));
    }

    proptest! {
        /// Whatever is called plain is found without a flaw by the reader that builds a document.
        #[test]
        fn what_is_plain_is_sound(parts in prop::collection::vec(prop::sample::select(vec![
            "<p>", "</p>", "<b>", "</b>", "<br/>", "<div>", "</div>", "<td class=\"a\">", "<td class=\"a\" class=\"b\">",
            "</td>", "a", " ", "&amp;", "&nbsp;", "&", "]]>", "<", ">", "\"", "<p", " class=\"x\"", "/>", "<!-- x -->", "\u{1}",
            "é", "<span style='x'>", "</span>", "<ul>", "<li>", "</li>", "</ul>", "<span title=\"<\">", "<script>", "<a href=\"#a\">", "</a>", "<div xml:lang=\"de\">",
        ]), 0..9)) {
            let source = narrative(&parts.concat());
            if is_plain(&source) {
                prop_assert_eq!(read(&source), Content::default(), "{}", source);
            }
        }
    }
}

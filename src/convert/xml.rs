//! XML read into a [`Tree`]: elements, attributes and texts, with their namespaces.
//!
//! A DTD is refused (`roxmltree` resolves no entity beyond the five of XML), so no document can grow or reach out.

use super::tree::{Notation, ROOT, Tree};
use super::{Limits, Unreadable};
use roxmltree::{Document, Node, NodeType, ParsingOptions};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep elements may nest.
const DEPTH: usize = 64;

/// Parses a document; the error is its place.
pub fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, Unreadable> {
    if text.len() > limits.bytes {
        return Err(Unreadable::TooLarge { limit: limits.bytes });
    }
    let nodes = u32::try_from(limits.values).unwrap_or(u32::MAX);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: nodes, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let place = error.pos();
        Unreadable::Xml { line: place.row, column: place.col }
    })
}

/// The tree of a document.
///
/// An element with text alone is itself the value; in mixed content each text is a child named `#text`. Space alone is
/// no value. Namespace declarations, comments and processing instructions are not part of the content.
pub fn tree<'d>(document: &'d Document<'d>, limits: &Limits) -> Result<Tree<'d>, Unreadable> {
    let mut tree = Tree::new(Notation::Xml, 256);
    fill(&mut tree, ROOT, document.root_element(), &mut HashMap::new(), limits, 0)?;
    Ok(tree)
}

fn fill<'d>(
    tree: &mut Tree<'d>,
    parent: u32,
    element: Node<'d, 'd>,
    counts: &mut HashMap<(u32, &'d str), u32>,
    limits: &Limits,
    depth: usize,
) -> Result<(), Unreadable> {
    if tree.len() > limits.values {
        return Err(Unreadable::TooManyValues { limit: limits.values });
    }
    if depth > DEPTH {
        let place = element.document().text_pos_at(element.range().start);
        return Err(Unreadable::Xml { line: place.row, column: place.col });
    }
    let name = element.tag_name();
    let ordinal = counts.entry((parent, name.name())).or_insert(0);
    *ordinal += 1;
    let id = tree.push(parent, name.name(), *ordinal, element.range().start);
    if let Some(node) = tree.node_mut(id) {
        node.space = name.namespace().unwrap_or_default();
    }
    for attribute in element.attributes() {
        let child = tree.push(id, attribute.name(), 1, attribute.range().start);
        if let Some(node) = tree.node_mut(child) {
            node.attribute = true;
            node.space = attribute.namespace().unwrap_or_default();
            node.text = Some(Cow::Borrowed(attribute.value())).filter(|t| !t.trim().is_empty());
        }
    }
    let simple =
        element.children().all(|c| c.node_type() != NodeType::Element) && element.attributes().len() == 0;
    let mut texts = 1;
    for child in element.children() {
        match child.node_type() {
            NodeType::Element => fill(tree, id, child, counts, limits, depth + 1)?,
            NodeType::Text => {
                let text = child.text().unwrap_or_default();
                if text.trim().is_empty() {
                    continue;
                }
                let whole = simple && element.children().filter(|c| c.is_text()).count() == 1;
                let at = if whole { id } else { tree.push(id, "#text", texts, child.range().start) };
                texts += 1;
                if let Some(node) = tree.node_mut(at) {
                    node.text = Some(Cow::Borrowed(text));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

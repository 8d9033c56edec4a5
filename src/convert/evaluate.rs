//! A mapping applied to a source: which resources it makes, element by element, and what became of each value.

use super::consequence::Consequence;
use super::ledger::{Marks, Reason, Target};
use super::model::{Block, From, Mapping, Part, Rule, Shape};
use super::path::Path;
use super::tree::{NodeId, Notation, ROOT, Tree};
use super::value::{Given, become_value};
use super::{Context, Source, flag, identity};
use crate::fhir::Issue;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// What the sender writes for "delete this value" (HL7 v2.5.1 section 2.7.1).
pub(super) const DELETED: &str = "\"\"";

/// How deep references between blocks may lead.
const DEPTH: usize = 8;

/// One resource being made.
pub(super) struct Made {
    pub(super) block: Option<usize>,
    pub(super) at: NodeId,
    pub(super) resource_type: String,
    pub(super) id: Uuid,
    pub(super) fact: bool,
    pub(super) resource: Map<String, Value>,
}

impl Made {
    pub(super) fn reference(&self) -> String {
        super::object::reference(&self.resource_type, self.id)
    }
}

/// The state of one conversion.
pub(super) struct Engine<'e, 'a> {
    pub(super) mapping: &'e Mapping,
    pub(super) tree: &'e Tree<'a>,
    pub(super) source: &'e Source,
    pub(super) context: &'e Context,
    pub(super) marks: Marks,
    pub(super) issues: Vec<Issue>,
    pub(super) made: Vec<Option<Made>>,
    pub(super) patient: Option<usize>,
    /// The record that is converted: the root, or one of many.
    pub(super) scope: NodeId,
    pub(super) consequences: Vec<Consequence>,
    depth: usize,
}

impl<'e, 'a> Engine<'e, 'a> {
    pub(super) fn new(
        mapping: &'e Mapping,
        tree: &'e Tree<'a>,
        source: &'e Source,
        context: &'e Context,
    ) -> Engine<'e, 'a> {
        let mut marks = Marks::new(tree);
        if tree.notation == Notation::Er7 {
            for (id, _) in tree.values().filter(|(_, n)| n.text.as_deref() == Some(DELETED)) {
                marks.dropped(id, Reason::EmptyBySender);
            }
        }
        Engine {
            mapping,
            tree,
            source,
            context,
            marks,
            issues: Vec::new(),
            made: Vec::new(),
            patient: None,
            scope: ROOT,
            consequences: Vec::new(),
            depth: 0,
        }
    }

    /// Makes every fact with what it refers to. Without a fact nothing is made: the gateway holds no patient for
    /// whom there is nothing to say.
    pub(super) fn run(&mut self) {
        let mapping = self.mapping;
        self.replaced();
        for (index, block) in mapping.blocks.iter().enumerate().filter(|(_, b)| b.fact) {
            for at in self.contexts(block, self.scope) {
                if self.made.len() >= self.context.limits.facts * 4 {
                    let text = format!("one submission may hold up to {} facts", self.context.limits.facts);
                    self.issues.push(Issue::error("too-costly", "too-many-facts", self.tree.place(at), text));
                    return;
                }
                self.make(index, at);
            }
        }
        self.born();
        self.drops();
        self.critical();
    }

    pub(super) fn contexts(&self, block: &Block, here: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        match &block.each {
            Some(path) => path.visit(self.tree, here, &mut |id| {
                found.push(id);
                true
            }),
            None => found.push(self.scope),
        }
        found.retain(|at| block.when.as_ref().is_none_or(|c| self.test(c, *at)));
        found
    }

    /// Makes one resource of a block; the index of what was made, if something was.
    pub(super) fn make(&mut self, index: usize, at: NodeId) -> Option<usize> {
        let known =
            self.made.iter().position(|m| m.as_ref().is_some_and(|m| m.block == Some(index) && m.at == at));
        if known.is_some() {
            return known;
        }
        if self.depth >= DEPTH {
            return None;
        }
        let mapping = self.mapping;
        let block = mapping.blocks.get(index)?;
        let slot = self.made.len();
        self.made.push(None);
        self.depth += 1;
        let made = self.build_block(index, block, at, slot);
        self.depth -= 1;
        let Some(made) = made else {
            let gone = u32::try_from(slot).unwrap_or(u32::MAX);
            self.marks.retract(|m| m != gone);
            return None;
        };
        if let Some(same) = self.made.iter().position(|m| {
            m.as_ref().is_some_and(|m| m.id == made.id && m.resource_type == made.resource_type)
        }) {
            return self.again(same, made, slot);
        }
        if made.resource_type == "Patient" && self.patient.is_none() {
            self.patient = Some(slot);
        }
        if let Some(place) = self.made.get_mut(slot) {
            *place = Some(made);
        }
        Some(slot)
    }

    /// The same fact twice in one message: once if it says the same, refused if it contradicts itself.
    fn again(&mut self, same: usize, made: Made, slot: usize) -> Option<usize> {
        let equal = self.made.get(same).and_then(Option::as_ref).is_some_and(|m| m.resource == made.resource);
        if made.fact && !equal {
            let text = "the same fact is sent twice with different content; the mapping's `identity` must tell them apart";
            self.issues.push(Issue::error(
                "conflict",
                "fact-contradicts-itself",
                self.tree.place(made.at),
                text,
            ));
        }
        let (from, to) = (u32::try_from(slot).unwrap_or(u32::MAX), u32::try_from(same).unwrap_or(u32::MAX));
        self.marks.redirect(from, to);
        Some(same)
    }

    fn build_block(&mut self, index: usize, block: &'e Block, at: NodeId, slot: usize) -> Option<Made> {
        let skipped = block.concern.as_ref().is_some_and(|c| flag::is_skipped(self, c, at));
        if skipped {
            return None;
        }
        let mut resource = super::object::map([("resourceType", block.resource_type.as_str().into())], 14);
        let mut real = false;
        if let Shape::Object(members) = &block.shape {
            for (name, shape) in members {
                if let Some(given) = self.build(shape, at, slot) {
                    real |= given.real;
                    resource.insert(name.clone(), given.value);
                }
            }
        }
        let mut key = Vec::new();
        for rule in &block.identity {
            if let Some(given) = self.rule(rule, at, slot) {
                key.push(given.value.as_str().map_or_else(|| given.value.to_string(), str::to_owned));
            }
        }
        let own_key = (!key.is_empty()).then(|| key.join("|"));
        let id = if block.concern.is_some() || block.fact {
            flag::finish(self, block, at, slot, &mut resource, own_key)?
        } else if block.resource_type == "Patient" {
            real.then_some(())?;
            identity::patient_id(self, &resource, at, slot)
        } else {
            real.then_some(())?;
            let key = own_key.unwrap_or_else(|| Value::Object(resource.clone()).to_string());
            super::bundle::id(self.source, &block.resource_type, &key)
        };
        let resource_type = block.resource_type.clone();
        Some(Made { block: Some(index), at, resource_type, id, fact: block.fact, resource })
    }

    fn build(&mut self, shape: &'e Shape, at: NodeId, slot: usize) -> Option<Given> {
        match shape {
            Shape::Rule(rule) => self.rule(rule, at, slot),
            Shape::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                let (mut real, mut missing) = (false, false);
                for (name, member) in members {
                    match self.build(member, at, slot) {
                        Some(given) => {
                            real |= given.real;
                            object.insert(name.clone(), given.value);
                        }
                        None => missing = true,
                    }
                }
                // Constants alone say nothing when the value they belong to is missing.
                let keep = !object.is_empty() && (real || !missing);
                keep.then_some(Given { value: Value::Object(object), real })
            }
            Shape::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                let mut real = false;
                for item in items {
                    match self.build(item, at, slot) {
                        Some(Given { value: Value::Array(several), real: r }) => {
                            real |= r;
                            list.extend(several);
                        }
                        Some(given) => {
                            real |= given.real;
                            list.push(given.value);
                        }
                        None => {}
                    }
                }
                (!list.is_empty()).then_some(Given { value: Value::Array(list), real })
            }
        }
    }

    fn rule(&mut self, rule: &'e Rule, at: NodeId, slot: usize) -> Option<Given> {
        if rule.when.as_ref().is_some_and(|c| !self.test(c, at)) {
            return None;
        }
        let found = match &rule.from {
            From::Constant(value) => Some(Given { value: value.clone(), real: false }),
            From::First(paths) => {
                paths.iter().find_map(|p| self.read(p, at)).and_then(|v| self.convert(rule, v, slot))
            }
            From::All(paths) => {
                let values: Vec<NodeId> = paths.iter().flat_map(|p| self.nodes(p, at)).collect();
                let list: Vec<Value> =
                    values.into_iter().filter_map(|v| self.convert(rule, v, slot)).map(|g| g.value).collect();
                (!list.is_empty()).then_some(Given { value: Value::Array(list), real: true })
            }
            From::Text(parts, join) => self.assemble(rule, parts, join, at, slot),
            From::Each(path, shape) => {
                let mut contexts = Vec::new();
                path.visit(self.tree, at, &mut |id| {
                    contexts.push(id);
                    true
                });
                let mut list = Vec::with_capacity(contexts.len());
                for context in contexts {
                    if let Some(given) = self.build(shape, context, slot).filter(|g| g.real) {
                        list.push(given.value);
                    }
                }
                (!list.is_empty()).then_some(Given { value: Value::Array(list), real: true })
            }
            From::Reference(names) => {
                names.iter().find_map(|n| self.refer(n, at)).map(|value| Given { value, real: true })
            }
        };
        found.or_else(|| rule.default.clone().map(|value| Given { value, real: false }))
    }

    /// The value a path leads to, unless the sender deleted it.
    pub(super) fn read(&self, path: &Path, at: NodeId) -> Option<NodeId> {
        let mut answer = None;
        path.visit(self.tree, at, &mut |id| {
            answer = self.tree.value(id).filter(|(_, text)| *text != DELETED).map(|(v, _)| v);
            answer.is_none()
        });
        answer
    }

    pub(super) fn nodes(&self, path: &Path, at: NodeId) -> Vec<NodeId> {
        let mut values = Vec::new();
        path.visit(self.tree, at, &mut |id| {
            values.extend(self.tree.value(id).filter(|(_, text)| *text != DELETED).map(|(v, _)| v));
            true
        });
        values
    }

    pub(super) fn text(&self, value: NodeId) -> &'e str {
        self.tree.node(value).and_then(|n| n.text.as_deref()).unwrap_or_default()
    }

    fn convert(&mut self, rule: &Rule, value: NodeId, slot: usize) -> Option<Given> {
        match become_value(self.mapping, self.source, rule, self.text(value)) {
            Ok(Some(converted)) => {
                self.mark(value, rule.carried, slot, &rule.element, rule.line);
                Some(Given { value: converted, real: true })
            }
            Ok(None) => {
                self.marks.dropped(value, Reason::UnmappableCode);
                None
            }
            Err((name, text)) => {
                self.marks.dropped(value, Reason::UnmappableCode);
                let place = self.tree.place(value);
                let issue = if rule.critical {
                    Issue::error("value", name, place, text)
                } else {
                    Issue::warning("value", name, place, text)
                };
                self.issues.push(issue);
                None
            }
        }
    }

    pub(super) fn mark(&mut self, value: NodeId, carried: bool, slot: usize, element: &Arc<str>, line: u32) {
        let made = u32::try_from(slot).unwrap_or(u32::MAX);
        self.marks.used(value, carried, Target { made, element: Arc::clone(element), line });
    }

    fn assemble(
        &mut self,
        rule: &Rule,
        parts: &[Part],
        join: &str,
        at: NodeId,
        slot: usize,
    ) -> Option<Given> {
        let mut pieces: Vec<String> = Vec::new();
        let mut said: Option<&str> = None;
        for part in parts {
            match part {
                Part::Say(text) => said = Some(text),
                Part::Values(path) => {
                    for value in self.texts(path, at) {
                        let text = self.text(value);
                        pieces.push(format!("{}{text}", said.take().unwrap_or_default()));
                        self.mark(value, rule.carried, slot, &rule.element, rule.line);
                    }
                    said = None;
                }
            }
        }
        if pieces.is_empty() {
            return None;
        }
        let text = pieces.join(join);
        match become_value(self.mapping, self.source, rule, &text) {
            Ok(value) => value.map(|value| Given { value, real: true }),
            Err(_) => None,
        }
    }

    fn refer(&mut self, name: &str, at: NodeId) -> Option<Value> {
        if name == "sender" {
            return Some(super::bundle::sender_reference(self.source));
        }
        let index = self.mapping.blocks.iter().position(|b| b.name == name)?;
        let block = self.mapping.blocks.get(index)?;
        let context = self.contexts(block, at).into_iter().next()?;
        let slot = self.make(index, context)?;
        let made = self.made.get(slot).and_then(Option::as_ref)?;
        let mut reference = Map::new();
        reference.insert("reference".into(), made.reference().into());
        if let Some(number) = identity::nhs_number(&made.resource) {
            reference.insert("identifier".into(), number);
        }
        Some(Value::Object(reference))
    }

    /// Makes the message's patient, for a fact that is about them.
    pub(super) fn make_patient(&mut self) -> Option<usize> {
        if self.patient.is_none() {
            let index = self.mapping.blocks.iter().position(|b| b.resource_type == "Patient")?;
            let block = self.mapping.blocks.get(index)?;
            let context = self.contexts(block, self.scope).into_iter().next()?;
            self.make(index, context);
        }
        self.patient
    }
}

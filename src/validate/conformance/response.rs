//! QuestionnaireResponse: its items and answers are those of its Questionnaire, where that is known or contained.

use super::questionnaire::{answer_members, gather};
use crate::definitions::{Membership, library::split_canonical};
use crate::fhir::tree::{NodeId, Tree};
use crate::validate::rules;
use crate::validate::walk::Walk;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    let Some(reference) = tree.child(node, "questionnaire") else { return };
    let Some(canonical) = tree.value(reference) else { return };
    if let Some(id) = canonical.strip_prefix('#') {
        let contained = tree.named(node, "contained").find(|one| tree.child_value(*one, "id") == Some(id));
        match contained.filter(|one| tree.resource_type(*one) == Some("Questionnaire")) {
            Some(questionnaire) => against(walk, node, tree, questionnaire),
            None => walk.error(rules::QR_ITEM, reference, || "the questionnaire is not contained".into()),
        }
        return;
    }
    match walk.core.definitions.resource("Questionnaire", split_canonical(canonical).0) {
        Some(known) => {
            let questions = Tree::from_value(&known.body);
            against(walk, node, &questions, questions.root());
        }
        None => walk.unchecked("questionnaire", canonical, reference, "the questionnaire is not known"),
    }
}

struct Form<'q> {
    questions: &'q Tree<'q>,
    root: NodeId,
    /// Whether all that is required must be there: not while the response is in progress.
    finished: bool,
    response: NodeId,
}

fn against(walk: &mut Walk<'_>, node: NodeId, questions: &Tree<'_>, root: NodeId) {
    let status = walk.tree.child_value(node, "status").unwrap_or("");
    let finished = matches!(status, "completed" | "amended");
    let form = Form { questions, root, finished, response: node };
    items(walk, &form, node, root, 0);
}

/// The items below `holder` against the questions below `asked`.
fn items(walk: &mut Walk<'_>, form: &Form<'_>, holder: NodeId, asked: NodeId, depth: usize) {
    if depth > 64 {
        return;
    }
    let (tree, questions) = (walk.tree, form.questions);
    let mut last = 0;
    for item in tree.named(holder, "item") {
        let Some(link) = tree.child_value(item, "linkId") else { continue };
        let mut listed = questions.named(asked, "item").enumerate();
        let found = listed.find(|(_, question)| questions.child_value(*question, "linkId") == Some(link));
        let Some((place, question)) = found else {
            let mut all = Vec::new();
            gather(questions, form.root, &mut all, 0);
            let elsewhere = all.iter().any(|one| questions.child_value(*one, "linkId") == Some(link));
            walk.error(rules::QR_ITEM, item, || {
                if elsewhere {
                    "the item stands at another place in the questionnaire".into()
                } else {
                    "the questionnaire has no item of this link id".into()
                }
            });
            continue;
        };
        if place < last {
            walk.error(rules::QR_ITEM, item, || {
                "the items do not stand in the order of the questionnaire".into()
            });
        }
        last = last.max(place);
        one(walk, form, item, question, depth);
    }
    for question in questions.named(asked, "item") {
        missing(walk, form, holder, question);
    }
}

/// Items of a question that must be answered, and how often it may stand.
fn missing(walk: &mut Walk<'_>, form: &Form<'_>, holder: NodeId, question: NodeId) {
    let (tree, questions) = (walk.tree, form.questions);
    let Some(link) = questions.child_value(question, "linkId") else { return };
    let count =
        tree.named(holder, "item").filter(|item| tree.child_value(*item, "linkId") == Some(link)).count();
    let kind = questions.child_value(question, "type").unwrap_or("");
    let repeats = questions.child_value(question, "repeats") == Some("true");
    if count > 1 && !(repeats && kind == "group") {
        walk.error(rules::QR_ITEM, holder, || format!("the item `{link}` stands more than once"));
    }
    let required = questions.child_value(question, "required") == Some("true");
    if count == 0 && required && form.finished && kind != "display" && enabled(walk, form, question) {
        walk.error(rules::QR_ITEM, holder, || format!("the item `{link}` is required"));
    }
}

fn one(walk: &mut Walk<'_>, form: &Form<'_>, item: NodeId, question: NodeId, depth: usize) {
    let (tree, questions) = (walk.tree, form.questions);
    let kind = questions.child_value(question, "type").unwrap_or("");
    let answers: Vec<NodeId> = tree.named(item, "answer").collect();
    if let (Some(text), Some(asked)) = (tree.child(item, "text"), questions.child_value(question, "text"))
        && tree.value(text).is_some_and(|text| text.trim() != asked.trim())
    {
        walk.error(rules::QR_ITEM, text, || "the text of the item is not that of the question".into());
    }
    let said = !answers.is_empty() || tree.child(item, "item").is_some();
    if said && !enabled(walk, form, question) {
        walk.error(rules::QR_ITEM, item, || "the item is not enabled, so it must not be answered".into());
    }
    match kind {
        "group" if !answers.is_empty() => {
            walk.error(rules::QR_ITEM, item, || "a group has no answers of its own".into());
        }
        "display" => {
            if !answers.is_empty() {
                walk.error(rules::QR_ITEM, item, || "a text to display has no answers".into());
            }
            return;
        }
        "group" => {}
        _ => {
            let required = questions.child_value(question, "required") == Some("true");
            if answers.is_empty() && required && form.finished {
                walk.error(rules::QR_ITEM, item, || "the question must be answered".into());
            }
            if answers.len() > 1 && questions.child_value(question, "repeats") != Some("true") {
                walk.error(rules::QR_ITEM, item, || "the question must be answered once only".into());
            }
        }
    }
    for answer in answers {
        if kind != "group" {
            self::answer(walk, form, answer, question, kind);
        }
        items(walk, form, answer, question, depth + 1);
    }
    if kind == "group" {
        items(walk, form, item, question, depth + 1);
    } else if tree.child(item, "item").is_some() {
        walk.error(rules::QR_ITEM, item, || "items below a question stand in its answers".into());
    }
}

fn answer(walk: &mut Walk<'_>, form: &Form<'_>, answer: NodeId, question: NodeId, kind: &str) {
    let (tree, questions) = (walk.tree, form.questions);
    let value = tree.children(answer).find(|child| tree.name(*child).starts_with("value"));
    let Some(value) = value else { return };
    let member = tree.name(value);
    if !answer_members(kind).contains(&member) {
        walk.error(rules::QR_ITEM, value, || {
            format!("the answer does not have the type of the question (`{kind}`)")
        });
        return;
    }
    let most: Option<usize> = questions.child_value(question, "maxLength").and_then(|most| most.parse().ok());
    if let (Some(most), Some(text)) = (most, tree.value(value))
        && text.chars().count() > most
    {
        walk.error(rules::QR_ITEM, value, || format!("the answer has more than {most} characters"));
    }
    let open = kind == "open-choice" && member == "valueString";
    if questions.child(question, "answerOption").is_some() && !open {
        let listed = questions.named(question, "answerOption").any(|option| {
            questions.child(option, member).is_some_and(|one| same(questions, one, tree, value))
        });
        if !listed && (kind != "open-choice" || member != "valueCoding") {
            walk.error(rules::QR_ITEM, value, || "the answer is not one of the options".into());
        }
    }
    let Some(set) = questions.child_value(question, "answerValueSet") else { return };
    if member != "valueCoding" {
        return;
    }
    chosen(walk, form, value, set, kind);
}

fn chosen(walk: &mut Walk<'_>, form: &Form<'_>, value: NodeId, set: &str, kind: &str) {
    let (tree, questions) = (walk.tree, form.questions);
    let definitions = &walk.core.definitions;
    let known = match set.strip_prefix('#') {
        Some(id) => {
            let contained = questions
                .named(form.root, "contained")
                .find(|one| questions.child_value(*one, "id") == Some(id));
            contained.map(|one| {
                std::sync::Arc::new(definitions.compile_value_set(&crate::definitions::node_json(
                    definitions,
                    questions,
                    one,
                )))
            })
        }
        None => definitions.value_set(set),
    };
    let Some(known) = known else {
        walk.unchecked("value-set", set, value, "the value set of the question is not loaded");
        return;
    };
    let Some(code) = tree.child_value(value, "code") else { return };
    match known.member(tree.child_value(value, "system"), tree.child_value(value, "version"), code) {
        Membership::Yes => {}
        Membership::No(why) if kind == "choice" => {
            walk.error(rules::QR_ITEM, value, || format!("the code is not in the value set `{set}`: {why}"));
        }
        Membership::No(why) => {
            walk.warning(rules::QR_ITEM, value, || {
                format!("the code is not in the value set `{set}`: {why}")
            });
        }
        Membership::Unknown(why) => walk.unchecked("value-set", set, value, why.into_owned()),
    }
}

/// Whether two values are the same answer: the same text, or for codings the same system and code.
fn same(a: &Tree<'_>, one: NodeId, b: &Tree<'_>, other: NodeId) -> bool {
    if let (Some(one), Some(other)) = (a.value(one), b.value(other)) {
        return one == other;
    }
    if a.child(one, "code").is_some() {
        return ["system", "code"].iter().all(|name| a.child_value(one, name) == b.child_value(other, name));
    }
    a.child_value(one, "reference").is_some()
        && a.child_value(one, "reference") == b.child_value(other, "reference")
}

/// Whether the conditions of a question hold in the response.
fn enabled(walk: &Walk<'_>, form: &Form<'_>, question: NodeId) -> bool {
    let questions = form.questions;
    let mut conditions = questions.named(question, "enableWhen").peekable();
    if conditions.peek().is_none() {
        return true;
    }
    let holds = |condition: NodeId| met(walk.tree, form, condition);
    if questions.child_value(question, "enableBehavior") == Some("all") {
        conditions.all(holds)
    } else {
        conditions.any(holds)
    }
}

fn met(tree: &Tree<'_>, form: &Form<'_>, condition: NodeId) -> bool {
    let questions = form.questions;
    let Some(link) = questions.child_value(condition, "question") else { return true };
    let mut answers = Vec::new();
    answered(tree, form.response, link, &mut answers, 0);
    let operator = questions.child_value(condition, "operator").unwrap_or("=");
    let Some(wanted) =
        questions.children(condition).find(|child| questions.name(*child).starts_with("answer"))
    else {
        return true;
    };
    if operator == "exists" {
        return answers.is_empty() != (questions.value(wanted) == Some("true"));
    }
    let order = |answer: &NodeId| {
        let (one, other) = (tree.value(*answer)?, questions.value(wanted)?);
        match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => one.partial_cmp(&other),
            _ => Some(one.cmp(other)),
        }
    };
    let any = |keep: &dyn Fn(std::cmp::Ordering) -> bool| answers.iter().filter_map(&order).any(keep);
    match operator {
        "!=" => answers.iter().any(|answer| !same(questions, wanted, tree, *answer)),
        ">" => any(&|order| order.is_gt()),
        "<" => any(&|order| order.is_lt()),
        ">=" => any(&|order| order.is_ge()),
        "<=" => any(&|order| order.is_le()),
        _ => answers.iter().any(|answer| same(questions, wanted, tree, *answer)),
    }
}

/// The values of all answers to a question.
fn answered(tree: &Tree<'_>, holder: NodeId, link: &str, out: &mut Vec<NodeId>, depth: usize) {
    if depth > 64 {
        return;
    }
    for item in tree.named(holder, "item") {
        for answer in tree.named(item, "answer") {
            if tree.child_value(item, "linkId") == Some(link) {
                out.extend(tree.children(answer).filter(|child| tree.name(*child).starts_with("value")));
            }
            answered(tree, answer, link, out, depth + 1);
        }
        answered(tree, item, link, out, depth + 1);
    }
}

//! OperationDefinition: its parameters agree with the profiles of its input and output.

use crate::fhir::tree::{NodeId, Tag};
use crate::validate::rules;
use crate::validate::schema::{Element, Schema};
use crate::validate::walk::Walk;

pub(super) fn check(walk: &mut Walk<'_>, node: NodeId) {
    let tree = walk.tree;
    for (name, direction) in [("inputProfile", "in"), ("outputProfile", "out")] {
        let Some(holder) = tree.child(node, name) else { continue };
        let Some(url) = tree.value(holder) else { continue };
        let Some(profile) = walk.core.registry.profile(url) else {
            walk.warning(rules::OD_PARAMETER, holder, || {
                format!("the profile `{url}` is not known, so it was not compared")
            });
            walk.unchecked("profile", url, holder, "its definition is not known");
            continue;
        };
        for parameter in tree.named(node, "parameter") {
            if tree.child_value(parameter, "use") == Some(direction) {
                compare(walk, parameter, &profile, direction);
            }
        }
    }
}

/// The slice of the profile for the parameter of this name.
fn slice<'s>(profile: &'s Schema, name: &str) -> Option<&'s Element> {
    let root = profile.element(0)?;
    let slot = root.children.find(Tag::of("parameter"), || "parameter")?.slot;
    let parameters = profile.element(*root.children.slots.get(usize::from(slot))? as usize)?;
    let slices = parameters.slicing.iter().flat_map(|slicing| &slicing.slices);
    slices.filter_map(|slice| profile.element(slice.element as usize)).find(|element| {
        let values = child(profile, element, "name").and_then(|element| element.values.as_ref());
        values
            .and_then(|values| values.fixed.as_ref().or(values.pattern.as_ref()))
            .and_then(|value| value.as_str())
            == Some(name)
    })
}

fn child<'s>(profile: &'s Schema, element: &Element, name: &str) -> Option<&'s Element> {
    let slots = element.children.slots.iter();
    slots.filter_map(|index| profile.element(*index as usize)).find(|child| child.name.as_ref() == name)
}

fn compare(walk: &mut Walk<'_>, parameter: NodeId, profile: &Schema, direction: &str) {
    let tree = walk.tree;
    let Some(name) = tree.child_value(parameter, "name") else { return };
    let Some(slice) = slice(profile, name) else { return };
    let say = |what: String| {
        format!("the parameter `{name}` {what} in the `{direction}` profile `{}`", profile.canonical())
    };
    let min = slice.min.to_string();
    let max = if slice.max == u32::MAX { "*".to_owned() } else { slice.max.to_string() };
    for (member, theirs) in [("min", &min), ("max", &max)] {
        if let Some(own) = tree.child_value(parameter, member).filter(|own| *own != theirs.as_str()) {
            walk.error(rules::OD_PARAMETER, parameter, || {
                say(format!("has the {member} {own} here, and {theirs}"))
            });
        }
    }
    let used = ["resource", "value"]
        .iter()
        .filter_map(|name| child(profile, slice, name))
        .find(|element| element.max > 0);
    let Some(used) = used else { return };
    let Some(own) = tree.child_value(parameter, "type") else { return };
    let general = matches!(own, "Resource" | "Any" | "Element" | "DomainResource");
    if !general && !used.types.iter().any(|one| one.code.as_ref() == own) {
        walk.error(rules::OD_PARAMETER, parameter, || say(format!("is of type `{own}` here, and not so")));
        return;
    }
    let targets: Vec<&str> =
        tree.named(parameter, "targetProfile").filter_map(|target| tree.value(target)).collect();
    let theirs: Vec<&str> =
        used.types.iter().flat_map(|one| one.targets.iter().map(|target| target.url.as_ref())).collect();
    if targets.iter().any(|target| !theirs.contains(target))
        || theirs.iter().any(|target| !targets.contains(target))
    {
        walk.error(rules::OD_PARAMETER, parameter, || say("has other target profiles here than".into()));
    }
}

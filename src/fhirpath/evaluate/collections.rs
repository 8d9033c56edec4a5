//! Functions on whole collections.

use super::filters::first;
use super::{Machine, Outcome, Scope};
use crate::fhirpath::expression::ExprId;
use crate::fhirpath::function::Function;
use crate::fhirpath::value::{Collection, Item, maybe, one, truth};

impl<'t> Machine<'t> {
    pub(super) fn collection_function(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        use Function::*;
        let all = |items: &[Item<'t>]| -> Collection<'t> { items.iter().cloned().collect() };
        match function {
            Empty => Ok(truth(focus.is_empty())),
            Count => Ok(one(Item::Integer(i64::try_from(focus.len()).unwrap_or(i64::MAX)))),
            AllTrue => Ok(truth(self.truths(focus, true, true, at)?)),
            AnyTrue => Ok(truth(self.truths(focus, true, false, at)?)),
            AllFalse => Ok(truth(self.truths(focus, false, true, at)?)),
            AnyFalse => Ok(truth(self.truths(focus, false, false, at)?)),
            First => Ok(maybe(focus.first().cloned())),
            Last => Ok(maybe(focus.last().cloned())),
            Tail => Ok(all(focus.get(1..).unwrap_or(&[]))),
            Single => match focus {
                [] | [_] => Ok(all(focus)),
                _ => self.fail(at, "one value is needed here, and there are several"),
            },
            Skip | Take => {
                let Some(count) = self.integer(first(args, at), scope)? else { return Ok(Collection::new()) };
                let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX).min(focus.len());
                let (head, tail) = focus.split_at_checked(count).unwrap_or((focus, &[]));
                Ok(all(if function == Skip { tail } else { head }))
            }
            Distinct => {
                let kept = self.distinct(focus, at)?;
                Ok(kept.into_iter().filter_map(|index| focus.get(index).cloned()).collect())
            }
            IsDistinct => Ok(truth(self.distinct(focus, at)?.len() == focus.len())),
            _ => {
                let other = self.eval(first(args, at), scope)?;
                self.with_other(focus, function, &other, at)
            }
        }
    }

    fn with_other(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        other: &[Item<'t>],
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        match function {
            Function::SubsetOf => Ok(truth(self.within(focus, other, at)?)),
            Function::SupersetOf => Ok(truth(self.within(other, focus, at)?)),
            Function::Union => self.union(focus, other, at),
            Function::Combine => Ok(focus.iter().chain(other).cloned().collect()),
            Function::Intersect | Function::Exclude => {
                let mut kept = Collection::new();
                for item in focus {
                    let found = self.contains(other, item, at)?;
                    let wanted = match function {
                        Function::Intersect => found && !self.contains(&kept, item, at)?,
                        _ => !found,
                    };
                    if wanted {
                        kept.push(item.clone());
                    }
                }
                Ok(kept)
            }
            _ => self.fail(at, format!("the function `{}` cannot be called here", function.name())),
        }
    }

    fn within(&mut self, items: &[Item<'t>], other: &[Item<'t>], at: ExprId) -> Outcome<bool> {
        for item in items {
            if !self.contains(other, item, at)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn union(
        &mut self,
        left: &[Item<'t>],
        right: &[Item<'t>],
        at: ExprId,
    ) -> Outcome<Collection<'t>> {
        let both: Collection<'t> = left.iter().chain(right).cloned().collect();
        let kept = self.distinct(&both, at)?;
        Ok(if kept.len() == both.len() {
            both
        } else {
            kept.into_iter().filter_map(|index| both.get(index).cloned()).collect()
        })
    }
}

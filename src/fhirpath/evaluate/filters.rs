//! The call of a function, and the functions that evaluate an argument for each value.

use super::{Machine, Outcome, Scope};
use crate::fhir::tree::NodeId;
use crate::fhirpath::expression::{ExprId, Kind};
use crate::fhirpath::function::Function;
use crate::fhirpath::value::{Collection, Item, one, truth};
use std::borrow::Cow;
use std::cmp::Ordering;

impl<'t> Machine<'t> {
    /// Calls a function.
    pub(super) fn call(
        &mut self,
        focus: &[Item<'t>],
        function: Function,
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        use Function::*;
        match function {
            Where => self.filter(focus, first(args, at), scope),
            Exists => match args {
                [criterion] => Ok(truth(self.one_that(focus, *criterion, true, scope)?)),
                _ => Ok(truth(!focus.is_empty())),
            },
            All => Ok(truth(!self.one_that(focus, first(args, at), false, scope)?)),
            Select => self.select(focus, first(args, at), scope),
            Repeat | RepeatAll => self.repeat(focus, first(args, at), function == Repeat, at, scope),
            Aggregate => self.aggregate(focus, args, at, scope),
            Iif => self.iif(focus, args, at, scope),
            Sort => self.sort(focus, args, at, scope),
            Trace => self.trace(focus, args, at, scope),
            DefineVariable => self.define(focus, args, at, scope),
            Coalesce => {
                for arg in args {
                    let found = self.eval(*arg, scope)?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(Collection::new())
            }
            Not => Ok(crate::fhirpath::value::maybe(
                self.singleton(focus, at)?.map(|value| Item::Boolean(!value)),
            )),
            Type => Ok(self.types(focus)),
            Children => self.children(focus, at),
            Descendants => self.descendants(focus, at),
            Extension | HasExtension | HasValue | GetValue | Resolve | ElementDefinition | Slice
            | CheckModifiers | ConformsTo | MemberOf | Subsumes | SubsumedBy | HtmlChecks => {
                self.fhir_function(focus, function, args, at, scope)
            }
            IndexOf | LastIndexOf | Substring | StartsWith | EndsWith | Contains | Upper | Lower
            | Replace | Matches | MatchesFull | ReplaceMatches | Length | ToChars | Trim | Split | Join
            | Encode | Decode | Escape | Unescape => self.text_function(focus, function, args, at, scope),
            Abs | Ceiling | Exp | Floor | Ln | Log | Power | Round | Sqrt | Truncate => {
                self.math_function(focus, function, args, at, scope)
            }
            LowBoundary | HighBoundary | Precision | YearOf | MonthOf | DayOf | HourOf | MinuteOf
            | SecondOf | MillisecondOf | TimezoneOffsetOf | DateOf | TimeOf | Duration | Difference | Now
            | Today | TimeOfDay | Comparable => self.date_function(focus, function, args, at, scope),
            ToBoolean | ConvertsToBoolean | ToInteger | ConvertsToInteger | ToLong | ConvertsToLong
            | ToDate | ConvertsToDate | ToDateTime | ConvertsToDateTime | ToDecimal | ConvertsToDecimal
            | ToQuantity | ConvertsToQuantity | ToText | ConvertsToText | ToTime | ConvertsToTime => {
                self.convert_function(focus, function, args, at, scope)
            }
            _ => self.collection_function(focus, function, args, at, scope),
        }
    }

    fn filter(
        &mut self,
        focus: &[Item<'t>],
        criterion: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut kept = Collection::new();
        for (index, item) in focus.iter().enumerate() {
            if self.truth(criterion, scope.item(item, index))? == Some(true) {
                kept.push(item.clone());
            }
        }
        Ok(kept)
    }

    /// Whether the criterion holds for one of the values; with `holds` false, whether there is one for which it does not.
    fn one_that(
        &mut self,
        focus: &[Item<'t>],
        criterion: ExprId,
        holds: bool,
        scope: Scope<'_, 't>,
    ) -> Outcome<bool> {
        for (index, item) in focus.iter().enumerate() {
            if (self.truth(criterion, scope.item(item, index))? == Some(true)) == holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn select(
        &mut self,
        focus: &[Item<'t>],
        projection: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        for (index, item) in focus.iter().enumerate() {
            found.extend(self.eval(projection, scope.item(item, index))?);
        }
        Ok(found)
    }

    /// `repeat()` keeps only values that are new; `repeatAll()` keeps all and relies on the budget.
    fn repeat(
        &mut self,
        focus: &[Item<'t>],
        projection: ExprId,
        unique: bool,
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut found = Collection::new();
        let mut round: Collection<'t> = focus.iter().cloned().collect();
        while !round.is_empty() {
            let mut next = Collection::new();
            for (index, item) in round.iter().enumerate() {
                for value in self.eval(projection, scope.item(item, index))? {
                    self.spend(1, at)?;
                    let old = match &value {
                        // An element is new unless it was itself seen: equal elements elsewhere have other children.
                        Item::Node(node) => {
                            self.spend(found.len() / 16, at)?;
                            found.iter().any(|seen| matches!(seen, Item::Node(other) if other == node))
                        }
                        _ => self.contains(&found, &value, at)?,
                    };
                    if !unique || !old {
                        found.push(value.clone());
                        next.push(value);
                    }
                }
            }
            round = next;
        }
        Ok(found)
    }

    fn aggregate(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut total = match args.get(1) {
            Some(start) => self.eval(*start, scope)?,
            None => Collection::new(),
        };
        let step = first(args, at);
        for (index, item) in focus.iter().enumerate() {
            let inner = Scope { total: Some(&total), ..scope.item(item, index) };
            total = self.eval(step, inner)?;
        }
        Ok(total)
    }

    fn iif(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        if focus.len() > 1 {
            return self.fail(at, "`iif` takes one value, and there are several");
        }
        // The value is `$this` of the arguments; on nothing, the surrounding one stays.
        let scope = if focus.is_empty() { scope } else { Scope { this: focus, ..scope } };
        let chosen =
            if self.truth(first(args, at), scope)? == Some(true) { args.get(1) } else { args.get(2) };
        match chosen {
            Some(chosen) => self.eval(*chosen, scope),
            None => Ok(Collection::new()),
        }
    }

    fn sort(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let mut rows: Vec<(Vec<Option<Item<'t>>>, Item<'t>)> = Vec::with_capacity(focus.len());
        let mut keys: Vec<(Option<ExprId>, bool)> = Vec::new();
        for arg in args {
            // A minus before the key asks for the reverse order, also of texts.
            match self.expression.kind(*arg) {
                Kind::Negate(inner) => keys.push((Some(*inner), true)),
                _ => keys.push((Some(*arg), false)),
            }
        }
        if keys.is_empty() {
            keys.push((None, false));
        }
        for (index, item) in focus.iter().enumerate() {
            let mut row = Vec::with_capacity(keys.len());
            for (key, _) in &keys {
                row.push(match key {
                    Some(key) => self.value(*key, scope.item(item, index))?,
                    None => Some(self.simplified(item)),
                });
            }
            rows.push((row, item.clone()));
        }
        let mut fault = None;
        rows.sort_by(|a, b| {
            for ((x, y), (_, descending)) in a.0.iter().zip(&b.0).zip(&keys) {
                if fault.is_some() {
                    return Ordering::Equal;
                }
                // What has no key comes first, whatever the direction.
                let order = match (x, y) {
                    (None, None) => Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(x), Some(y)) => match self.order(x, y, at) {
                        Ok(order) => order.unwrap_or(Ordering::Equal),
                        Err(problem) => {
                            fault = Some(problem);
                            Ordering::Equal
                        }
                    },
                };
                let order = if *descending { order.reverse() } else { order };
                if order != Ordering::Equal {
                    return order;
                }
            }
            Ordering::Equal
        });
        match fault {
            Some(fault) => Err(fault),
            None => Ok(rows.into_iter().map(|(_, item)| item).collect()),
        }
    }

    fn trace(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let name = self.string(first(args, at), scope)?.unwrap_or(Cow::Borrowed(""));
        let shown = match args.get(1) {
            Some(projection) => self.select(focus, *projection, scope)?,
            None => focus.iter().cloned().collect(),
        };
        self.environment.services.trace(self.tree, &name, &shown);
        Ok(focus.iter().cloned().collect())
    }

    fn define(
        &mut self,
        focus: &[Item<'t>],
        args: &[ExprId],
        at: ExprId,
        scope: Scope<'_, 't>,
    ) -> Outcome<Collection<'t>> {
        let Some(name) = self.string(first(args, at), scope)? else {
            return self.fail(at, "a variable needs a name");
        };
        let taken = ["context", "resource", "rootResource", "ucum", "sct", "loinc"].contains(&&*name)
            || name.starts_with("vs-")
            || name.starts_with("ext-")
            || self.defined.iter().any(|(defined, _)| *defined == name);
        if taken {
            return self.fail(at, "a variable of this name is defined already");
        }
        let own: Collection<'t> = focus.iter().cloned().collect();
        let value = match args.get(1) {
            Some(value) => {
                let scope = if focus.len() == 1 { Scope { this: focus, ..scope } } else { scope };
                self.eval(*value, scope)?
            }
            None => own.clone(),
        };
        self.defined.push((name, value));
        Ok(own)
    }

    /// Whether all or any of the values are true or false.
    pub(super) fn truths(
        &mut self,
        focus: &[Item<'t>],
        wanted: bool,
        every: bool,
        at: ExprId,
    ) -> Outcome<bool> {
        for item in focus {
            let value = match self.simplified(item) {
                Item::Boolean(value) => value,
                _ => return self.fail(at, "only Boolean values are accepted here"),
            };
            if (value == wanted) != every {
                return Ok(!every);
            }
        }
        Ok(every)
    }

    /// A collection of one text.
    pub(super) fn owned_text(&self, text: String) -> Collection<'t> {
        one(Item::Text(Cow::Owned(text)))
    }
}

/// The elements among some values.
pub(super) fn nodes(focus: &[Item<'_>]) -> impl Iterator<Item = NodeId> {
    focus.iter().filter_map(|item| if let Item::Node(node) = item { Some(*node) } else { None })
}

/// The first argument; the arity was checked when the expression was parsed.
pub(super) fn first(args: &[ExprId], at: ExprId) -> ExprId {
    args.first().copied().unwrap_or(at)
}

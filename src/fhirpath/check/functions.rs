//! What functions take and yield.

use super::kinds::{Family, Kinds};
use super::{Checked, Checker, Place};
use crate::fhirpath::expression::{ExprId, Kind, Literal};
use crate::fhirpath::function::Function;

const TEXTS: [Family; 1] = [Family::Text];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        focus: &Kinds,
        function: Function,
        args: &[ExprId],
        at: ExprId,
        place: Place<'_>,
    ) -> Checked {
        use Function::*;
        match function {
            Skip | Take | First | Last | Tail => self.ordered(focus, at)?,
            _ => {}
        }
        match function {
            Where | Exists | All => {
                for criterion in args {
                    self.criterion(focus, *criterion)?;
                }
                Ok(if function == Where { focus.clone() } else { Kinds::system("Boolean") })
            }
            Select => {
                let inner = focus.single();
                let found = self.each(args, &inner)?;
                Ok(Kinds {
                    many: found.many || focus.many,
                    unordered: found.unordered || focus.unordered,
                    ..found
                })
            }
            Repeat | RepeatAll => self.repeat(focus, args),
            Trace => {
                let inner = focus.single();
                self.arguments(args.get(1..).unwrap_or(&[]), Place { this: &inner })?;
                Ok(focus.clone())
            }
            Sort => {
                let inner = focus.single();
                for arg in args {
                    // A minus before a key asks for the reverse order, also of texts.
                    match self.expression.kind(*arg) {
                        Kind::Negate(key) => self.check(*key, Place { this: &inner })?,
                        _ => self.check(*arg, Place { this: &inner })?,
                    };
                }
                Ok(Kinds { unordered: false, ..focus.clone() })
            }
            Aggregate => {
                let inner = focus.single();
                self.arguments(args, Place { this: &inner })?;
                Ok(Kinds::unknown())
            }
            Iif => self.iif(focus, args, at, place),
            DefineVariable => {
                if let Some(Kind::Literal(Literal::Text(name))) =
                    args.first().map(|id| self.expression.kind(*id))
                {
                    self.defined.push(name.to_string());
                }
                let inner = focus.single();
                self.arguments(args.get(1..).unwrap_or(&[]), Place { this: &inner })?;
                Ok(focus.clone())
            }
            _ => {
                let found = self.arguments(args, place)?;
                self.takes(focus, function, &found, args, at)?;
                Ok(self.yields(focus, function, &found))
            }
        }
    }

    fn arguments(&mut self, args: &[ExprId], place: Place<'_>) -> Checked<Vec<Kinds>> {
        args.iter().map(|arg| self.check(*arg, place)).collect()
    }

    fn each(&mut self, args: &[ExprId], inner: &Kinds) -> Checked {
        let found = self.arguments(args, Place { this: inner })?;
        Ok(found.into_iter().next().unwrap_or_else(Kinds::unknown))
    }

    fn criterion(&mut self, focus: &Kinds, criterion: ExprId) -> Checked<()> {
        let inner = focus.single();
        let found = self.check(criterion, Place { this: &inner })?;
        self.boolean(&found, criterion)
    }

    /// Fails when a criterion is surely no Boolean.
    fn boolean(&self, found: &Kinds, at: ExprId) -> Checked<()> {
        let other =
            |name: &String| name.starts_with("System.") && name != "System.Boolean" && name != "System.Any";
        if found.known && !found.names.is_empty() && found.names.iter().all(other) {
            return self.fail(at, "a Boolean is needed here");
        }
        Ok(())
    }

    fn repeat(&mut self, focus: &Kinds, args: &[ExprId]) -> Checked {
        let mut inner = focus.single();
        let mut all: Option<Kinds> = None;
        for _ in 0..4 {
            let found = match (self.each(args, &inner), &all) {
                (Ok(found), _) => found,
                // What the first values have, those found in them need not have.
                (Err(_), Some(known)) => return Ok(known.clone().plural()),
                (Err(fault), None) => return Err(fault),
            };
            let next = match &all {
                Some(known) => known.joined(&found),
                None => found.clone(),
            };
            if found.is_unknown() || all.as_ref().is_some_and(|known| known.names == next.names) {
                return Ok(next.plural());
            }
            inner = next.single();
            all = Some(next);
        }
        Ok(all.unwrap_or_else(Kinds::unknown).plural())
    }

    fn iif(&mut self, focus: &Kinds, args: &[ExprId], at: ExprId, place: Place<'_>) -> Checked {
        let inner = focus.single();
        let place = if focus.known && focus.names.is_empty() { place } else { Place { this: &inner } };
        let found = self.arguments(args, place)?;
        if let Some(criterion) = found.first() {
            self.boolean(criterion, args.first().copied().unwrap_or(at))?;
        }
        let branches = found.get(1..).unwrap_or(&[]);
        let many = branches.iter().any(|branch| branch.many);
        let all = branches.iter().fold(Kinds::nothing(), |all, branch| all.joined(branch));
        Ok(Kinds { many, ..all })
    }

    /// Checks what a function is called on and given.
    fn takes(
        &self,
        focus: &Kinds,
        function: Function,
        found: &[Kinds],
        args: &[ExprId],
        at: ExprId,
    ) -> Checked<()> {
        use Function::*;
        let number = [Family::Number, Family::Quantity];
        let precise = [Family::Number, Family::Quantity, Family::Date, Family::Time];
        let primitive = [Family::Text, Family::Number, Family::Boolean, Family::Date, Family::Time];
        match function {
            IndexOf | LastIndexOf | Substring | StartsWith | EndsWith | Contains | Upper | Lower
            | Replace | Matches | MatchesFull | ReplaceMatches | Length | ToChars | Trim | Split | Encode
            | Decode | Escape | Unescape => {
                self.expect(focus, &TEXTS, at, "a text")?;
            }
            Join => self.expect(focus, &primitive, at, "a text")?,
            Abs | Ceiling | Floor | Truncate | Round => self.expect(focus, &number, at, "a number")?,
            Exp | Ln | Log | Power | Sqrt => self.expect(focus, &[Family::Number], at, "a number")?,
            LowBoundary | HighBoundary | Precision => {
                self.expect(focus, &precise, at, "a number, quantity, date or time")?;
            }
            AllTrue | AnyTrue | AllFalse | AnyFalse => {
                self.expect(focus, &[Family::Boolean], at, "a Boolean")?
            }
            _ => {}
        }
        let texts: &[usize] = match function {
            IndexOf | LastIndexOf | StartsWith | EndsWith | Contains | Matches | MatchesFull | Split
            | Join | Encode | Decode | Escape | Unescape | Extension | HasExtension | ConformsTo
            | MemberOf => &[0],
            Replace | ReplaceMatches | Slice => &[0, 1],
            _ => &[],
        };
        let numbers: &[usize] = match function {
            Skip | Take | Round | LowBoundary | HighBoundary | Log | Power => &[0],
            Substring => &[0, 1],
            _ => &[],
        };
        for (wanted, families, what) in
            [(texts, &TEXTS[..], "a text"), (numbers, &[Family::Number][..], "a number")]
        {
            for index in wanted {
                if let (Some(kinds), Some(id)) = (found.get(*index), args.get(*index)) {
                    self.expect(kinds, families, *id, what)?;
                }
            }
        }
        Ok(())
    }

    fn yields(&self, focus: &Kinds, function: Function, found: &[Kinds]) -> Kinds {
        use Function::*;
        let other = || found.first().cloned().unwrap_or_else(Kinds::unknown);
        match function {
            First | Last | Single => focus.single(),
            Tail | Skip | Take | Distinct | Intersect | Exclude | CheckModifiers | Slice => focus.clone(),
            Union | Combine => focus.joined(&other()),
            Coalesce => found.iter().fold(Kinds::nothing(), |all, branch| all.joined(branch)),
            Children | Descendants => Kinds { unordered: true, ..Kinds::unknown() },
            Type => Kinds::system("TypeInfo").marked(focus),
            Extension => Kinds::one("Extension").plural(),
            Resolve => Kinds::unknown().marked(focus),
            GetValue | ElementDefinition | Power | Round | LowBoundary | HighBoundary | TimezoneOffsetOf => {
                Kinds::unknown()
            }
            Abs => focus.clone(),
            Count | Length | IndexOf | LastIndexOf | ToInteger | ToLong | Precision | YearOf | MonthOf
            | DayOf | HourOf | MinuteOf | SecondOf | MillisecondOf | Duration | Difference => {
                Kinds::system("Integer")
            }
            Ceiling | Floor | Truncate => Kinds::unknown(),
            Exp | Ln | Log | Sqrt | ToDecimal => Kinds::system("Decimal"),
            ToText | Substring | Upper | Lower | Replace | ReplaceMatches | Trim | Join | Encode | Decode
            | Escape | Unescape => Kinds::system("String"),
            Split | ToChars => Kinds::system("String").plural(),
            Today | ToDate | DateOf => Kinds::system("Date"),
            Now | ToDateTime => Kinds::system("DateTime"),
            TimeOfDay | ToTime | TimeOf => Kinds::system("Time"),
            ToQuantity => Kinds::system("Quantity"),
            _ => Kinds::system("Boolean"),
        }
    }
}

//! Order and equality where the precisions or the knowledge of the time zone differ.

use super::{NANOS, Precision, Temporal, TemporalKind, days_in_month};
use std::cmp::Ordering;

/// What a comparison of two dates or times says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fhirpath) enum Relation {
    Known(Ordering),
    /// The precisions or a missing time zone leave the question open.
    Unknown,
    /// A time of day and a date have no order.
    Foreign,
}

const MINUTE: i128 = 60 * NANOS;
/// A place without a time zone may be as far east as 14 hours and as far west as 12.
const EAST: i128 = 14 * 60 * MINUTE;
const WEST: i128 = 12 * 60 * MINUTE;

impl Temporal {
    /// Compares two values.
    pub(in crate::fhirpath) fn relate(&self, other: &Temporal) -> Relation {
        if (self.kind == TemporalKind::Time) != (other.kind == TemporalKind::Time) {
            return Relation::Foreign;
        }
        match (self.offset, other.offset) {
            (Some(a), Some(b)) if a != b => {
                if self.precision == other.precision {
                    return Relation::Known(self.first_instant(a).cmp(&other.first_instant(b)));
                }
                self.by_interval(other)
            }
            (Some(_), None) | (None, Some(_)) => self.by_interval(other),
            _ => self.by_parts(other),
        }
    }

    /// Whether two values are equivalent (`~`): the same, to the same precision.
    pub(in crate::fhirpath) fn equivalent(&self, other: &Temporal) -> bool {
        self.precision == other.precision && self.relate(other) == Relation::Known(Ordering::Equal)
    }

    fn by_parts(&self, other: &Temporal) -> Relation {
        let precision = self.precision.min(other.precision);
        let order = self.truncated(precision).local().cmp(&other.truncated(precision).local());
        if order == Ordering::Equal && self.precision != other.precision {
            return Relation::Unknown;
        }
        Relation::Known(order)
    }

    fn by_interval(&self, other: &Temporal) -> Relation {
        let (low, high) = self.interval();
        let (other_low, other_high) = other.interval();
        if high <= other_low {
            Relation::Known(Ordering::Less)
        } else if low >= other_high {
            Relation::Known(Ordering::Greater)
        } else {
            Relation::Unknown
        }
    }

    fn first_instant(&self, offset: i16) -> i128 {
        self.local() - i128::from(offset) * MINUTE
    }

    /// The instants this value may mean: from, and before.
    fn interval(&self) -> (i128, i128) {
        let low = self.local();
        let high = low + self.length();
        match self.offset {
            Some(offset) => {
                let shift = i128::from(offset) * MINUTE;
                (low - shift, high - shift)
            }
            None => (low - EAST, high + WEST),
        }
    }

    /// How long the smallest known part lasts.
    fn length(&self) -> i128 {
        let day = 24 * 60 * MINUTE;
        match self.precision {
            Precision::Year => {
                let leap = days_in_month(self.year, 2) == 29;
                (if leap { 366 } else { 365 }) * day
            }
            Precision::Month => i128::from(days_in_month(self.year, self.month)) * day,
            Precision::Day => day,
            Precision::Hour => 60 * MINUTE,
            Precision::Minute => MINUTE,
            Precision::Second => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhirpath::temporal::literal;

    fn relate(a: &str, b: &str) -> Relation {
        literal(a).unwrap().relate(&literal(b).unwrap())
    }

    #[test]
    fn precision_and_zone_leave_questions_open() {
        use Ordering::*;
        use Relation::*;
        assert_eq!(relate("2018-03", "2018-03-01"), Unknown);
        assert_eq!(relate("2018-02", "2018-03-01"), Known(Less));
        assert_eq!(relate("2012-04-15T15:30:31", "2012-04-15T15:30:31.0"), Known(Equal));
        assert_eq!(relate("2012-04-15T15:00:00Z", "2012-04-15T10:00:00"), Unknown);
        assert_eq!(relate("2012-04-15T15:00:00+02:00", "2012-04-15T16:00:00+03:00"), Known(Equal));
        assert_eq!(relate("2012-04-15T15:00:00Z", "2012-04-18T10:00:00"), Known(Less));
        assert_eq!(relate("1974-12-25", "T12:14"), Foreign);
    }
}

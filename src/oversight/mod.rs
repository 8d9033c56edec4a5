//! Oversight: what a period's records add up to, for the people who answer for it.
//!
//! [`Period`] names a month or a quarter. [`Tally`] takes in what the log says, leaf by leaf ([`Seen`]), and what the
//! store holds beside it ([`Standing`]), and becomes a [`Pack`]: sections of tables, in which every number names the
//! records that it counts. A pack that leaves the organisation goes through [`suppress()`] first. Everything here is
//! pure: whoever asks reads the store and writes the files.

mod access;
mod chart;
mod deliveries;
mod html;
mod pack;
mod period;
mod reception;
mod sections;
mod seen;
mod sheet;
mod suppress;
mod tally;

#[cfg(test)]
mod tests;

pub use access::{Access, letter};
pub use html::{Links, html};
pub use pack::{Cell, FORMAT as PACK_FORMAT, LogState, Pack, RecordLine, Row, Section, Table};
pub use period::{Period, PeriodError};
pub use seen::{Decided, Seen};
pub use sheet::{records as records_sheet, tables as tables_sheet};
pub use suppress::{SMALLEST, suppress};
pub use tally::{AgreementNear, ConsentOverdue, OpenTask, Standing, Tally};

//! The real binary as an operator runs it: its configuration while it runs, and what the machine may do to it.

mod faults;
mod long_log;
mod outage;
mod reload;
mod signed;
mod tls;

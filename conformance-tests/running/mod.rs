//! The real binary as an operator runs it: its configuration while it runs, and what the machine may do to it.

mod reload;

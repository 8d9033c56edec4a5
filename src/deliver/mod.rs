//! Claim, decide again, send, retry, dead-letter and replay; the egress guard.

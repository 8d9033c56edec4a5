//! The system of record: `Store` over SQLite, with migrations and the outbox.

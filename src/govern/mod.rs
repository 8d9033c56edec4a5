//! Sharing agreements, lawful bases, Consent evaluation, security labels, `decide` and `Permit`.

//! AuditEvents, the Merkle log over them, and its verifier.

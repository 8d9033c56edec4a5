//! The pipeline from a submission to its commit.

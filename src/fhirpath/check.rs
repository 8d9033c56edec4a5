//! Finding errors of meaning before an expression is used.

/// Why an expression can never be right for a type, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct SemanticError {
    /// What is wrong.
    pub text: String,
    /// The byte offset in the expression, from 0.
    pub position: usize,
    /// The line in the expression, from 1.
    pub line: u32,
    /// The column in the expression, from 1, in characters.
    pub column: u32,
}

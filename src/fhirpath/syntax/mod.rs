//! Text to expression.

mod lexer;
mod parser;

pub(super) use parser::parse;

/// Why a text is no FHIRPath expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (line {line}, column {column})")]
pub struct SyntaxError {
    /// What is wrong.
    pub text: String,
    /// The byte offset in the expression, from 0.
    pub position: usize,
    /// The line in the expression, from 1.
    pub line: u32,
    /// The column in the expression, from 1, in characters.
    pub column: u32,
}

impl SyntaxError {
    pub(super) fn new(source: &str, position: usize, text: impl Into<String>) -> SyntaxError {
        let (line, column) = crate::fhir::tree::position(source, position);
        SyntaxError { text: text.into(), position, line, column }
    }
}

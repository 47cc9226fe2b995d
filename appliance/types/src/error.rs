//! The one error of this crate: a text or number that is not of the wanted form.

use thiserror::Error;

/// A text that does not denote a value of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {wanted}")]
pub struct ParseError {
    /// The offending text, as given.
    pub text: String,
    /// What was expected, with its article: "an IP prefix".
    pub wanted: &'static str,
}

impl ParseError {
    /// Builds the error for `text` where `wanted` was expected.
    pub fn new(text: impl Into<String>, wanted: &'static str) -> Self {
        Self {
            text: text.into(),
            wanted,
        }
    }
}

//! The configuration as text: braces or `set` lines in, statements against the schema, and back.

mod lex;
mod parse;
mod print;
mod syntax;

pub use lex::MAX_TEXT_OCTETS;
pub(crate) use parse::{amend, describe, parse};
pub use print::{Secrets, print_braces, print_set};

/// What is printed for a secret that is not to be shown; refused where a secret is read.
pub const HIDDEN: &str = "<hidden>";

#[cfg(test)]
mod tests;

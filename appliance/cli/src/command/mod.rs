//! What can be typed: the tables, and how a line is resolved against them.
//!
//! Every word may be shortened to a unique prefix. A word in angle brackets is a value. `|` starts a filter of the output.

mod resolve;
mod table;
mod words;

pub use resolve::{Choice, Parsed, choices, parse};
pub use table::{COMMANDS, Choose, Entry, Filter, PIPES, Verb, options};
pub use words::{Word, split};

#[cfg(test)]
mod tests;

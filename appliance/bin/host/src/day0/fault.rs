//! What is wrong with a day-0 file, and where.

use std::fmt;

/// A fault of a file, to be told with the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its line, from 1, if it has one.
    pub line: Option<u32>,
    /// What is wrong. Holds no value that may be secret.
    pub message: String,
}

impl Fault {
    /// At a line.
    pub fn at(line: usize, message: impl Into<String>) -> Self {
        Self {
            line: u32::try_from(line).ok(),
            message: message.into(),
        }
    }

    /// Of the file as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
        }
    }

    /// As `user-data:7: ...`.
    pub fn of(&self, file: &str) -> String {
        format!("{file}{self}")
    }
}

impl fmt::Display for Fault {
    /// What follows the name of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, ":{line}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

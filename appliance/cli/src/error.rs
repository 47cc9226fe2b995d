//! Errors of the command line: what was typed wrongly, and what answered wrongly.

use ravelin_ctl::StreamError;
use std::path::PathBuf;
use thiserror::Error;

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No command has this word here.
    #[error("unknown word `{word}`, expected {}", list(expected))]
    Unknown {
        /// The word.
        word: String,
        /// Its octet in the line.
        at: usize,
        /// What may stand there.
        expected: Vec<String>,
    },
    /// An abbreviation of several words.
    #[error("`{word}` is ambiguous: {}", list(candidates))]
    Ambiguous {
        /// The abbreviation.
        word: String,
        /// Its octet in the line.
        at: usize,
        /// What it may stand for.
        candidates: Vec<String>,
    },
    /// The line ends too early.
    #[error("incomplete command, expected {}", list(expected))]
    Incomplete {
        /// Where the next word belongs.
        at: usize,
        /// What may stand there.
        expected: Vec<String>,
    },
    /// A word after a complete command.
    #[error("`{word}` is too much: the command ends before it")]
    Trailing {
        /// The word.
        word: String,
        /// Its octet in the line.
        at: usize,
    },
    /// An option that was given already.
    #[error("`{word}` is given twice")]
    Twice {
        /// The word.
        word: String,
        /// Its octet in the line.
        at: usize,
    },
    /// A quote without its partner.
    #[error("the quote is not closed")]
    Quote {
        /// Where it opens.
        at: usize,
    },
    /// A value of the wrong kind.
    #[error("`{word}` is not {wanted}")]
    Value {
        /// The word.
        word: String,
        /// Its octet in the line.
        at: usize,
        /// What is wanted: "an IP address".
        wanted: &'static str,
    },
}

impl CommandError {
    /// The octet of the line that is wrong.
    pub fn at(&self) -> usize {
        match self {
            Self::Unknown { at, .. }
            | Self::Ambiguous { at, .. }
            | Self::Incomplete { at, .. }
            | Self::Trailing { at, .. }
            | Self::Twice { at, .. }
            | Self::Quote { at }
            | Self::Value { at, .. } => *at,
        }
    }
}

/// A line with a caret below its octet `at`, shifted by `indent` columns (the prompt's width).
pub fn caret(line: &str, at: usize, indent: usize) -> String {
    let before = line
        .char_indices()
        .take_while(|(octet, _)| *octet < at)
        .count();
    format!("{}^", " ".repeat(indent + before))
}

fn list(words: &[String]) -> String {
    match words {
        [] => "the end of the line".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Why a command gave no answer.
#[derive(Debug, Error)]
pub enum CliError {
    /// The line is no command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// mgmtd cannot be reached.
    #[error("cannot reach ravelin-mgmtd at {}: {source}; is it running?", path.display())]
    Unreachable {
        /// Its socket.
        path: PathBuf,
        /// The reason.
        source: StreamError,
    },
    /// mgmtd went away, or answers too late, while we waited.
    #[error("ravelin-mgmtd gives no answer: {0}")]
    NoAnswer(StreamError),
    /// The answer is not to this question.
    #[error("ravelin-mgmtd answers something else than was asked")]
    Mismatch,
    /// The daemon says why not.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// A file that was named cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The terminal or standard input failed.
    #[error("terminal: {0}")]
    Terminal(String),
}

//! Errors: diagnostics of a configuration text, and faults of the model itself.

use std::fmt;
use thiserror::Error;

/// A place in a configuration text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pos {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// One fault of a configuration text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where, if the fault belongs to a place of the text.
    pub pos: Option<Pos>,
    /// The statement path around it: `security ike proposal IKE_PROP`. Empty at the top. Holds no secret value.
    pub path: String,
    /// What is wrong and what was expected. Holds no secret value.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pos) = self.pos {
            write!(f, "{}:{}: ", pos.line, pos.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "[{}] ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration text was refused: the name of the text, and at least one diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file, or `terminal`.
    pub source: String,
    /// The faults, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Refusal {
    /// One line per fault: `ravelin.conf:12:5: [security ike] unknown statement ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match diagnostic.pos {
                Some(_) => write!(f, "{}:{diagnostic}", self.source)?,
                None => write!(f, "{}: {diagnostic}", self.source)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// A fault of our own model: a build that has it is broken, and no configuration can be read.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A YANG text that our reader does not understand.
    #[error("YANG module {module}, line {line}: {message}")]
    Yang {
        /// The module.
        module: String,
        /// The line of its text.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// libyang refused a module.
    #[error("libyang refuses {what}: {message}")]
    Libyang {
        /// What was asked of it.
        what: String,
        /// Its words.
        message: String,
    },
    /// The validated data did not fit our typed structures.
    #[error("the validated configuration does not fit its types: {0}")]
    Typed(#[from] serde_json::Error),
}

impl ModelError {
    pub(crate) fn libyang(what: impl Into<String>, error: &yang3::Error) -> Self {
        ModelError::Libyang {
            what: what.into(),
            message: error.to_string(),
        }
    }
}

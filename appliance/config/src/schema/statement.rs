//! Reader of YANG statements (RFC 7950 section 6): keyword, argument, substatements. Knows nothing of their meaning.

use crate::error::ModelError;

/// Deepest nesting of statements of our modules; libyang has its own bound.
const MAX_DEPTH: usize = 64;

/// A YANG statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// `leaf`, `rv:secret`.
    pub keyword: String,
    /// The argument, empty if there is none.
    pub arg: String,
    /// The line of the keyword.
    pub line: u32,
    /// Substatements.
    pub subs: Vec<Statement>,
}

impl Statement {
    /// The first substatement `keyword`.
    pub fn sub(&self, keyword: &str) -> Option<&Statement> {
        self.subs.iter().find(|s| s.keyword == keyword)
    }

    /// The argument of the first substatement `keyword`.
    pub fn arg_of(&self, keyword: &str) -> Option<&str> {
        self.sub(keyword).map(|s| s.arg.as_str())
    }

    /// The argument of `description`, with its white space collapsed.
    pub fn description(&self) -> String {
        let text = self.arg_of("description").unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Reads the one top statement of module `name`.
pub(super) fn read(name: &str, text: &str) -> Result<Statement, ModelError> {
    let mut reader = Reader {
        module: name,
        rest: text,
        line: 1,
    };
    let top = reader.statement(0)?;
    reader.skip();
    if reader.rest.is_empty() {
        Ok(top)
    } else {
        Err(reader.error("text after the module"))
    }
}

struct Reader<'a> {
    module: &'a str,
    rest: &'a str,
    line: u32,
}

impl<'a> Reader<'a> {
    fn error(&self, message: impl Into<String>) -> ModelError {
        ModelError::Yang {
            module: self.module.to_owned(),
            line: self.line,
            message: message.into(),
        }
    }

    /// Consumes `octets` octets of the rest.
    fn take(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(octets.min(self.rest.len()));
        self.line += taken.matches('\n').count() as u32;
        self.rest = rest;
        taken
    }

    /// Skips white space and comments.
    fn skip(&mut self) {
        loop {
            let white = self.rest.len() - self.rest.trim_start().len();
            self.take(white);
            let comment = if self.rest.starts_with("//") {
                self.rest.find('\n')
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|at| at + 2)
            } else {
                return;
            };
            self.take(comment.unwrap_or(self.rest.len()));
        }
    }

    fn statement(&mut self, depth: usize) -> Result<Statement, ModelError> {
        if depth > MAX_DEPTH {
            return Err(self.error("statements nested too deeply"));
        }
        self.skip();
        let line = self.line;
        let keyword = self.bare()?.to_owned();
        self.skip();
        let arg = match self.rest.chars().next() {
            Some(';' | '{') => String::new(),
            Some('"' | '\'') => self.quoted()?,
            _ => self.bare()?.to_owned(),
        };
        self.skip();
        let mut subs = Vec::new();
        match self.take(1) {
            ";" => {}
            "{" => loop {
                self.skip();
                if self.rest.starts_with('}') {
                    self.take(1);
                    break;
                }
                subs.push(self.statement(depth + 1)?);
            },
            _ => return Err(self.error(format!("expected `;` or `{{` after `{keyword}`"))),
        }
        Ok(Statement {
            keyword,
            arg,
            line,
            subs,
        })
    }

    fn bare(&mut self) -> Result<&'a str, ModelError> {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}' | '"' | '\''))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("expected a word"));
        }
        Ok(self.take(end))
    }

    /// One or more quoted strings joined by `+`.
    fn quoted(&mut self) -> Result<String, ModelError> {
        let mut out = String::new();
        loop {
            match self.take(1) {
                "'" => {
                    let end = self.rest.find('\'');
                    let end = end.ok_or_else(|| self.error("unterminated string"))?;
                    out.push_str(self.take(end));
                    self.take(1);
                }
                "\"" => self.double_quoted(&mut out)?,
                _ => return Err(self.error("expected a string after `+`")),
            }
            self.skip();
            if !self.rest.starts_with('+') {
                return Ok(out);
            }
            self.take(1);
            self.skip();
        }
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<(), ModelError> {
        loop {
            let end = self.rest.find(['"', '\\']);
            let end = end.ok_or_else(|| self.error("unterminated string"))?;
            out.push_str(self.take(end));
            if self.take(1) == "\"" {
                return Ok(());
            }
            match self.take(1) {
                "n" => out.push('\n'),
                "t" => out.push('\t'),
                "\"" => out.push('"'),
                "\\" => out.push('\\'),
                _ => return Err(self.error("unknown escape")),
            }
        }
    }
}

//! Words and punctuation of a configuration text, with their places.
//!
//! A comment is `/* */`, or `#` at the start of a word up to the end of the line. A word in double quotes knows the
//! escapes `\"`, `\\`, `\n` and `\t`, and may hold any other character but a control character.

use crate::error::{Diagnostic, Pos};
use zeroize::Zeroizing;

/// Largest configuration text: half a frame of the control socket, and far more than 4,096 gateways and VPNs need.
pub const MAX_TEXT_OCTETS: usize = 8 << 20;
/// Longest word; no value of the model is longer.
const MAX_WORD_OCTETS: usize = 4096;

/// A token.
#[derive(Clone, PartialEq)]
pub(super) enum Token {
    /// A word and whether it was quoted.
    Word(Zeroizing<String>, bool),
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    Semicolon,
    /// `[`
    ListOpen,
    /// `]`
    ListClose,
    /// The end of a line, where those count.
    Newline,
    /// The end of the text.
    End,
}

impl Token {
    /// In an error message. Never the text of a quoted word, which may be a secret.
    pub fn show(&self) -> String {
        match self {
            Token::Word(_, true) => "a quoted text".to_owned(),
            Token::Word(word, false) => format!("`{}`", word.as_str()),
            Token::Open => "`{`".to_owned(),
            Token::Close => "`}`".to_owned(),
            Token::Semicolon => "`;`".to_owned(),
            Token::ListOpen => "`[`".to_owned(),
            Token::ListClose => "`]`".to_owned(),
            Token::Newline => "the end of the line".to_owned(),
            Token::End => "the end of the text".to_owned(),
        }
    }
}

/// Yields tokens.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    at: Pos,
    newlines: bool,
}

/// A fault of the text at a place.
pub(super) fn fault(pos: Pos, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        pos: Some(pos),
        path: String::new(),
        message: message.into(),
    }
}

impl<'a> Lexer<'a> {
    /// Reads `text`; ends of lines are tokens if `newlines`.
    pub fn new(text: &'a str, newlines: bool) -> Self {
        Self {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: Pos { line: 1, column: 1 },
            newlines,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.at.line = self.at.line.saturating_add(1);
            self.at.column = 1;
        } else {
            self.at.column = self.at.column.saturating_add(1);
        }
        Some(c)
    }

    fn skip_until(&mut self, end: &str) -> bool {
        while !self.rest.is_empty() {
            if self.rest.starts_with(end) {
                return true;
            }
            self.bump();
        }
        false
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), Diagnostic> {
        loop {
            let pos = self.at;
            if self.rest.starts_with("/*") {
                self.bump();
                self.bump();
                if !self.skip_until("*/") {
                    return Err(fault(pos, "this comment has no `*/`"));
                }
                self.bump();
                self.bump();
            } else if self.rest.starts_with('#') {
                self.skip_until("\n");
            } else {
                match self.peek() {
                    Some('\n') if self.newlines => return Ok(()),
                    Some(c) if c.is_whitespace() => {
                        self.bump();
                    }
                    _ => return Ok(()),
                }
            }
        }
    }

    /// The next token and its place.
    pub fn next(&mut self) -> Result<(Token, Pos), Diagnostic> {
        self.skip()?;
        let pos = self.at;
        let token = match self.peek() {
            None => return Ok((Token::End, pos)),
            Some('"') => return Ok((Token::Word(self.quoted(pos)?, true), pos)),
            Some('{') => Token::Open,
            Some('}') => Token::Close,
            Some(';') => Token::Semicolon,
            Some('[') => Token::ListOpen,
            Some(']') => Token::ListClose,
            Some('\n') => Token::Newline,
            Some(_) => return Ok((Token::Word(self.bare(pos)?, false), pos)),
        };
        self.bump();
        Ok((token, pos))
    }

    fn bare(&mut self, pos: Pos) -> Result<Zeroizing<String>, Diagnostic> {
        let mut word = Zeroizing::new(String::new());
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '{' | '}' | ';' | '[' | ']' | '"') {
                break;
            }
            self.push(&mut word, c, pos)?;
            self.bump();
        }
        Ok(word)
    }

    fn quoted(&mut self, pos: Pos) -> Result<Zeroizing<String>, Diagnostic> {
        let mut word = Zeroizing::new(String::new());
        self.bump();
        loop {
            let at = self.at;
            let c = match self.bump() {
                None | Some('\n') => {
                    return Err(fault(pos, "this text has no closing `\"` on its line"));
                }
                Some('"') => return Ok(word),
                Some('\\') => match self.bump() {
                    Some('"') => '"',
                    Some('\\') => '\\',
                    Some('n') => '\n',
                    Some('t') => '\t',
                    _ => return Err(fault(at, "unknown escape; expected \\\", \\\\, \\n or \\t")),
                },
                Some(c) => {
                    self.push(&mut word, c, at)?;
                    continue;
                }
            };
            self.room(&word, pos)?;
            word.push(c);
        }
    }

    fn room(&self, word: &str, pos: Pos) -> Result<(), Diagnostic> {
        if word.len() >= MAX_WORD_OCTETS {
            return Err(fault(
                pos,
                format!("this word has more than {MAX_WORD_OCTETS} octets"),
            ));
        }
        Ok(())
    }

    fn push(&self, word: &mut String, c: char, pos: Pos) -> Result<(), Diagnostic> {
        if c.is_control() && c != '\t' {
            return Err(fault(
                pos,
                format!("control character U+{:04X}", u32::from(c)),
            ));
        }
        self.room(word, pos)?;
        word.push(c);
        Ok(())
    }
}

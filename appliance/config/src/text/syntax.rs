//! Statements of a configuration text, before their meaning: words, then `;` or a braced block.

use super::lex::{Lexer, MAX_TEXT_OCTETS, Token, fault};
use crate::error::{Diagnostic, Pos};
use zeroize::Zeroizing;

/// Deepest nesting of braces; the model is less than half as deep.
const MAX_DEPTH: usize = 32;
/// Most words of one statement outside of a list.
const MAX_WORDS: usize = 64;
/// Most words of one `[ ]` list; above the largest leaf-list of the model.
const MAX_LIST_WORDS: usize = 65_536;

/// A word of a statement.
#[derive(Clone)]
pub(super) struct Word {
    pub text: Zeroizing<String>,
    pub quoted: bool,
    pub pos: Pos,
}

/// One item of a statement.
#[derive(Clone)]
pub(super) enum Item {
    Word(Word),
    List(Vec<Word>, Pos),
}

impl Item {
    pub fn pos(&self) -> Pos {
        match self {
            Item::Word(word) => word.pos,
            Item::List(_, pos) => *pos,
        }
    }
}

/// How a statement is to change the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A braced statement: each value once.
    State,
    /// `set`: a later value replaces an earlier one.
    Set,
    /// `delete`.
    Delete,
    /// `deactivate`.
    Deactivate,
    /// `activate`.
    Activate,
}

/// A statement.
pub(super) struct Statement {
    pub verb: Verb,
    pub inactive: bool,
    pub items: Vec<Item>,
    pub block: Option<Vec<Statement>>,
    /// Where it ends: the place of `;` or `{`.
    pub end: Pos,
}

/// Reads a text in braces, or in `set` lines if its first word is a verb of those.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, Diagnostic> {
    let start = Pos { line: 1, column: 1 };
    if text.len() > MAX_TEXT_OCTETS {
        let message = format!(
            "the text has {} octets; at most {MAX_TEXT_OCTETS} are read",
            text.len()
        );
        return Err(fault(start, message));
    }
    let (first, _) = Lexer::new(text, false).next()?;
    let lines = matches!(&first, Token::Word(word, false) if verb(word).is_some());
    let mut reader = Reader {
        lexer: Lexer::new(text, lines),
        token: Token::End,
        pos: start,
        last: start,
    };
    reader.advance()?;
    if lines {
        reader.set_lines()
    } else {
        reader.statements(0)
    }
}

fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "set" => Verb::Set,
        "delete" => Verb::Delete,
        "deactivate" => Verb::Deactivate,
        "activate" => Verb::Activate,
        _ => return None,
    })
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    token: Token,
    pos: Pos,
    /// The place of the token before.
    last: Pos,
}

impl Reader<'_> {
    fn advance(&mut self) -> Result<Token, Diagnostic> {
        let (token, pos) = self.lexer.next()?;
        self.last = std::mem::replace(&mut self.pos, pos);
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn statements(&mut self, depth: usize) -> Result<Vec<Statement>, Diagnostic> {
        let mut out = Vec::new();
        loop {
            match self.token {
                Token::End if depth == 0 => return Ok(out),
                Token::Close if depth > 0 => return Ok(out),
                Token::Close => return Err(fault(self.pos, "this `}` closes nothing")),
                Token::Semicolon => {
                    self.advance()?;
                }
                _ => out.push(self.statement(depth)?),
            }
        }
    }

    fn statement(&mut self, depth: usize) -> Result<Statement, Diagnostic> {
        let inactive =
            matches!(&self.token, Token::Word(word, false) if word.as_str() == "inactive:");
        if inactive {
            self.advance()?;
        }
        let items = self.items()?;
        let end = self.pos;
        let mut statement = Statement {
            verb: Verb::State,
            inactive,
            items,
            block: None,
            end,
        };
        match self.advance()? {
            _ if statement.items.is_empty() => Err(fault(end, "expected a statement")),
            Token::Semicolon => Ok(statement),
            Token::Open if depth >= MAX_DEPTH => Err(fault(
                end,
                format!("braces nested more than {MAX_DEPTH} deep"),
            )),
            Token::Open => {
                statement.block = Some(self.statements(depth + 1).map_err(|mut diagnostic| {
                    if self.token == Token::End && diagnostic.pos == Some(self.pos) {
                        diagnostic = fault(end, "this `{` is not closed");
                    }
                    diagnostic
                })?);
                self.advance()?;
                Ok(statement)
            }
            token => Err(fault(
                self.last,
                format!("expected `;` or `{{`, found {}", token.show()),
            )),
        }
    }

    /// Words and lists up to punctuation.
    fn items(&mut self) -> Result<Vec<Item>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let pos = self.pos;
            match &self.token {
                Token::Word(text, quoted) => items.push(Item::Word(Word {
                    text: text.clone(),
                    quoted: *quoted,
                    pos,
                })),
                Token::ListOpen => items.push(Item::List(self.list()?, pos)),
                _ => return Ok(items),
            }
            if items.len() > MAX_WORDS {
                return Err(fault(
                    pos,
                    format!("more than {MAX_WORDS} words without `;` or `{{`"),
                ));
            }
            self.advance()?;
        }
    }

    /// The words of `[ a b ]`; leaves its `]` as the token.
    fn list(&mut self) -> Result<Vec<Word>, Diagnostic> {
        let open = self.pos;
        let mut words = Vec::new();
        loop {
            self.advance()?;
            match &self.token {
                Token::Word(text, quoted) if words.len() < MAX_LIST_WORDS => words.push(Word {
                    text: text.clone(),
                    quoted: *quoted,
                    pos: self.pos,
                }),
                Token::Word(..) => {
                    return Err(fault(
                        self.pos,
                        format!("more than {MAX_LIST_WORDS} words in `[ ]`"),
                    ));
                }
                Token::ListClose => return Ok(words),
                Token::Newline | Token::End => return Err(fault(open, "this `[` is not closed")),
                token => {
                    return Err(fault(
                        self.pos,
                        format!("expected a value or `]`, found {}", token.show()),
                    ));
                }
            }
        }
    }

    fn set_lines(&mut self) -> Result<Vec<Statement>, Diagnostic> {
        let mut out = Vec::new();
        loop {
            let pos = self.pos;
            let verb = match &self.token {
                Token::End => return Ok(out),
                Token::Newline => {
                    self.advance()?;
                    continue;
                }
                Token::Word(word, false) => verb(word),
                _ => None,
            };
            let Some(verb) = verb else {
                let found = self.token.show();
                return Err(fault(
                    pos,
                    format!("expected set, delete, deactivate or activate, found {found}"),
                ));
            };
            self.advance()?;
            let items = self.items()?;
            let end = self.pos;
            if items.is_empty() {
                return Err(fault(end, "expected a statement"));
            }
            if !matches!(self.token, Token::Newline | Token::End) {
                return Err(fault(
                    end,
                    format!("expected the end of the line, found {}", self.token.show()),
                ));
            }
            out.push(Statement {
                verb,
                inactive: false,
                items,
                block: None,
                end,
            });
        }
    }
}

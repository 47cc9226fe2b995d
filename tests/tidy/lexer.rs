//! Splits Rust source into code and comments, line by line, well enough for rules that look for words.
//!
//! Knows line and nested block comments, plain, byte and raw strings, and tells a character from a lifetime. String contents
//! are blanked in the code, so that a rule never fires on text. It is not a parser: macros are plain text to it.

/// One line of a source file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The code, with comments removed and strings emptied.
    pub code: String,
    /// The text of the comments.
    pub comment: String,
}

enum State {
    Code,
    LineComment,
    /// Depth of nesting.
    BlockComment(usize),
    Str,
    /// Number of `#` that close it.
    RawStr(usize),
}

/// Splits `source` into lines.
pub fn split(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(Line::default());
            at += 1;
            continue;
        }
        let Some(line) = lines.last_mut() else { break };
        let (next, octets) = step(&chars, at, &state, line);
        state = next.unwrap_or(state);
        at += octets;
    }
    lines
}

/// Consumes one token of interest at `at`: the state after it, if it changes, and its length.
fn step(chars: &[char], at: usize, state: &State, line: &mut Line) -> (Option<State>, usize) {
    let c = chars[at];
    let pair = (c, chars.get(at + 1).copied().unwrap_or('\0'));
    match *state {
        State::LineComment => line.comment.push(c),
        State::BlockComment(depth) => match pair {
            ('*', '/') if depth == 1 => return (Some(State::Code), 2),
            ('*', '/') => return (Some(State::BlockComment(depth - 1)), 2),
            ('/', '*') => return (Some(State::BlockComment(depth + 1)), 2),
            _ => line.comment.push(c),
        },
        State::Str => match c {
            '\\' if pair.1 == '\n' => return (None, 1),
            '\\' => return (None, 2),
            '"' => {
                line.code.push('"');
                return (Some(State::Code), 1);
            }
            _ => {}
        },
        State::RawStr(hashes) => {
            if c == '"' && hashes_at(chars, at + 1) >= hashes {
                line.code.push('"');
                return (Some(State::Code), 1 + hashes);
            }
        }
        State::Code => return code_step(chars, at, line),
    }
    (None, 1)
}

fn code_step(chars: &[char], at: usize, line: &mut Line) -> (Option<State>, usize) {
    let c = chars[at];
    let next = chars.get(at + 1).copied().unwrap_or('\0');
    match (c, next) {
        ('/', '/') => return (Some(State::LineComment), 2),
        ('/', '*') => return (Some(State::BlockComment(1)), 2),
        ('"', _) => {
            line.code.push('"');
            return (Some(State::Str), 1);
        }
        ('r', '"' | '#') if !after_word(chars, at) => {
            let hashes = hashes_at(chars, at + 1);
            if chars.get(at + 1 + hashes) == Some(&'"') {
                line.code.push('"');
                return (Some(State::RawStr(hashes)), 2 + hashes);
            }
        }
        // A character literal: escaped, or closed two characters on. Otherwise a lifetime.
        ('\'', '\\') => {
            let closing = chars[at + 3..].iter().position(|c| *c == '\'');
            line.code.push_str("' '");
            return (None, closing.map_or(2, |n| n + 4));
        }
        ('\'', _) if chars.get(at + 2) == Some(&'\'') => {
            line.code.push_str("' '");
            return (None, 3);
        }
        _ => {}
    }
    line.code.push(c);
    (None, 1)
}

fn hashes_at(chars: &[char], at: usize) -> usize {
    chars[at.min(chars.len())..]
        .iter()
        .take_while(|c| **c == '#')
        .count()
}

/// True if the character before `at` belongs to a word; `br"..."` is a raw string all the same.
fn after_word(chars: &[char], at: usize) -> bool {
    let word = |i: usize| chars.get(i).is_some_and(|c| is_word(*c));
    at > 0 && word(at - 1) && !(chars[at - 1] == 'b' && (at < 2 || !word(at - 2)))
}

/// Letters, digits and underscore.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// True if `code` holds `pattern` with no word character against its ends.
pub fn has_word(code: &str, pattern: &str) -> bool {
    code.match_indices(pattern).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + pattern.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Empties the lines of `#[cfg(test)] mod name { ... }`, whose code only tests see.
pub fn without_inline_tests(mut lines: Vec<Line>) -> Vec<Line> {
    let mut at = 0;
    while at < lines.len() {
        let opens = lines[at].code.trim() == "#[cfg(test)]"
            && lines
                .get(at + 1)
                .is_some_and(|l| l.code.contains("mod ") && l.code.contains('{'));
        if !opens {
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        for line in &mut lines[at + 1..] {
            at += 1;
            depth += line.code.matches('{').count();
            depth = depth.saturating_sub(line.code.matches('}').count());
            line.code.clear();
            if depth == 0 {
                break;
            }
        }
    }
    lines
}

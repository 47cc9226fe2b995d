//! From words to commands, and from half a line to what may follow.

use super::table::{COMMANDS, Entry, Filter, PIPES, Verb};
use super::words::{Word, split};
use crate::CommandError;

/// A command with its values and filters.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What to do.
    pub verb: Verb,
    /// Values in order.
    pub values: Vec<Word>,
    /// Filters in order, each with its value.
    pub filters: Vec<(Filter, Option<Word>)>,
}

/// A word that may follow, with its help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The word; in angle brackets when a value is wanted.
    pub word: String,
    /// What it means.
    pub help: String,
}

/// Resolves a line; `None` when it is blank.
///
/// # Errors
/// Which word is wrong, and what may stand there.
pub fn parse(line: &str) -> Result<Option<Parsed>, CommandError> {
    let segments = split(line)?;
    let Some((command, filters)) = segments.split_first() else {
        return Ok(None);
    };
    if command.is_empty() && filters.is_empty() {
        return Ok(None);
    }
    let end = line.trim_end().len() + 1;
    let (verb, values) = resolve(COMMANDS, command, end)?;
    let mut resolved = Vec::new();
    for words in filters {
        let (filter, mut values) = resolve(PIPES, words, end)?;
        resolved.push((filter, values.pop()));
    }
    Ok(Some(Parsed {
        verb,
        values,
        filters: resolved,
    }))
}

/// What may stand at the end of `line`, given what of it is there already, and the octet where that word starts.
pub fn choices(line: &str) -> (usize, Vec<Choice>) {
    let Ok(mut segments) = split(line) else {
        return (line.len(), Vec::new());
    };
    let filter = segments.len() > 1;
    let mut words = segments.pop().unwrap_or_default();
    let begun = !line.ends_with(|c: char| c.is_whitespace() || c == '|');
    let last = if begun { words.pop() } else { None };
    let (at, start) = last.map_or((line.len(), String::new()), |w| (w.at, w.text));
    let mut found = if filter {
        following(PIPES, &words, &start)
    } else {
        following(COMMANDS, &words, &start)
    };
    let complete = !filter && start.is_empty() && resolve(COMMANDS, &words, 0).is_ok();
    if complete || (filter && start.is_empty() && resolve(PIPES, &words, 0).is_ok()) {
        found.push(Choice {
            word: "|".to_owned(),
            help: "Filter the output".to_owned(),
        });
    }
    (at, found)
}

fn resolve<T: Copy>(
    table: &[Entry<T>],
    words: &[Word],
    end: usize,
) -> Result<(T, Vec<Word>), CommandError> {
    let (left, values) = narrow(table, words)?;
    let whole = left.iter().find(|e| count(e) == words.len());
    match whole.and_then(|e| e.value) {
        Some(value) => Ok((value, values)),
        None => Err(CommandError::Incomplete {
            at: end,
            expected: next_words(&left, words.len()),
        }),
    }
}

/// The entries that begin with `words`, and the values among these.
fn narrow<'t, T>(
    table: &'t [Entry<T>],
    words: &[Word],
) -> Result<(Vec<&'t Entry<T>>, Vec<Word>), CommandError> {
    let mut left: Vec<&Entry<T>> = table.iter().collect();
    let mut values = Vec::new();
    for (depth, word) in words.iter().enumerate() {
        let next = next_words(&left, depth);
        let chosen = choose(&next, word)?;
        if is_value(&chosen) {
            values.push(word.clone());
        }
        left.retain(|e| nth(e, depth) == Some(chosen.as_str()));
    }
    Ok((left, values))
}

/// Which of `next` the word stands for: itself, the only one it begins, or a value.
fn choose(next: &[String], word: &Word) -> Result<String, CommandError> {
    let literal = || next.iter().filter(|n| !is_value(n));
    if let Some(same) = literal().find(|n| **n == word.text) {
        return Ok(same.clone());
    }
    let begun: Vec<&String> = literal().filter(|n| n.starts_with(&word.text)).collect();
    match (begun.as_slice(), next.iter().find(|n| is_value(n))) {
        ([only], _) => Ok((*only).clone()),
        ([], Some(value)) => Ok(value.clone()),
        ([], None) if next.is_empty() => Err(CommandError::Trailing {
            word: word.text.clone(),
            at: word.at,
        }),
        ([], None) => Err(CommandError::Unknown {
            word: word.text.clone(),
            at: word.at,
            expected: next.to_vec(),
        }),
        (several, _) => Err(CommandError::Ambiguous {
            word: word.text.clone(),
            at: word.at,
            candidates: several.iter().map(|s| (*s).clone()).collect(),
        }),
    }
}

/// The words that may follow `words` and begin with `start`.
fn following<T>(table: &[Entry<T>], words: &[Word], start: &str) -> Vec<Choice> {
    let Ok((left, _)) = narrow(table, words) else {
        return Vec::new();
    };
    let depth = words.len();
    next_words(&left, depth)
        .into_iter()
        .filter(|w| w.starts_with(start) || is_value(w))
        .map(|word| Choice {
            help: help(&left, depth, &word),
            word,
        })
        .collect()
}

fn help<T>(left: &[&Entry<T>], depth: usize, word: &str) -> String {
    left.iter()
        .find(|e| nth(e, depth) == Some(word) && count(e) == depth + 1)
        .map(|e| e.help.to_owned())
        .unwrap_or_default()
}

fn next_words<T>(left: &[&Entry<T>], depth: usize) -> Vec<String> {
    let mut next: Vec<String> = Vec::new();
    for word in left.iter().filter_map(|e| nth(e, depth)) {
        if !next.iter().any(|n| n == word) {
            next.push(word.to_owned());
        }
    }
    next
}

fn nth<T>(entry: &Entry<T>, depth: usize) -> Option<&'static str> {
    entry.words.split(' ').nth(depth)
}

fn count<T>(entry: &Entry<T>) -> usize {
    entry.words.split(' ').count()
}

fn is_value(word: &str) -> bool {
    word.starts_with('<')
}

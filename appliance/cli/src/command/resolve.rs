//! From words to commands, and from half a line to what may follow.

use super::table::{COMMANDS, Choose, Entry, Filter, PIPES, Verb, options};
use super::words::{Word, split};
use crate::CommandError;

/// A command with its values and filters.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What to do.
    pub verb: Verb,
    /// Values in order.
    pub values: Vec<Word>,
    /// What was chosen beside them, each once.
    pub chosen: Vec<(Choose, Word)>,
    /// Filters in order, each with its value.
    pub filters: Vec<(Filter, Option<Word>)>,
    /// Where the line ends: what is missing belongs there.
    pub end: usize,
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
    let (command, options) = divide(command);
    let (verb, values) = resolve(COMMANDS, command, end)?;
    let chosen = choose_options(verb, options, end)?;
    let mut resolved = Vec::new();
    for words in filters {
        let (filter, mut values) = resolve(PIPES, words, end)?;
        resolved.push((filter, values.pop()));
    }
    Ok(Some(Parsed {
        verb,
        values,
        chosen,
        filters: resolved,
        end,
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
    let (command, given) = divide(&words);
    let verb = resolve(COMMANDS, command, 0).map(|(verb, _)| verb);
    let mut found = match verb {
        _ if filter => following(PIPES, &words, &start),
        Ok(verb) if !options(verb).is_empty() => following_options(verb, given, &start),
        _ => following(COMMANDS, &words, &start),
    };
    let whole = verb.and_then(|verb| choose_options(verb, given, 0));
    let complete = !filter && start.is_empty() && whole.is_ok();
    if complete || (filter && start.is_empty() && resolve(PIPES, &words, 0).is_ok()) {
        found.push(Choice {
            word: "|".to_owned(),
            help: "Filter the output".to_owned(),
        });
    }
    (at, found)
}

/// Where a command that has options ends and its options begin.
fn divide(words: &[Word]) -> (&[Word], &[Word]) {
    let has_options = |words: &[Word]| {
        let verb = resolve(COMMANDS, words, 0).map(|(verb, _)| verb);
        verb.is_ok_and(|verb| !options(verb).is_empty())
    };
    let end = (1..=words.len()).find(|end| has_options(&words[..*end]));
    words.split_at(end.unwrap_or(words.len()))
}

fn choose_options(
    verb: Verb,
    words: &[Word],
    end: usize,
) -> Result<Vec<(Choose, Word)>, CommandError> {
    let mut chosen: Vec<(Choose, Word)> = Vec::new();
    for pair in words.chunks(2) {
        let (choice, value) = match options(verb) {
            [] => continue,
            table => resolve(table, pair, end)?,
        };
        if chosen.iter().any(|(earlier, _)| *earlier == choice) {
            let (word, at) = (pair[0].text.clone(), pair[0].at);
            return Err(CommandError::Twice { word, at });
        }
        chosen.extend(value.into_iter().map(|value| (choice, value)));
    }
    Ok(chosen)
}

/// What may follow `words`, which are options.
fn following_options(verb: Verb, words: &[Word], start: &str) -> Vec<Choice> {
    let whole = words.len() / 2 * 2;
    let Ok(chosen) = choose_options(verb, &words[..whole], 0) else {
        return Vec::new();
    };
    let table = options(verb);
    let mut found = following(table, &words[whole..], start);
    if words.len() == whole {
        let given = |choice: &Choice| {
            let phrase = |e: &&Entry<Choose>| nth(e, 0) == Some(choice.word.as_str());
            let mut means = table.iter().filter(phrase).filter_map(|e| e.value);
            means.any(|meaning| chosen.iter().any(|(earlier, _)| *earlier == meaning))
        };
        found.retain(|choice| !given(choice));
    }
    found
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

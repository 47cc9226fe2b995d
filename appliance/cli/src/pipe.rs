//! Filters of the output.

use crate::CommandError;
use crate::command::{Filter, Word};
use regex::Regex;

/// Applies `filters` to `text`, in order.
pub(crate) fn apply(
    text: String,
    filters: &[(Filter, Option<Word>)],
) -> Result<String, CommandError> {
    let mut text = text;
    for (filter, value) in filters {
        text = match (filter, value) {
            (Filter::Count, _) => format!("Count: {} lines\n", text.lines().count()),
            (Filter::Match, Some(pattern)) => select(&text, pattern, true)?,
            (Filter::Except, Some(pattern)) => select(&text, pattern, false)?,
            _ => text,
        };
    }
    Ok(text)
}

/// As on Junos, without regard to case.
fn select(text: &str, pattern: &Word, keep: bool) -> Result<String, CommandError> {
    let regex = Regex::new(&format!("(?i){}", pattern.text)).map_err(|_| CommandError::Value {
        word: pattern.text.clone(),
        at: pattern.at,
        wanted: "a regular expression",
    })?;
    Ok(text
        .lines()
        .filter(|line| regex.is_match(line) == keep)
        .map(|line| format!("{line}\n"))
        .collect())
}

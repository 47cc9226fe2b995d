//! A line as words: separated by blanks, grouped by double quotes, `|` between command and filters.

use crate::CommandError;

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word without quotes.
    pub text: String,
    /// Its first octet in the line.
    pub at: usize,
}

/// The words before the first `|`, between the next, and so on; always at least one, maybe empty, list.
///
/// # Errors
/// [`CommandError::Quote`].
pub fn split(line: &str) -> Result<Vec<Vec<Word>>, CommandError> {
    let mut segments = vec![Vec::new()];
    let mut word: Option<Word> = None;
    let mut quote = None;
    for (at, c) in line.char_indices() {
        let blank = quote.is_none() && (c.is_whitespace() || c == '|');
        if !blank {
            let word = word.get_or_insert_with(|| Word {
                text: String::new(),
                at,
            });
            match (c, quote) {
                ('"', None) => quote = Some(at),
                ('"', Some(_)) => quote = None,
                _ => word.text.push(c),
            }
            continue;
        }
        if let (Some(done), Some(segment)) = (word.take(), segments.last_mut()) {
            segment.push(done);
        }
        if c == '|' {
            segments.push(Vec::new());
        }
    }
    if let Some(at) = quote {
        return Err(CommandError::Quote { at });
    }
    if let (Some(done), Some(segment)) = (word, segments.last_mut()) {
        segment.push(done);
    }
    Ok(segments)
}

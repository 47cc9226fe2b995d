//! Lists of pre-shared keys as operators write them: one peer a line, its identity and its key.
//!
//! ```text
//!   # comment
//!   enb1.ran.example    "a key as text"
//!   192.0.2.7           0x00ff37
//!   keyid:cell-4711     another-key
//! ```

use std::collections::HashMap;

use ravelin_ike::config::{KeyList, key_of};
use ravelin_types::{Identity, SecretBytes};

/// Keys of one list: those of a region of the largest size twice.
pub const MAX_KEYS: usize = 131_072;
/// Lists: one for each policy of a large node.
pub const MAX_KEY_LISTS: usize = 64;
/// Octets of a key and of an identity, as in the configuration.
const MAX_OCTETS: usize = 255;

/// Why a file is no list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A line that is no entry. The key in it is not told.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// Two keys of one peer.
    #[error("line {line}: {identity} has a key in line {first} already")]
    Twice {
        /// From 1.
        line: usize,
        /// Whose.
        identity: Identity,
        /// The line of its other key.
        first: usize,
    },
    /// Too many.
    #[error("line {line}: a list has {MAX_KEYS} keys at most")]
    TooMany {
        /// From 1.
        line: usize,
    },
    /// None.
    #[error("there is no key in the file")]
    Empty,
    /// Too many lists.
    #[error("there are {MAX_KEY_LISTS} lists of pre-shared keys already")]
    TooManyLists,
}

/// Reads a list.
///
/// # Errors
/// [`KeysError`], with the line.
pub fn read(file: &[u8]) -> Result<KeyList, KeysError> {
    let (mut keys, mut lines) = (Vec::new(), HashMap::new());
    for (line, text) in (1..).zip(file.split(|octet| *octet == b'\n')) {
        let failed = |why| KeysError::Line { line, why };
        let text = std::str::from_utf8(text).map_err(|_| failed("this is not UTF-8"))?;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if keys.len() == MAX_KEYS {
            return Err(KeysError::TooMany { line });
        }
        let (who, key) = text
            .split_once([' ', '\t'])
            .ok_or_else(|| failed("an identity and a key are wanted"))?;
        let who = identity(who).map_err(failed)?;
        if let Some(first) = lines.insert(key_of(&who), line) {
            let identity = who;
            return Err(KeysError::Twice {
                line,
                identity,
                first,
            });
        }
        keys.push((who, secret(key.trim_start()).map_err(failed)?));
    }
    if keys.is_empty() {
        return Err(KeysError::Empty);
    }
    Ok(KeyList::new(keys))
}

fn identity(text: &str) -> Result<Identity, &'static str> {
    if text.len() > MAX_OCTETS {
        return Err("an identity has 255 octets at most");
    }
    if let Some(id) = text.strip_prefix("keyid:") {
        let octets = match id.strip_prefix("0x") {
            Some(digits) => octets(digits)?,
            None => id.as_bytes().to_vec(),
        };
        return match octets.is_empty() {
            true => Err("the key identifier is empty"),
            false => Ok(Identity::KeyId(octets)),
        };
    }
    if let Ok(address) = text.parse() {
        return Ok(Identity::Ipv4(address));
    }
    if let Ok(address) = text.parse() {
        return Ok(Identity::Ipv6(address));
    }
    if let Some((user, domain)) = text.split_once('@') {
        return match user.is_empty() || domain.is_empty() {
            true => Err("this is no mail address"),
            false => Ok(Identity::Email(text.to_owned())),
        };
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text.chars().all(allowed) {
        true => Ok(Identity::Fqdn(text.to_owned())),
        false => Err("this is no host name, mail address, IP address or `keyid:`"),
    }
}

/// A key in quotes, in hexadecimal after `0x`, or one word.
fn secret(text: &str) -> Result<SecretBytes, &'static str> {
    let key = if let Some(digits) = text.strip_prefix("0x") {
        octets(digits)?
    } else if let Some(quoted) = text.strip_prefix('"') {
        let inner = quoted.strip_suffix('"');
        let inner = inner.ok_or("the quote is not closed at the end of the line")?;
        inner.as_bytes().to_vec()
    } else if text.contains([' ', '\t']) {
        return Err("a key with spaces stands in quotes");
    } else {
        text.as_bytes().to_vec()
    };
    // Wiped even when it is refused.
    let key = SecretBytes::new(key);
    match key.len() {
        0 => Err("the key is empty"),
        1..=MAX_OCTETS => Ok(key),
        _ => Err("a key has 255 octets at most"),
    }
}

fn octets(digits: &str) -> Result<Vec<u8>, &'static str> {
    const WHY: &str = "hexadecimal is an even number of the digits 0-9 and a-f";
    if digits.len() % 2 != 0 || !digits.bytes().all(|d| d.is_ascii_hexdigit()) {
        return Err(WHY);
    }
    // What grows leaves copies behind.
    let mut octets = Vec::with_capacity(digits.len() / 2);
    for at in (0..digits.len()).step_by(2) {
        let pair = digits.get(at..at + 2).ok_or(WHY)?;
        octets.push(u8::from_str_radix(pair, 16).map_err(|_| WHY)?);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests;

//! What a source of day 0 says, whatever its form: a configuration text, a host name, SSH keys.

use std::fmt::Write;

use ravelin_crypto::sha256;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::keys::{Key, MAX_KEYS};

/// Notes kept of one source: what was not used, and why.
const MAX_NOTES: usize = 32;

/// A configuration text within a file.
pub struct Text {
    /// The file, for messages.
    pub file: String,
    /// The text. Wiped on drop.
    pub text: Zeroizing<String>,
    /// What to add to the lines of the text to have those of the file; `None` when they are not lines of the file.
    pub shift_lines: Option<u32>,
}

/// What a source says. No `Debug`: the text holds secrets.
#[derive(Default)]
pub struct Content {
    /// The configuration.
    pub text: Option<Text>,
    /// The name of this node.
    pub host_name: Option<String>,
    /// For the user `admin`.
    pub keys: Vec<Key>,
    /// What was there and is not used.
    pub notes: Vec<String>,
}

impl Content {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.host_name.is_none() && self.keys.is_empty()
    }

    /// Remembers something to tell.
    pub fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    /// Takes a host name.
    ///
    /// # Errors
    /// When the model would not take it.
    pub fn set_host_name(&mut self, name: &str, line: u32) -> Result<(), Fault> {
        let label = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            (1..=63).contains(&label.len())
                && label.chars().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            let message = "the host name is not one of letters, digits and `-`";
            return Err(Fault::at(line as usize, message));
        }
        self.host_name = Some(name.to_owned());
        Ok(())
    }

    /// Takes the SSH keys of a text, one a line.
    ///
    /// # Errors
    /// When a line is no key.
    pub fn add_keys(&mut self, text: &str, line: u32) -> Result<(), Fault> {
        let lines = text.lines().map(str::trim);
        for key in lines.filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let key = Key::read(key).map_err(|message| Fault::at(line as usize, message))?;
            if self.keys.len() == MAX_KEYS {
                let message = format!("more than {MAX_KEYS} SSH keys");
                return Err(Fault::at(line as usize, message));
            }
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
        Ok(())
    }
}

/// SHA-256 over names and contents, by which a source is known again.
pub fn digest<'a>(
    parts: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<String, ravelin_crypto::Error> {
    let mut lengths = Vec::new();
    for (name, contents) in parts {
        let length = |octets: &[u8]| (octets.len() as u64).to_be_bytes();
        lengths.push((length(name.as_bytes()), name, length(contents), contents));
    }
    let flat: Vec<&[u8]> = lengths
        .iter()
        .flat_map(|(a, name, b, contents)| [a.as_slice(), name.as_bytes(), b.as_slice(), contents])
        .collect();
    let mut text = String::new();
    for octet in sha256(&flat)? {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

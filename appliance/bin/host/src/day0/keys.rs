//! SSH public keys as `authorized_keys` has them, one line each.

use std::fmt;

use base64ct::{Base64, Encoding};

/// Longest line: an RSA key of 16,384 bits and its comment.
const MAX_KEY_OCTETS: usize = 4000;
/// Keys taken from one source: as many as the model takes of one type.
pub const MAX_KEYS: usize = 16;

/// The types that are accepted, and the statement that each becomes.
const TYPES: &[(&str, &str)] = &[
    ("ssh-ed25519", "ssh-ed25519"),
    ("ssh-rsa", "ssh-rsa"),
    ("ecdsa-sha2-nistp256", "ssh-ecdsa"),
    ("ecdsa-sha2-nistp384", "ssh-ecdsa"),
    ("ecdsa-sha2-nistp521", "ssh-ecdsa"),
];

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    statement: &'static str,
    line: String,
}

impl Key {
    /// Reads a line: type, base64, and perhaps a comment.
    ///
    /// # Errors
    /// What is wrong with it; options in front of the type are not accepted.
    pub fn read(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.len() > MAX_KEY_OCTETS {
            return Err(format!("an SSH key of {} octets", line.len()));
        }
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let Some((name, statement)) = TYPES.iter().find(|(name, _)| *name == kind) else {
            let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            let expected = names.join(", ");
            return Err(format!(
                "not an SSH public key of a type that is accepted ({expected})"
            ));
        };
        let octets = words.next().map(Base64::decode_vec);
        let Some(Ok(octets)) = octets else {
            return Err("the SSH public key is not base64".to_owned());
        };
        // RFC 4253 section 6.6: the type again, after its length.
        let repeated = octets.strip_prefix(&(name.len() as u32).to_be_bytes());
        if repeated.is_none_or(|rest| !rest.starts_with(name.as_bytes())) {
            return Err(format!("the SSH public key is not one of type {name}"));
        }
        // The model takes no other characters; a comment with them is left out.
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_graphic());
        let words: Vec<&str> = line.split_whitespace().filter(plain).collect();
        Ok(Self {
            statement,
            line: words.join(" "),
        })
    }
}

impl fmt::Display for Key {
    /// As a statement below `authentication`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.line.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "{} \"{quoted}\"", self.statement)
    }
}

#[cfg(test)]
mod tests;

//! Post-quantum pre-shared keys (RFC 8784): secrets of both ends that are mixed into the keys of the IKE SA.

use ravelin_types::SecretBytes;
use serde::{Deserialize, Serialize};

/// Octets of an identifier that are shown.
const SHOWN_OCTETS: usize = 64;

/// A secret and the name by which both ends know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ppk {
    /// PPK_ID of type PPK_ID_FIXED (RFC 8784 section 5.1); no secret.
    pub id: Vec<u8>,
    /// The secret; section 6 asks for 256 bits of entropy.
    pub key: SecretBytes,
}

/// Those of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ppks {
    /// In the order of the configuration: as initiator we use the first.
    pub keys: Vec<Ppk>,
    /// No IKE SA without one.
    pub required: bool,
}

impl Ppks {
    /// The one of this identifier.
    pub fn find(&self, id: &[u8]) -> Option<&Ppk> {
        self.keys.iter().find(|known| known.id == id)
    }
}

/// An identifier in words.
pub fn ppk_text(id: &[u8]) -> String {
    let shown = id.get(..SHOWN_OCTETS).unwrap_or(id);
    let dots = if shown.len() < id.len() { "..." } else { "" };
    match std::str::from_utf8(shown) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
            format!("{text}{dots}")
        }
        _ => {
            let digits: String = shown.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("0x{digits}{dots}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_shown_as_text_or_in_hexadecimal_and_never_at_length() {
        assert_eq!(ppk_text(b"enb-1"), "enb-1");
        assert_eq!(ppk_text(b"a b"), "0x612062");
        assert_eq!(ppk_text(&[0xc3]), "0xc3");
        assert_eq!(ppk_text(b""), "0x");
        assert_eq!(ppk_text(&[b'x'; 65_000]), format!("{}...", "x".repeat(64)));
    }
}

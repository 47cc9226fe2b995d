//! Octets of a peer that are names for operators.

/// Octets that are shown.
const SHOWN_OCTETS: usize = 64;

/// Printable ones as they are, others in hexadecimal.
pub(crate) fn opaque_text(octets: &[u8]) -> String {
    let shown = octets.get(..SHOWN_OCTETS).unwrap_or(octets);
    let dots = if shown.len() < octets.len() {
        "..."
    } else {
        ""
    };
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
    fn a_name_is_shown_as_text_or_in_hexadecimal_and_never_at_length() {
        assert_eq!(opaque_text(b"enb-1"), "enb-1");
        assert_eq!(opaque_text(b"a b"), "0x612062");
        assert_eq!(opaque_text(&[0xc3]), "0xc3");
        assert_eq!(opaque_text(b""), "0x");
        assert_eq!(
            opaque_text(&[b'x'; 65_000]),
            format!("{}...", "x".repeat(64))
        );
    }
}

//! A protected message without its protection, as RFC 9242 section 3.3.2 has it signed: the same however it was encrypted or cut.
//!
//! ```text
//! header with the length of this | generic header of SK with the length of what follows | payloads
//! <---------------------- IntAuth_A -----------------------------------------------> <- IntAuth_P ->
//! ```

use ravelin_crypto::Zeroizing;

use super::codec::put_len;
use super::header::HEADER_OCTETS;
use super::payload::number;
use super::{ParseError, Payload};

const GENERIC_OCTETS: usize = 4;
/// Where the header has the type of the first payload, and its length.
const AT_FIRST: usize = 16;
const AT_LENGTH: usize = 24;

/// A protected message, authentic and whole.
pub(crate) struct Whole {
    pub(crate) payloads: Result<Vec<Payload>, ParseError>,
    /// What [`covered`] makes of it; empty but for IKE_INTERMEDIATE.
    pub(crate) covered: Zeroizing<Vec<u8>>,
}

/// From the header of the message (or of one of its fragments), the octet with the critical bit of its SK payload, and its payloads.
pub(crate) fn covered(header: &[u8], critical: u8, first: u8, chain: &[u8]) -> Zeroizing<Vec<u8>> {
    let total = HEADER_OCTETS + GENERIC_OCTETS + chain.len();
    let mut out = Zeroizing::new(Vec::with_capacity(total));
    out.extend_from_slice(header.get(..AT_FIRST).unwrap_or(&[]));
    out.push(number::SK);
    out.extend_from_slice(header.get(AT_FIRST + 1..AT_LENGTH).unwrap_or(&[]));
    out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&[first, critical]);
    put_len(&mut out, GENERIC_OCTETS + chain.len());
    out.extend_from_slice(chain);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::{ExchangeType, Header};

    #[test]
    fn lengths_count_neither_iv_nor_padding_nor_check_value() {
        let header = Header {
            spi_i: 1,
            spi_r: 2,
            exchange: ExchangeType::IkeIntermediate,
            initiator: true,
            response: false,
            message_id: 1,
        };
        let whole = header.emit(number::SK, 100);
        let piece = header.emit(number::SKF, 60);
        let octets = covered(&whole, 0, 34, &[9; 10]);
        assert_eq!(octets, covered(&piece, 0, 34, &[9; 10]));
        let mut expected = header.emit(number::SK, 14);
        expected.extend_from_slice(&[34, 0, 0, 14]);
        expected.extend_from_slice(&[9; 10]);
        assert_eq!(*octets, expected);
    }
}

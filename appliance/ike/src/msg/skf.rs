//! The encrypted fragment payload (RFC 7383 section 2.5): cutting a message into fragments that are sealed one by one, and
//! checking and decrypting one. Joining them is the IKE SA's business ([`crate::fragment`]).
//!
//! ```text
//! header | generic header of SKF | number | total | IV | ciphertext of (piece | padding | pad length) | ICV
//! <-------------- associated data -------------->
//! ```

use ravelin_crypto::{SkCipher, Zeroizing};

use super::codec::{Reader, put_len};
use super::header::HEADER_OCTETS;
use super::payload::number;
use super::sk::{pad, strip};
use super::{Header, ParseError, ParseErrorKind};

const GENERIC_OCTETS: usize = 4;
/// Number and total.
const FIXED_OCTETS: usize = 4;

/// A fragment of an encrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skf {
    /// Type of the first payload inside; 0 in all fragments but the first.
    pub first: u8,
    /// From 1.
    pub number: u16,
    /// How many fragments make up the message.
    pub total: u16,
    /// Initialisation vector, ciphertext and integrity check value.
    pub body: Vec<u8>,
}

impl Skf {
    pub(super) fn parse(first: u8, mut r: Reader<'_>) -> Result<Skf, ParseError> {
        let number = r.u16()?;
        let total = r.u16()?;
        if number == 0 || number > total {
            return Err(r.error(ParseErrorKind::Value));
        }
        Ok(Skf {
            first,
            number,
            total,
            body: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.total.to_be_bytes());
        out.extend_from_slice(&self.body);
    }

    /// Checks and decrypts the piece; `message` is the whole datagram that this payload was parsed from. `None`: not from
    /// the peer, or its padding is longer than it.
    pub fn open(&self, message: &[u8], cipher: &SkCipher) -> Option<Zeroizing<Vec<u8>>> {
        let aad = message.get(..message.len().saturating_sub(self.body.len()))?;
        let (iv, sealed) = self.body.split_at_checked(cipher.iv_len())?;
        let mut plain = cipher.open(iv, aad, sealed).ok()?;
        let octets = strip(&plain)?.len();
        plain.truncate(octets);
        Some(plain)
    }
}

/// Octets of a chain that one fragment carries in a message of at most `most_octets`.
pub fn room(cipher: &SkCipher, most_octets: usize) -> usize {
    let around = HEADER_OCTETS + GENERIC_OCTETS + FIXED_OCTETS + cipher.iv_len() + cipher.icv_len();
    let block = cipher.block_len().max(1);
    let blocks = most_octets.saturating_sub(around) / block;
    (blocks * block).saturating_sub(1)
}

/// Seals one fragment: the piece of the chain with this number.
pub fn seal(
    header: &Header,
    first: u8,
    (at, total): (u16, u16),
    piece: &[u8],
    cipher: &SkCipher,
    iv: &[u8],
) -> Result<Vec<u8>, ravelin_crypto::Error> {
    let plain = pad(piece, cipher);
    let octets = GENERIC_OCTETS + FIXED_OCTETS + iv.len() + plain.len() + cipher.icv_len();
    let mut out = header.emit(number::SKF, octets);
    out.extend_from_slice(&[if at == 1 { first } else { 0 }, 0]);
    put_len(&mut out, octets);
    out.extend_from_slice(&at.to_be_bytes());
    out.extend_from_slice(&total.to_be_bytes());
    let sealed = cipher.seal(iv, &out, &plain)?;
    out.extend_from_slice(iv);
    out.extend_from_slice(&sealed);
    Ok(out)
}

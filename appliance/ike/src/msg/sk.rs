//! The encrypted payload (RFC 7296 section 3.14): splitting and building the envelope around [`ravelin_crypto::SkCipher`].
//!
//! ```text
//! header | clear payloads | generic header of SK | IV | ciphertext of (payloads | padding | pad length) | ICV
//! <------------------ associated data ---------->
//! ```

use ravelin_crypto::{SkCipher, Zeroizing};

use super::codec::Reader;
use super::header::HEADER_OCTETS;
use super::payload::{emit_chain, number, parse_chain};
use super::{Header, ParseError, ParseErrorKind, Payload, PayloadType};

const GENERIC_OCTETS: usize = 4;

/// An encrypted payload before decryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sk {
    /// Type of the first payload inside.
    pub first: u8,
    /// Initialisation vector, ciphertext and integrity check value.
    pub body: Vec<u8>,
}

/// Why an encrypted payload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than initialisation vector and check value, or the check failed: not from the peer.
    #[error(transparent)]
    Crypto(#[from] ravelin_crypto::Error),
    /// Authentic, but what is inside is malformed: the peer misbehaves.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Sk {
    pub(super) fn parse(first: u8, mut r: Reader<'_>) -> Sk {
        Sk {
            first,
            body: r.rest().to_vec(),
        }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body);
    }

    /// Checks and decrypts; `message` is the whole datagram that this payload was parsed from.
    pub fn open(&self, message: &[u8], cipher: &SkCipher) -> Result<Vec<Payload>, OpenError> {
        let (chain, base) = self.open_chain(message, cipher)?;
        Ok(parse_inner(self.first, &chain, base)?)
    }

    /// The same, up to the octets of the chain and where it starts in the message.
    pub fn open_chain(
        &self,
        message: &[u8],
        cipher: &SkCipher,
    ) -> Result<(Zeroizing<Vec<u8>>, usize), OpenError> {
        let aad_octets = message.len().saturating_sub(self.body.len());
        let aad = message.get(..aad_octets).unwrap_or(&[]);
        let Some((iv, sealed)) = self.body.split_at_checked(cipher.iv_len()) else {
            return Err(ravelin_crypto::Error::Integrity.into());
        };
        let mut plain = cipher.open(iv, aad, sealed)?;
        let base = aad_octets + iv.len();
        let octets = chain_of(&plain, base)?.len();
        plain.truncate(octets);
        Ok((plain, base))
    }
}

/// Strips the padding of decrypted content and parses the payloads in it.
pub fn parse_plain(first: u8, plain: &[u8], base: usize) -> Result<Vec<Payload>, ParseError> {
    parse_inner(first, chain_of(plain, base)?, base)
}

fn chain_of(plain: &[u8], base: usize) -> Result<&[u8], ParseError> {
    let error = |kind| ParseError {
        payload: PayloadType::Payload(number::SK),
        offset: base + plain.len(),
        kind,
    };
    if plain.is_empty() {
        return Err(error(ParseErrorKind::Truncated));
    }
    strip(plain).ok_or(error(ParseErrorKind::Padding))
}

/// What is left of decrypted content without its padding.
pub(super) fn strip(plain: &[u8]) -> Option<&[u8]> {
    let (pad, rest) = plain.split_last()?;
    rest.get(..rest.len().checked_sub(usize::from(*pad))?)
}

/// Decrypted content with padding and pad length.
pub(super) fn pad(chain: &[u8], cipher: &SkCipher) -> Zeroizing<Vec<u8>> {
    let block = cipher.block_len().max(1);
    let pad = (block - (chain.len() + 1) % block) % block;
    let mut plain = Zeroizing::new(Vec::with_capacity(chain.len() + pad + 1));
    plain.extend_from_slice(chain);
    plain.resize(chain.len() + pad, 0);
    plain.push(u8::try_from(pad).unwrap_or(0));
    plain
}

/// Parses the payloads of a chain that was protected; `base` is where it starts, for errors.
pub fn parse_inner(first: u8, chain: &[u8], base: usize) -> Result<Vec<Payload>, ParseError> {
    let payloads = parse_chain(first, chain, base)?;
    if payloads
        .iter()
        .any(|p| matches!(p, Payload::Sk(_) | Payload::Skf(_)))
    {
        return Err(ParseError {
            payload: PayloadType::Payload(number::SK),
            offset: base + chain.len(),
            kind: ParseErrorKind::Misplaced,
        });
    }
    Ok(payloads)
}

/// The octets of a chain and the type of its first payload.
pub(crate) fn chain(payloads: &[Payload]) -> (u8, Zeroizing<Vec<u8>>) {
    let (first, chain) = emit_chain(payloads);
    (first, Zeroizing::new(chain))
}

/// Octets of the message that [`seal_raw`] makes of a chain of this length.
pub(crate) fn sealed_octets(chain_octets: usize, cipher: &SkCipher) -> usize {
    let padded = (chain_octets + 1).next_multiple_of(cipher.block_len().max(1));
    HEADER_OCTETS + GENERIC_OCTETS + cipher.iv_len() + padded + cipher.icv_len()
}

/// Builds a whole message whose payloads are all inside an encrypted payload.
pub fn seal(
    header: &Header,
    payloads: &[Payload],
    cipher: &SkCipher,
    iv: &[u8],
) -> Result<Vec<u8>, ravelin_crypto::Error> {
    let (first, chain) = chain(payloads);
    seal_raw(header, first, &chain, cipher, iv)
}

/// Like [`seal`], with the octets of the chain given; also the way in for fuzzing the decrypted payloads.
pub fn seal_raw(
    header: &Header,
    first: u8,
    chain: &[u8],
    cipher: &SkCipher,
    iv: &[u8],
) -> Result<Vec<u8>, ravelin_crypto::Error> {
    let plain = pad(chain, cipher);
    let body_octets = iv.len() + plain.len() + cipher.icv_len();
    let mut out = header.emit(number::SK, GENERIC_OCTETS + body_octets);
    out.extend_from_slice(&[first, 0]);
    super::codec::put_len(&mut out, GENERIC_OCTETS + body_octets);
    let sealed = cipher.seal(iv, &out, &plain)?;
    out.extend_from_slice(iv);
    out.extend_from_slice(&sealed);
    Ok(out)
}

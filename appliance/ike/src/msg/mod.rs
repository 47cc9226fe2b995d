//! The IKEv2 message codec: bytes to checked structs and back.
//!
//! What it does: parses a whole datagram into a [`Header`] and typed [`Payload`]s, and emits them again so that
//! `parse(emit(x)) == x`. Every error names the payload and the octet offset at which the message went wrong.
//! What it does not: decide whether a payload makes sense in an exchange, decrypt (see [`sk`] for the envelope; the
//! keys belong to the SA), or join fragments (an SKF payload is one fragment).
//!
//! RFC 7296 section 3; RFC 7383 section 2.5 for the fragment payload.

pub mod auth;
pub mod cert;
pub mod certreq;
pub mod cp;
pub mod delete;
pub mod error;
pub mod header;
pub mod id;
pub mod ke;
pub mod nonce;
pub mod notify;
pub mod opaque;
pub mod payload;
pub mod sa;
pub mod sk;
pub mod skf;
pub mod ts;
pub mod vendor;

mod codec;
mod covered;

pub(crate) use covered::{Whole, covered};
pub use error::{ParseError, ParseErrorKind};
pub use header::{ExchangeType, Header};
pub use payload::{Payload, PayloadType};

/// The longest message that is parsed: what UDP can carry.
pub const MAX_MESSAGE_OCTETS: usize = 65_535;

/// The most payloads in one chain. The longest legitimate message (IKE_AUTH with a certificate chain and a dozen
/// notifies) stays under 40; more only costs memory.
pub const MAX_PAYLOADS: usize = 64;

/// A message as it stands on the wire, not yet decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The fixed header.
    pub header: Header,
    /// The payloads in order; an SK or SKF payload is the last.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Parses a datagram without its non-ESP marker.
    pub fn parse(data: &[u8]) -> Result<Message, ParseError> {
        let (header, first) = Header::parse(data)?;
        let payloads = payload::parse_chain(
            first,
            data.get(header::HEADER_OCTETS..).unwrap_or(&[]),
            header::HEADER_OCTETS,
        )?;
        Ok(Message { header, payloads })
    }

    /// The octets of the message.
    pub fn emit(&self) -> Vec<u8> {
        let (first, body) = payload::emit_chain(&self.payloads);
        let mut out = self.header.emit(first, body.len());
        out.extend_from_slice(&body);
        out
    }

    /// The encrypted payload, if the message has one.
    pub fn sk(&self) -> Option<&sk::Sk> {
        match self.payloads.last() {
            Some(Payload::Sk(sk)) => Some(sk),
            _ => None,
        }
    }
}

/// The type of the first payload that is unknown and marked critical (RFC 7296 section 2.5), if any.
pub fn unknown_critical(payloads: &[Payload]) -> Option<u8> {
    payloads.iter().find_map(|p| match p {
        Payload::Unknown(u) if u.critical => Some(u.kind),
        _ => None,
    })
}

#[cfg(test)]
mod tests;

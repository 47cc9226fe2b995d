//! The fixed header (RFC 7296 section 3.1).

use super::codec::Reader;
use super::{MAX_MESSAGE_OCTETS, ParseError, ParseErrorKind, PayloadType};

/// Octets of the fixed header.
pub const HEADER_OCTETS: usize = 28;

const VERSION: u8 = 0x20;
const FLAG_INITIATOR: u8 = 0x08;
const FLAG_RESPONSE: u8 = 0x20;

/// The exchange a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeType {
    /// 34
    IkeSaInit,
    /// 35
    IkeAuth,
    /// 36
    CreateChildSa,
    /// 37
    Informational,
    /// 43, RFC 9242
    IkeIntermediate,
    /// 44, RFC 9370
    IkeFollowupKe,
    /// Any other number.
    Other(u8),
}

impl ExchangeType {
    /// From the number on the wire.
    pub fn from_id(id: u8) -> Self {
        match id {
            34 => ExchangeType::IkeSaInit,
            35 => ExchangeType::IkeAuth,
            36 => ExchangeType::CreateChildSa,
            37 => ExchangeType::Informational,
            43 => ExchangeType::IkeIntermediate,
            44 => ExchangeType::IkeFollowupKe,
            other => ExchangeType::Other(other),
        }
    }

    /// The number on the wire.
    pub fn to_id(self) -> u8 {
        match self {
            ExchangeType::IkeSaInit => 34,
            ExchangeType::IkeAuth => 35,
            ExchangeType::CreateChildSa => 36,
            ExchangeType::Informational => 37,
            ExchangeType::IkeIntermediate => 43,
            ExchangeType::IkeFollowupKe => 44,
            ExchangeType::Other(other) => other,
        }
    }
}

/// The fixed header without what is derived (next payload, version, length).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SPI of the IKE SA's original initiator.
    pub spi_i: u64,
    /// SPI of its responder; 0 in the first message.
    pub spi_r: u64,
    /// The exchange.
    pub exchange: ExchangeType,
    /// Set in messages sent by the original initiator of the IKE SA.
    pub initiator: bool,
    /// Set in responses.
    pub response: bool,
    /// The message ID.
    pub message_id: u32,
}

impl Header {
    /// Parses the header of `data`, checks version and total length; returns the type of the first payload too.
    pub fn parse(data: &[u8]) -> Result<(Header, u8), ParseError> {
        let mut r = Reader::new(data, 0, PayloadType::Header);
        if data.len() > MAX_MESSAGE_OCTETS {
            return Err(r.error(ParseErrorKind::TooLong));
        }
        let (header, first, major) = Header::fields(&mut r)?;
        if major != VERSION >> 4 {
            return Err(r.error(ParseErrorKind::Version));
        }
        let length = r.u32()?;
        if usize::try_from(length).ok() != Some(data.len()) {
            return Err(r.error(ParseErrorKind::Length));
        }
        Ok((header, first))
    }

    /// The header of a message whose major version is higher than ours; what follows it may be anything.
    pub fn of_later_version(data: &[u8]) -> Option<Header> {
        let mut r = Reader::new(data, 0, PayloadType::Header);
        let (header, _, major) = Header::fields(&mut r).ok()?;
        (major > VERSION >> 4).then_some(header)
    }

    /// All but the length, with the type of the first payload and the major version.
    fn fields(r: &mut Reader<'_>) -> Result<(Header, u8, u8), ParseError> {
        let spi_i = r.u64()?;
        let spi_r = r.u64()?;
        let first = r.u8()?;
        let major = r.u8()? >> 4;
        let exchange = ExchangeType::from_id(r.u8()?);
        let flags = r.u8()?;
        let header = Header {
            spi_i,
            spi_r,
            exchange,
            initiator: flags & FLAG_INITIATOR != 0,
            response: flags & FLAG_RESPONSE != 0,
            message_id: r.u32()?,
        };
        Ok((header, first, major))
    }

    /// The 28 octets, for a body of `body_octets` that starts with a payload of type `first`.
    pub fn emit(&self, first: u8, body_octets: usize) -> Vec<u8> {
        let total = HEADER_OCTETS + body_octets;
        let mut out = Vec::with_capacity(total);
        out.extend_from_slice(&self.spi_i.to_be_bytes());
        out.extend_from_slice(&self.spi_r.to_be_bytes());
        let flags = if self.initiator { FLAG_INITIATOR } else { 0 }
            | if self.response { FLAG_RESPONSE } else { 0 };
        out.extend_from_slice(&[first, VERSION, self.exchange.to_id(), flags]);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
        out
    }
}

//! ESP packet layout (RFC 4303 section 2) and what may arrive on UDP port 4500 (RFC 3948 section 2).

use crate::get_u32;

/// SPI and sequence number.
pub const HEADER_OCTETS: usize = 8;
/// Explicit IV of the counter-mode ciphers (RFC 4106 section 3.1).
pub const GCM_IV_OCTETS: usize = 8;
/// Pad length and next header.
pub const TRAILER_OCTETS: usize = 2;
/// IP protocol number of ESP.
pub const PROTOCOL_ESP: u8 = 50;
/// IP protocol number of AH.
pub const PROTOCOL_AH: u8 = 51;
/// Next header of a dummy packet (RFC 4303 section 2.6).
pub const NEXT_HEADER_DUMMY: u8 = 59;
/// Next header of an IPv4 packet in tunnel mode.
pub const NEXT_HEADER_IPV4: u8 = 4;
/// Next header of an IPv6 packet in tunnel mode.
pub const NEXT_HEADER_IPV6: u8 = 41;
/// UDP port of ESP in UDP and of IKE behind NAT.
pub const UDP_ENCAP_PORT: u16 = 4500;
/// UDP port of IKE.
pub const IKE_PORT: u16 = 500;

/// SPI and sequence number of an ESP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspHeader {
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number, its low 32 bits when extended numbers are in use.
    pub sequence: u32,
}

impl EspHeader {
    /// Reads the header at the start of `esp`.
    #[inline]
    pub fn parse(esp: &[u8]) -> Option<Self> {
        Some(Self {
            spi: get_u32(esp, 0)?,
            sequence: get_u32(esp, 4)?,
        })
    }

    /// The header as it stands on the wire.
    #[inline]
    pub fn octets(self) -> [u8; HEADER_OCTETS] {
        let mut out = [0; HEADER_OCTETS];
        out[..4].copy_from_slice(&self.spi.to_be_bytes());
        out[4..].copy_from_slice(&self.sequence.to_be_bytes());
        out
    }
}

/// What a datagram on UDP port 4500 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpEncap {
    /// One octet 0xff: keeps a NAT binding open, dropped silently by the receiver.
    Keepalive,
    /// Four zero octets, then an IKE message.
    Ike,
    /// An ESP packet; its SPI is not zero.
    Esp,
    /// Too short to be any of the three.
    Malformed,
}

/// Classifies the payload of a datagram on UDP port 4500 by its first octets.
#[inline]
pub fn classify_udp_encap(payload: &[u8]) -> UdpEncap {
    match (payload, get_u32(payload, 0)) {
        ([0xff], _) => UdpEncap::Keepalive,
        (_, Some(0)) => UdpEncap::Ike,
        (_, Some(_)) if payload.len() > HEADER_OCTETS => UdpEncap::Esp,
        _ => UdpEncap::Malformed,
    }
}

/// The responder SPI of an IKE message, without the non-ESP marker (RFC 7296 section 3.1). Zero in the first message.
pub fn ike_responder_spi(message: &[u8]) -> Option<u64> {
    Some(u64::from(get_u32(message, 8)?) << 32 | u64::from(get_u32(message, 12)?))
}

#[cfg(test)]
mod tests;

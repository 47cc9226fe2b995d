//! The packets as octets: sizes, frames in clear, keys.

use ravelin_types::{NodeId, Spi};
use ravelin_wire::esp::{HEADER_OCTETS, TRAILER_OCTETS};
use ravelin_wire::ethernet::{self, Mac, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::{self, IpFields, UDP_HEADER_OCTETS, protocol};
use std::net::IpAddr;

use crate::case::{Algorithm, Family, Setting};

pub const ETHERNET_OCTETS: usize = ethernet::HEADER_OCTETS;
/// Everybody else's hardware address.
pub const NEIGHBOUR: Mac = [2, 0, 0, 0, 0, 2];
/// GTP-U, what a base station sends.
const UDP_PORT: u16 = 2152;

/// Our SPI of an SA.
pub fn spi(sa: u32) -> Spi {
    Spi::compose(NodeId::default(), sa + 1, 1).unwrap_or(Spi(0))
}

/// The peer's SPI of an SA.
pub fn peer_spi(sa: u32) -> Spi {
    Spi(0x4000_0000 + sa)
}

/// Key material of an SA, both ways.
pub fn keymat(algorithm: Algorithm, sa: u32) -> Vec<u8> {
    let octets = algorithm.transform().keymat_octets();
    sa.to_be_bytes().into_iter().cycle().take(octets).collect()
}

/// Octets of the frame that carries an inner packet in clear.
pub fn clear_octets(inner_octets: usize) -> usize {
    ETHERNET_OCTETS + inner_octets
}

/// Octets of the frame that carries it sealed (RFC 4303 section 2).
pub fn sealed_octets(setting: Setting, inner_octets: usize) -> usize {
    let transform = setting.algorithm.transform();
    let text_octets = (inner_octets + TRAILER_OCTETS).next_multiple_of(transform.block_octets());
    let front_octets = setting.family.header_octets() + HEADER_OCTETS + transform.iv_octets();
    ETHERNET_OCTETS + front_octets + text_octets + transform.icv_octets()
}

/// Writes the Ethernet header of a frame to this address.
pub fn link(out: &mut [u8], mac: Mac, family: Family) {
    let ether_type = match family {
        Family::V4 => TYPE_IPV4,
        Family::V6 => TYPE_IPV6,
    };
    let _ = ethernet::emit(out, mac, NEIGHBOUR, Tags::default(), ether_type);
}

/// Fills `out` with a UDP packet; its payload is whatever stands there.
pub fn inner(out: &mut [u8], family: Family, source: IpAddr, destination: IpAddr) {
    let header_octets = family.header_octets();
    let fields = IpFields {
        source,
        destination,
        protocol: protocol::UDP,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 0,
        payload_octets: (out.len() - header_octets) as u16,
    };
    let _ = ip::emit(out, &fields);
    let udp = &mut out[header_octets..];
    let octets = udp.len() as u16;
    let words = [UDP_PORT, UDP_PORT, octets, 0];
    for (place, word) in udp[..UDP_HEADER_OCTETS].chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

//! The packets as octets: clear frames of the core side, ESP frames of the access side, and the keys of the SAs.

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_types::{NodeId, Spi};
use ravelin_wire::esp::{
    EspHeader, GCM_IV_OCTETS, HEADER_OCTETS, NEXT_HEADER_IPV4, NEXT_HEADER_IPV6, PROTOCOL_ESP,
    TRAILER_OCTETS,
};
use ravelin_wire::ethernet::{self, Mac, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::{self, IpFields};
use std::net::IpAddr;

use crate::Failure;
use crate::case::{Algorithm, Family};
use crate::mix::text_octets;

pub const ETHERNET_OCTETS: usize = ethernet::HEADER_OCTETS;
/// Everybody else's hardware address.
pub const NEIGHBOUR: Mac = [2, 0, 0, 0, 0, 2];
pub const SALT: [u8; 4] = [0x5a; 4];
/// Octets between the outer header and the encrypted text.
const FRONT_OCTETS: usize = HEADER_OCTETS + GCM_IV_OCTETS;
/// GTP-U, what a base station sends.
const UDP_PORT: u16 = 2152;
const UDP: u8 = 17;

/// Our SPI of an SA.
pub fn spi(sa: u32) -> Spi {
    Spi::compose(NodeId::default(), sa + 1, 1).unwrap_or(Spi(0))
}

/// The peer's SPI of an SA.
pub fn peer_spi(sa: u32) -> Spi {
    Spi(0x4000_0000 + sa)
}

/// Key and salt of an SA, both ways.
pub fn keymat(algorithm: Algorithm, sa: u32) -> Vec<u8> {
    let mut keymat: Vec<u8> = sa.to_be_bytes().repeat(algorithm.key_octets() / 4);
    keymat.extend_from_slice(&SALT);
    keymat
}

/// The expanded keys of `sas` SAs.
pub fn keys(gcm: Gcm, algorithm: Algorithm, sas: u32) -> Result<Vec<GcmKey>, Failure> {
    (0..sas)
        .map(|sa| {
            gcm.expand(&keymat(algorithm, sa)[..algorithm.key_octets()])
                .map_err(|_| Failure::Cipher)
        })
        .collect()
}

/// A nonce with this explicit IV.
pub fn nonce(iv: u64) -> [u8; NONCE_OCTETS] {
    let mut nonce = [0; NONCE_OCTETS];
    nonce[..SALT.len()].copy_from_slice(&SALT);
    nonce[SALT.len()..].copy_from_slice(&iv.to_be_bytes());
    nonce
}

/// Octets of the frame that carries an inner packet in clear.
pub fn clear_octets(inner_octets: usize) -> usize {
    ETHERNET_OCTETS + inner_octets
}

/// Octets of the frame that carries it sealed (RFC 4303 section 2).
pub fn sealed_octets(family: Family, inner_octets: usize) -> usize {
    let text_octets = text_octets(inner_octets);
    ETHERNET_OCTETS + family.header_octets() + FRONT_OCTETS + text_octets + TAG_OCTETS
}

/// Fills `out` with the frame of a core host to the host behind SA `sa`.
pub fn clear(out: &mut [u8], mac: Mac, family: Family, sa: u32) {
    link(out, mac, family);
    packet(
        &mut out[ETHERNET_OCTETS..],
        family.core(),
        family.remote(sa),
    );
}

/// Fills `out` with the ESP frame that the peer of SA `sa` sends with this number.
pub fn sealed(
    out: &mut [u8],
    mac: Mac,
    family: Family,
    inner_octets: usize,
    sa: u32,
    sequence: u32,
    key: &GcmKey,
) {
    link(out, mac, family);
    let outer = &mut out[ETHERNET_OCTETS..];
    header(outer, family.peer(), family.ours(), PROTOCOL_ESP);
    let esp = &mut outer[family.header_octets()..];
    let aad = EspHeader {
        spi: spi(sa).0,
        sequence,
    }
    .octets();
    esp[..HEADER_OCTETS].copy_from_slice(&aad);
    esp[HEADER_OCTETS..FRONT_OCTETS].copy_from_slice(&u64::from(sequence).to_be_bytes());
    let (text, tag) = esp[FRONT_OCTETS..].split_at_mut(text_octets(inner_octets));
    let (inner, trailer) = text.split_at_mut(inner_octets);
    packet(inner, family.remote(sa), family.core());
    let padding = trailer.len() - TRAILER_OCTETS;
    // RFC 4303 section 2.4: 1, 2, 3 ...
    for (octet, value) in trailer[..padding].iter_mut().zip(1..) {
        *octet = value;
    }
    let next_header = match family {
        Family::V4 => NEXT_HEADER_IPV4,
        Family::V6 => NEXT_HEADER_IPV6,
    };
    trailer[padding..].copy_from_slice(&[padding as u8, next_header]);
    if let Some(tag) = tag.first_chunk_mut::<TAG_OCTETS>() {
        key.seal(&nonce(u64::from(sequence)), &aad, text, tag);
    }
}

fn link(out: &mut [u8], mac: Mac, family: Family) {
    let ether_type = match family {
        Family::V4 => TYPE_IPV4,
        Family::V6 => TYPE_IPV6,
    };
    let _ = ethernet::emit(out, mac, NEIGHBOUR, Tags::default(), ether_type);
}

fn header(out: &mut [u8], source: IpAddr, destination: IpAddr, protocol: u8) {
    let header_octets = if source.is_ipv4() {
        ip::IPV4_HEADER_OCTETS
    } else {
        ip::IPV6_HEADER_OCTETS
    };
    let fields = IpFields {
        source,
        destination,
        protocol,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 0,
        payload_octets: (out.len() - header_octets) as u16,
    };
    let _ = ip::emit(out, &fields);
}

/// A UDP packet that fills `out`; its payload is whatever stands there.
fn packet(out: &mut [u8], source: IpAddr, destination: IpAddr) {
    header(out, source, destination, UDP);
    let header_octets = if source.is_ipv4() {
        ip::IPV4_HEADER_OCTETS
    } else {
        ip::IPV6_HEADER_OCTETS
    };
    let udp = &mut out[header_octets..];
    let octets = udp.len() as u16;
    udp[..2].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[2..4].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[4..6].copy_from_slice(&octets.to_be_bytes());
    udp[6..8].copy_from_slice(&[0, 0]);
}

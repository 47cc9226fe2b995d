//! The packets: sizes, clear frames for the core side, sealed ones for the access side.

use std::net::Ipv4Addr;

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_esp::PacketBuf;
use ravelin_types::{NodeId, Spi};
use ravelin_wire::esp::{
    EspHeader, GCM_IV_OCTETS, HEADER_OCTETS, NEXT_HEADER_IPV4, PROTOCOL_ESP, TRAILER_OCTETS,
};
use ravelin_wire::ethernet::{self, Mac, TYPE_IPV4, Tags};
use ravelin_wire::ip::{self, IPV4_HEADER_OCTETS, IpFields};

use crate::Failure;
use crate::mix::{Lottery, Mix, text_octets};
use crate::platform::Buf;

/// The gateway's address on the access side, its peer's, and a host of the core.
pub const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const CORE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
/// Hardware addresses of the gateway's ports and of everybody else.
pub const MAC: Mac = [2, 0, 0, 0, 0, 1];
pub const NEIGHBOUR: Mac = [2; 6];
/// Octets of the cipher key and of the salt behind it.
const KEY_OCTETS: usize = 32;
const SALT: [u8; 4] = [0x5a; 4];

const ETHERNET_OCTETS: usize = 14;
const UDP: u8 = 17;
/// GTP-U, what a base station sends.
const UDP_PORT: u16 = 2152;

/// Our SPI of an SA, and the prefix behind its peer.
pub fn spi(sa: u32) -> Spi {
    Spi::compose(NodeId::default(), sa + 1, 1).unwrap_or(Spi(0))
}

pub fn remote(sa: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + sa)
}

/// Key and salt of an SA, both ways.
pub fn keymat(sa: u32) -> Vec<u8> {
    let mut keymat: Vec<u8> = sa.to_be_bytes().repeat(KEY_OCTETS / 4);
    keymat.extend_from_slice(&SALT);
    keymat
}

/// The expanded keys of `sas` SAs.
pub fn keys(gcm: Gcm, sas: u32) -> Result<Vec<GcmKey>, Failure> {
    (0..sas)
        .map(|sa| {
            gcm.expand(&keymat(sa)[..KEY_OCTETS])
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

/// Makes bursts for one gateway. Sequence numbers rise from burst to burst, as the anti-replay window wants.
pub struct Traffic {
    lottery: Lottery,
    sequences: Vec<u32>,
    /// Empty when nobody checks the seals.
    keys: Vec<GcmKey>,
}

impl Traffic {
    pub fn new(sas: u32, gcm: Option<Gcm>) -> Result<Self, Failure> {
        Ok(Self {
            lottery: Lottery::new(sas),
            sequences: vec![0; sas as usize],
            keys: gcm.map_or(Ok(vec![]), |gcm| keys(gcm, sas))?,
        })
    }

    /// Frames from the core to hosts behind the tunnels.
    pub fn clear(&mut self, mix: &Mix, out: &mut Vec<Buf>) {
        for inner_octets in mix.inner_octets {
            let sa = self.lottery.draw();
            let mut buf = frame(inner_octets);
            packet(&mut buf.data_mut()[ETHERNET_OCTETS..], CORE, remote(sa));
            out.push(buf);
        }
    }

    /// ESP frames from the peer.
    pub fn sealed(&mut self, mix: &Mix, out: &mut Vec<Buf>) {
        for inner_octets in mix.inner_octets {
            let sa = self.lottery.draw();
            let sequence = &mut self.sequences[sa as usize];
            *sequence += 1;
            let key = self.keys.get(sa as usize);
            out.push(sealed(inner_octets, sa, *sequence, key));
        }
    }
}

/// A frame with its Ethernet header and room for an IP packet.
fn frame(ip_octets: usize) -> Buf {
    let mut buf = Buf::new();
    buf.append(ETHERNET_OCTETS + ip_octets);
    let _ = ethernet::emit(buf.data_mut(), MAC, NEIGHBOUR, Tags::default(), TYPE_IPV4);
    buf
}

fn header(out: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) {
    let fields = IpFields {
        source: source.into(),
        destination: destination.into(),
        protocol,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 0,
        payload_octets: (out.len() - IPV4_HEADER_OCTETS) as u16,
    };
    let _ = ip::emit(out, &fields);
}

/// A UDP packet that fills `out`; its payload is whatever stands there.
fn packet(out: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr) {
    header(out, source, destination, UDP);
    let udp = &mut out[IPV4_HEADER_OCTETS..];
    let octets = udp.len() as u16;
    udp[..2].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[2..4].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[4..6].copy_from_slice(&octets.to_be_bytes());
    udp[6..8].copy_from_slice(&[0, 0]);
}

fn sealed(inner_octets: usize, sa: u32, sequence: u32, key: Option<&GcmKey>) -> Buf {
    const FRONT: usize = HEADER_OCTETS + GCM_IV_OCTETS;
    let text_octets = text_octets(inner_octets);
    let mut buf = frame(IPV4_HEADER_OCTETS + FRONT + text_octets + TAG_OCTETS);
    let outer = &mut buf.data_mut()[ETHERNET_OCTETS..];
    header(outer, PEER, OURS, PROTOCOL_ESP);
    let esp = &mut outer[IPV4_HEADER_OCTETS..];
    let aad = EspHeader {
        spi: spi(sa).0,
        sequence,
    }
    .octets();
    esp[..HEADER_OCTETS].copy_from_slice(&aad);
    esp[HEADER_OCTETS..FRONT].copy_from_slice(&u64::from(sequence).to_be_bytes());
    let (text, tag) = esp[FRONT..].split_at_mut(text_octets);
    let (inner, trailer) = text.split_at_mut(inner_octets);
    packet(inner, remote(sa), CORE);
    let padding = trailer.len() - TRAILER_OCTETS;
    for (octet, value) in trailer[..padding].iter_mut().zip(1..) {
        *octet = value;
    }
    trailer[padding..].copy_from_slice(&[padding as u8, NEXT_HEADER_IPV4]);
    if let (Some(key), Some(tag)) = (key, tag.first_chunk_mut::<TAG_OCTETS>()) {
        key.seal(&nonce(u64::from(sequence)), &aad, text, tag);
    }
    buf
}

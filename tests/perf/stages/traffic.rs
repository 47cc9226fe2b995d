//! The packets: sizes, clear frames for the core side, sealed ones for the access side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_esp::PacketBuf;
use ravelin_types::{NodeId, Spi};
use ravelin_wire::esp::{
    EspHeader, GCM_IV_OCTETS, HEADER_OCTETS, NEXT_HEADER_IPV4, NEXT_HEADER_IPV6, PROTOCOL_ESP,
    TRAILER_OCTETS,
};
use ravelin_wire::ethernet::{self, Mac, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::{self, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, IpFields, UDP_HEADER_OCTETS};

use crate::Failure;
use crate::mix::{Lottery, Mix, text_octets};
use crate::platform::Buf;

/// The gateway's address on the access side and its peer's.
pub const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
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

/// The family of the packets in the tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inner {
    #[default]
    V4,
    V6,
}

impl Inner {
    /// A host of the core.
    pub fn core(self) -> IpAddr {
        match self {
            Inner::V4 => Ipv4Addr::new(172, 16, 0, 9).into(),
            Inner::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9).into(),
        }
    }

    /// The host behind the tunnel of an SA.
    pub fn remote(self, sa: u32) -> IpAddr {
        match self {
            Inner::V4 => Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + sa).into(),
            Inner::V6 => {
                let first = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 0).to_bits();
                Ipv6Addr::from_bits(first + u128::from(sa)).into()
            }
        }
    }

    fn ethertype(self) -> u16 {
        match self {
            Inner::V4 => TYPE_IPV4,
            Inner::V6 => TYPE_IPV6,
        }
    }

    fn next_header(self) -> u8 {
        match self {
            Inner::V4 => NEXT_HEADER_IPV4,
            Inner::V6 => NEXT_HEADER_IPV6,
        }
    }

    fn header_octets(self) -> usize {
        match self {
            Inner::V4 => IPV4_HEADER_OCTETS,
            Inner::V6 => IPV6_HEADER_OCTETS,
        }
    }

    /// A packet of this size, or the smallest one with a UDP header.
    fn octets(self, octets: usize) -> usize {
        octets.max(self.header_octets() + UDP_HEADER_OCTETS)
    }
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
    inner: Inner,
    lottery: Lottery,
    sequences: Vec<u32>,
    /// Empty when nobody checks the seals.
    keys: Vec<GcmKey>,
}

impl Traffic {
    pub fn new(sas: u32, inner: Inner, gcm: Option<Gcm>) -> Result<Self, Failure> {
        Ok(Self {
            inner,
            lottery: Lottery::new(sas),
            sequences: vec![0; sas as usize],
            keys: gcm.map_or(Ok(vec![]), |gcm| keys(gcm, sas))?,
        })
    }

    /// Frames from the core to hosts behind the tunnels.
    pub fn clear(&mut self, mix: &Mix, out: &mut Vec<Buf>) {
        for inner_octets in mix.inner_octets {
            let sa = self.lottery.draw();
            let mut buf = frame(self.inner.octets(inner_octets), self.inner.ethertype());
            let (source, destination) = (self.inner.core(), self.inner.remote(sa));
            let ip = &mut buf.data_mut()[ETHERNET_OCTETS..];
            packet(ip, self.inner, source, destination);
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
            out.push(sealed(self.inner, inner_octets, (sa, *sequence), key));
        }
    }
}

/// A frame with its Ethernet header and room for an IP packet.
fn frame(ip_octets: usize, ethertype: u16) -> Buf {
    let mut buf = Buf::new();
    buf.append(ETHERNET_OCTETS + ip_octets);
    let _ = ethernet::emit(buf.data_mut(), MAC, NEIGHBOUR, Tags::default(), ethertype);
    buf
}

fn header(out: &mut [u8], header_octets: usize, ends: (IpAddr, IpAddr), protocol: u8) {
    let fields = IpFields {
        source: ends.0,
        destination: ends.1,
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
fn packet(out: &mut [u8], inner: Inner, source: IpAddr, destination: IpAddr) {
    header(out, inner.header_octets(), (source, destination), UDP);
    let udp = &mut out[inner.header_octets()..];
    let octets = udp.len() as u16;
    udp[..2].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[2..4].copy_from_slice(&UDP_PORT.to_be_bytes());
    udp[4..6].copy_from_slice(&octets.to_be_bytes());
    udp[6..8].copy_from_slice(&[0, 0]);
}

fn sealed(
    family: Inner,
    inner_octets: usize,
    (sa, sequence): (u32, u32),
    key: Option<&GcmKey>,
) -> Buf {
    const FRONT: usize = HEADER_OCTETS + GCM_IV_OCTETS;
    let inner_octets = family.octets(inner_octets);
    let text_octets = text_octets(inner_octets);
    let mut buf = frame(
        IPV4_HEADER_OCTETS + FRONT + text_octets + TAG_OCTETS,
        TYPE_IPV4,
    );
    let outer = &mut buf.data_mut()[ETHERNET_OCTETS..];
    let ends = (PEER.into(), OURS.into());
    header(outer, IPV4_HEADER_OCTETS, ends, PROTOCOL_ESP);
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
    packet(inner, family, family.remote(sa), family.core());
    let padding = trailer.len() - TRAILER_OCTETS;
    for (octet, value) in trailer[..padding].iter_mut().zip(1..) {
        *octet = value;
    }
    trailer[padding..].copy_from_slice(&[padding as u8, family.next_header()]);
    if let (Some(key), Some(tag)) = (key, tag.first_chunk_mut::<TAG_OCTETS>()) {
        key.seal(&nonce(u64::from(sequence)), &aad, text, tag);
    }
    buf
}

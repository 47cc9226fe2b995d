//! Outbound processing (RFC 4303 section 3.3) and the outer header (RFC 4301 section 5.1.2, RFC 3948 section 3.3).

use std::net::IpAddr;

use ravelin_types::numbers::{Counter, Refusal};
use ravelin_types::{EspTransform, IpsecMode, IpsecProtocol};
use ravelin_wire::ah::FIXED_OCTETS;
use ravelin_wire::checksum;
use ravelin_wire::esp::{
    EspHeader, HEADER_OCTETS, NEXT_HEADER_IPV4, NEXT_HEADER_IPV6, PROTOCOL_AH, PROTOCOL_ESP,
    TRAILER_OCTETS,
};
use ravelin_wire::ip::{
    self, Brief, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, IpFields, UDP_HEADER_OCTETS, protocol,
};

use crate::engine::{Direction, KeyId, MAX_AAD_OCTETS, OpStatus, Task};
use crate::layout::{Layout, UNIQUE_IV_OCTETS};
use crate::{EspDrop, IvPrefix, PacketBuf, SALT_OCTETS};

/// TTL of the outer header.
const OUTER_TTL: u8 = 64;
/// Where DSCP and ECN lie in the TOS or traffic-class octet (RFC 2474 section 3, RFC 3168 section 5).
const DSCP_SHIFT: u32 = 2;
const ECN: u8 = 3;
/// Longest outer header: IPv6 and UDP.
const TEMPLATE_OCTETS: usize = IPV6_HEADER_OCTETS + UDP_HEADER_OCTETS;

/// What happens to the DF flag of an outer IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DfPolicy {
    /// Copy the inner header's; IPv6 inside counts as set.
    Copy,
    /// Always set.
    Set,
    /// Never set.
    #[default]
    Clear,
}

/// Outer addresses and, for ESP in UDP, ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterAddresses {
    /// Ours.
    pub local: IpAddr,
    /// The peer's, of the same family.
    pub remote: IpAddr,
    /// UDP ports (ours, the peer's), or protocol 50.
    pub udp: Option<(u16, u16)>,
}

/// What an outbound SA is made of.
#[derive(Clone, Copy, Debug)]
pub struct OutboundParams {
    /// The peer's SPI.
    pub spi: u32,
    /// Algorithms.
    pub transform: EspTransform,
    /// Protocol: AH has a transform without cipher, and no UDP.
    pub protocol: IpsecProtocol,
    /// Mode.
    pub mode: IpsecMode,
    /// Salt of the nonce.
    pub salt: [u8; SALT_OCTETS],
    /// The cipher key in the engine.
    pub key: KeyId,
    /// Node and install epoch of the explicit IV.
    pub iv: IvPrefix,
    /// Outer addresses.
    pub outer: OuterAddresses,
    /// DF policy.
    pub df: DfPolicy,
    /// DSCP of the outer header; else the inner packet's.
    pub dscp: Option<u8>,
    /// Last number that may have been sent: 0 for a new SA.
    pub last_sequence: u64,
    /// No number above this one is used before [`OutboundSa::grant`].
    pub ceiling: u64,
    /// Extended sequence numbers.
    pub extended: bool,
}

/// An outbound SA: everything `prepare` touches, nothing else.
#[derive(Debug)]
pub struct OutboundSa {
    pub(crate) numbers: Counter,
    pub(crate) key: KeyId,
    spi: u32,
    pub(crate) iv: IvPrefix,
    pub(crate) salt: [u8; SALT_OCTETS],
    pub(crate) layout: Layout,
    pub(crate) header_octets: u8,
    pub(crate) v6: bool,
    udp: bool,
    pub(crate) extended: bool,
    mode: IpsecMode,
    protocol: IpsecProtocol,
    df: DfPolicy,
    /// What of the inner TOS or traffic-class octet goes outside, and what beside it.
    kept_class: u8,
    set_class: u8,
    template: [u8; TEMPLATE_OCTETS],
    /// Checksum of the template's IPv4 header with a length, an identification and a type of service of zero.
    template_sum: u16,
}

/// Where ESP goes: behind a header that is still to be written, or behind one that the packet has.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Octets of the header in front of the packet.
    pub(crate) before_octets: usize,
    /// Octets of the packet itself that stay in front.
    pub(crate) kept_octets: usize,
}

impl OutboundSa {
    /// Builds the SA and its header template; `None` when the outer families differ.
    pub fn new(params: &OutboundParams) -> Option<Self> {
        let mut sa = Self {
            // RFC 4303 section 3.3.3: the number must not cycle. The IV counter has 40 bits.
            numbers: Counter::new(params.last_sequence, params.ceiling, params.extended),
            key: params.key,
            spi: params.spi,
            iv: params.iv,
            salt: params.salt,
            layout: Layout::new(params.transform),
            header_octets: 0,
            v6: false,
            udp: false,
            extended: params.extended,
            mode: params.mode,
            protocol: params.protocol,
            df: params.df,
            kept_class: if params.dscp.is_some() { ECN } else { u8::MAX },
            set_class: params.dscp.map_or(0, |dscp| dscp << DSCP_SHIFT),
            template: [0; TEMPLATE_OCTETS],
            template_sum: 0,
        };
        sa.set_outer(&params.outer)?;
        Some(sa)
    }

    /// Moves the SA to other outer addresses (NAT rebinding, MOBIKE); `None` and no change when the families differ.
    pub fn set_outer(&mut self, outer: &OuterAddresses) -> Option<()> {
        let mut template = [0; TEMPLATE_OCTETS];
        let fields = IpFields {
            source: outer.local,
            destination: outer.remote,
            protocol: match (self.protocol, outer.udp) {
                (IpsecProtocol::Ah, _) => PROTOCOL_AH,
                (IpsecProtocol::Esp, Some(_)) => protocol::UDP,
                (IpsecProtocol::Esp, None) => PROTOCOL_ESP,
            },
            ttl: OUTER_TTL,
            traffic_class: 0,
            dont_fragment: false,
            id: 0,
            payload_octets: 0,
        };
        let mut at = ip::emit(&mut template, &fields)?;
        if let Some((local, remote)) = outer.udp {
            template[at..at + 2].copy_from_slice(&local.to_be_bytes());
            template[at + 2..at + 4].copy_from_slice(&remote.to_be_bytes());
            at += UDP_HEADER_OCTETS;
        }
        if let (IpAddr::V4(_), Some(header)) = (outer.local, template.first_chunk_mut()) {
            let header: &mut [u8; IPV4_HEADER_OCTETS] = header;
            header[2..4].copy_from_slice(&[0, 0]);
            header[10..12].copy_from_slice(&[0, 0]);
            self.template_sum = checksum::of_ipv4_header(header);
        }
        self.template = template;
        self.header_octets = at as u8;
        self.v6 = outer.local.is_ipv6();
        self.udp = outer.udp.is_some();
        Some(())
    }

    /// Last sequence number used.
    pub fn sequence(&self) -> u64 {
        self.numbers.last()
    }

    /// How many numbers are left.
    pub fn remaining(&self) -> u64 {
        self.numbers.remaining()
    }

    /// The numbers near their end: the SA is to be rekeyed.
    #[inline]
    pub fn is_exhausting(&self) -> bool {
        self.numbers.is_soft()
    }

    /// Whether a higher ceiling should be asked for.
    #[inline]
    pub fn wants_ceiling(&self) -> bool {
        self.numbers.wants()
    }

    /// A higher ceiling was asked for.
    pub fn asked(&mut self) {
        self.numbers.ceiling().asked();
    }

    /// Numbers up to this one may be used from now on.
    pub fn grant(&mut self, ceiling: u64) {
        self.numbers.ceiling().raise(ceiling);
    }

    /// No number above `last` is used any more: the life of the SA ends there.
    pub fn end_at(&mut self, last: u64) {
        self.numbers.ceiling().end_at(last);
    }

    /// Whether [`OutboundSa::end_at`] has brought the end forward.
    pub fn is_ended(&mut self) -> bool {
        self.numbers.ceiling().is_ended()
    }

    /// The peer's SPI.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// The cipher key in the engine.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Its protocol.
    pub fn protocol(&self) -> IpsecProtocol {
        self.protocol
    }

    /// What it protects of a packet.
    pub fn mode(&self) -> IpsecMode {
        self.mode
    }

    /// Largest inner packet whose outer packet fits `mtu_octets`. In transport mode, largest clear one without options or extension
    /// headers.
    pub fn inner_mtu(&self, mtu_octets: usize) -> usize {
        let header_octets = usize::from(self.header_octets);
        let octets = mtu_octets.saturating_sub(header_octets);
        let payload = match self.protocol {
            IpsecProtocol::Esp => self.layout.largest_payload(octets),
            IpsecProtocol::Ah => octets.saturating_sub(self.ah_octets()),
        };
        match self.mode {
            IpsecMode::Tunnel => payload,
            IpsecMode::Transport => header_octets + payload,
        }
    }

    /// Octets of AH: of IPv6 it fills words of 8 octets, of IPv4 of 4 (RFC 4302 section 2.6).
    pub(crate) fn ah_octets(&self) -> usize {
        let word = if self.v6 { 8 } else { 4 };
        (FIXED_OCTETS + self.layout.ah_iv() + self.layout.icv()).next_multiple_of(word)
    }

    /// Octets that ESP or AH adds to a payload.
    pub(crate) fn added_octets(&self, payload_octets: usize) -> usize {
        if self.protocol == IpsecProtocol::Ah {
            return self.ah_octets();
        }
        let padding = self.layout.padding(payload_octets);
        self.layout.front() + padding + TRAILER_OCTETS + self.layout.icv()
    }

    /// Everything up to the cipher. `packet` starts at the inner IP header, holds no link padding, and is described by `inner`.
    /// The steps follow RFC 4303 section 3.3; the outer header is complete but for the checksum of UDP over IPv6.
    ///
    /// # Errors
    /// The reason; the packet is as it was. A number once taken is not given back.
    #[inline(always)]
    pub fn prepare<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        inner: Brief,
        slot: u32,
    ) -> Result<Task, EspDrop> {
        let header_octets = usize::from(self.header_octets);
        let next_header = if inner.is_v6() {
            NEXT_HEADER_IPV6
        } else {
            NEXT_HEADER_IPV4
        };
        let place = Place {
            before_octets: header_octets,
            kept_octets: 0,
        };
        let (task, total) = self.enclose(packet, place, next_header, slot)?;
        // 6. Outer header.
        let header = &mut packet.data_mut()[..header_octets];
        self.write_outer(header, total, inner, task.sequence);
        Ok(task)
    }

    /// All of `prepare` but the outer header, and the length of the outer packet.
    #[inline(always)]
    pub(crate) fn enclose<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        place: Place,
        next_header: u8,
        slot: u32,
    ) -> Result<(Task, usize), EspDrop> {
        let Place {
            before_octets,
            kept_octets,
        } = place;
        let header_octets = before_octets + kept_octets;
        let inner_octets = packet.octets() - kept_octets;
        // 1. Padding and trailer (section 2.4).
        let padding = self.layout.padding(inner_octets);
        let tail = padding + TRAILER_OCTETS + self.layout.icv();
        let front = header_octets + self.layout.front();
        let total = front + inner_octets + tail;
        if total > usize::from(u16::MAX) {
            return Err(EspDrop::TooLong);
        }
        // 2. Sequence number and explicit IV (section 3.3.3).
        let sequence = self.next_number()?;
        let iv = self.iv.iv(sequence).ok_or(EspDrop::SequenceExhausted)?;
        // 3. Room at both ends.
        if !packet.grow(front - kept_octets, tail) {
            return Err(EspDrop::NoRoom);
        }
        self.numbers.take();
        let data = packet.data_mut();
        if kept_octets > 0 {
            data.copy_within(front - kept_octets..front, 0);
        }
        // 4. Trailer.
        let text_octets = inner_octets + padding + TRAILER_OCTETS;
        Layout::write_trailer(&mut data[front + inner_octets..], padding, next_header);
        // 5. ESP header and IV; one that must be unpredictable is written by the engine, from the unique one.
        let header = EspHeader {
            spi: self.spi,
            sequence: sequence as u32,
        }
        .octets();
        data[header_octets..header_octets + HEADER_OCTETS].copy_from_slice(&header);
        if self.layout.plain_iv {
            data[front - UNIQUE_IV_OCTETS..front].copy_from_slice(&iv);
        }
        // 7. The cipher's view.
        let task = Task {
            key: self.key,
            nonce: nonce(self.salt, iv),
            aad: aad(self.spi, sequence, self.extended),
            aad_octets: if self.extended { 12 } else { 8 },
            icv_octets: self.layout.icv() as u8,
            direction: Direction::Encrypt,
            start: front as u16,
            octets: text_octets as u16,
            slot,
            sequence,
        };
        Ok((task, total))
    }

    /// The number of the next packet, which is not taken yet.
    #[inline(always)]
    pub(crate) fn next_number(&self) -> Result<u64, EspDrop> {
        self.numbers.next().map_err(|refusal| match refusal {
            Refusal::Ungranted => EspDrop::SequenceUngranted,
            Refusal::Expired => EspDrop::LifetimeExpired,
            Refusal::Exhausted => EspDrop::SequenceExhausted,
        })
    }

    /// The outer TOS or traffic-class octet: ECN is copied from inside (RFC 6040 section 4.1), DSCP too unless it is set (RFC 4301
    /// section 5.1.2).
    #[inline]
    fn traffic_class(&self, inner: Brief) -> u8 {
        inner.traffic_class() & self.kept_class | self.set_class
    }

    /// Copies the template and fills lengths, DSCP and ECN, DF, id.
    #[inline(always)]
    pub(crate) fn write_outer(&self, out: &mut [u8], total: usize, inner: Brief, sequence: u64) {
        let ip_octets = if self.v6 {
            self.write_outer_v6(out, total, inner);
            IPV6_HEADER_OCTETS
        } else {
            self.write_outer_v4(out, total, inner, sequence);
            IPV4_HEADER_OCTETS
        };
        if let Some(udp) = out.get_mut(ip_octets..ip_octets + UDP_HEADER_OCTETS) {
            udp.copy_from_slice(&self.template[ip_octets..ip_octets + UDP_HEADER_OCTETS]);
            // RFC 3948 section 2.1: the checksum is zero over IPv4; `finish` computes it over IPv6.
            udp[4..6].copy_from_slice(&((total - ip_octets) as u16).to_be_bytes());
        }
    }

    #[inline(always)]
    fn write_outer_v4(&self, out: &mut [u8], total: usize, inner: Brief, sequence: u64) {
        let (Some(out), Some(template)) = (
            out.first_chunk_mut::<IPV4_HEADER_OCTETS>(),
            self.template.first_chunk::<IPV4_HEADER_OCTETS>(),
        ) else {
            return;
        };
        let dont_fragment = match self.df {
            DfPolicy::Copy => inner.dont_fragment(),
            DfPolicy::Set => true,
            DfPolicy::Clear => false,
        };
        // The identification is unique among the packets a reassembler may hold (RFC 6864 section 4.2).
        let (id, flags) = if dont_fragment {
            (0, 0x40)
        } else {
            (sequence as u16, 0)
        };
        // Made in registers and stored at once: the checksum must not wait for stores.
        let mut header = *template;
        let traffic_class = self.traffic_class(inner);
        header[1] = traffic_class;
        header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        header[4..6].copy_from_slice(&u16::to_be_bytes(id));
        header[6] = flags;
        // The template's sum covers the rest (RFC 1624 equation 3, from zero).
        let sum = u64::from(!self.template_sum)
            + u64::from(traffic_class)
            + total as u64
            + u64::from(id)
            + (u64::from(flags) << 8);
        header[10..12].copy_from_slice(&checksum::finish(sum).to_be_bytes());
        *out = header;
    }

    #[inline(always)]
    fn write_outer_v6(&self, out: &mut [u8], total: usize, inner: Brief) {
        let (Some(out), Some(template)) = (
            out.first_chunk_mut::<IPV6_HEADER_OCTETS>(),
            self.template.first_chunk::<IPV6_HEADER_OCTETS>(),
        ) else {
            return;
        };
        *out = *template;
        let traffic_class = self.traffic_class(inner);
        out[0] = 0x60 | traffic_class >> 4;
        out[1] = traffic_class << 4;
        out[4..6].copy_from_slice(&((total - IPV6_HEADER_OCTETS) as u16).to_be_bytes());
    }
}

/// Salt, then explicit IV (RFC 4106 section 4). Put together in registers and stored by the words that ciphers load: a load that spans
/// two stores waits until both are in the cache.
#[inline(always)]
pub(crate) fn nonce(salt: [u8; SALT_OCTETS], iv: [u8; UNIQUE_IV_OCTETS]) -> [u8; 12] {
    let iv = u64::from_le_bytes(iv);
    words(
        u64::from(u32::from_le_bytes(salt)) | iv << 32,
        (iv >> 32) as u32,
    )
}

/// SPI and the sequence number, 32 or 64 bits of it (RFC 4106 section 5).
#[inline(always)]
pub(crate) fn aad(spi: u32, sequence: u64, extended: bool) -> [u8; MAX_AAD_OCTETS] {
    let (second, third) = if extended {
        ((sequence >> 32) as u32, sequence as u32)
    } else {
        (sequence as u32, 0)
    };
    words(
        u64::from(spi.swap_bytes()) | u64::from(second.swap_bytes()) << 32,
        third.swap_bytes(),
    )
}

/// Two numbers as they lie in the memory of a little-endian machine.
#[inline(always)]
fn words(low: u64, high: u32) -> [u8; 12] {
    let mut octets = [0; 12];
    octets[..8].copy_from_slice(&low.to_le_bytes());
    octets[8..].copy_from_slice(&high.to_le_bytes());
    octets
}

/// What remains after the cipher: its result, and the UDP checksum over IPv6, which receivers demand (RFC 8200 section 8.1).
///
/// # Errors
/// When the engine failed.
#[inline]
pub fn finish<P: PacketBuf>(packet: &mut P, status: OpStatus) -> Result<(), EspDrop> {
    if status != OpStatus::Done {
        return Err(EspDrop::EngineFailed);
    }
    let data = packet.data_mut();
    if data.first().is_some_and(|first| first >> 4 == 6) && data[6] == protocol::UDP {
        write_udp6_checksum(data);
    }
    Ok(())
}

fn write_udp6_checksum(data: &mut [u8]) {
    let Ok(meta) = ip::parse(data) else { return };
    let udp = &mut data[IPV6_HEADER_OCTETS..];
    let pseudo = checksum::pseudo_header(
        meta.source,
        meta.destination,
        protocol::UDP,
        udp.len() as u32,
    );
    let sum = match checksum::finish(checksum::add(pseudo, udp)) {
        0 => 0xffff, // zero means "none" (RFC 768)
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
}

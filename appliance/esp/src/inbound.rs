//! Inbound processing (RFC 4303 section 3.4), after reassembly and SA lookup, which are the caller's.

use ravelin_types::numbers::{Ceiling, LAST_EXTENDED_SEQUENCE, LAST_SEQUENCE};
use ravelin_types::{EspTransform, IpsecMode};
use ravelin_wire::esp::{
    EspHeader, HEADER_OCTETS, NEXT_HEADER_DUMMY, NEXT_HEADER_IPV4, NEXT_HEADER_IPV6, TRAILER_OCTETS,
};
use ravelin_wire::ip::{self, Brief};

use crate::ecn::{self, Decision};
use crate::engine::{Direction, KeyId, OpStatus, Task};
use crate::layout::{Layout, UNIQUE_IV_OCTETS};
use crate::outbound::{aad, nonce};
use crate::{EspDrop, PacketBuf, ReplayWindow, SALT_OCTETS, Verdict, transport};

/// What an inbound SA is made of.
#[derive(Clone, Copy, Debug)]
pub struct InboundParams {
    /// Our SPI.
    pub spi: u32,
    /// Algorithms.
    pub transform: EspTransform,
    /// Mode.
    pub mode: IpsecMode,
    /// In tunnel mode the outer header's DSCP goes inside (the uniform model of RFC 2983); else the inner packet keeps its own.
    pub copy_dscp: bool,
    /// Salt of the nonce.
    pub salt: [u8; SALT_OCTETS],
    /// The cipher key in the engine.
    pub key: KeyId,
    /// Anti-replay window in packets, 0 for none.
    pub replay_window: u32,
    /// Everything up to this number counts as received: 0 for a new SA.
    pub last_sequence: u64,
    /// Nothing above this number is accepted before [`InboundSa::grant`].
    pub ceiling: u64,
    /// Extended sequence numbers.
    pub extended: bool,
}

/// An inbound SA: everything the two halves touch, nothing else.
#[derive(Debug)]
pub struct InboundSa {
    pub(crate) window: ReplayWindow,
    ceiling: Ceiling,
    pub(crate) key: KeyId,
    pub(crate) spi: u32,
    pub(crate) salt: [u8; SALT_OCTETS],
    pub(crate) layout: Layout,
    pub(crate) extended: bool,
    mode: IpsecMode,
    /// What an IPv4 and an IPv6 packet inside are told by, if nothing but ECN is to be done with them.
    inside: [u16; 2],
}

/// Version of what was inside, and its next header.
const fn kind(version: u8, next_header: u8) -> u16 {
    (version as u16) << 8 | next_header as u16
}

const INSIDE_TUNNEL: [u16; 2] = [kind(4, NEXT_HEADER_IPV4), kind(6, NEXT_HEADER_IPV6)];
/// Of no packet: what is inside is looked at again, off the hot path.
const INSIDE_OTHER: [u16; 2] = [kind(u8::MAX, u8::MAX); 2];

impl InboundSa {
    /// Builds the SA.
    pub fn new(params: &InboundParams) -> Self {
        let limit = if params.extended {
            LAST_EXTENDED_SEQUENCE
        } else {
            LAST_SEQUENCE
        };
        Self {
            window: ReplayWindow::new(params.replay_window, params.extended, params.last_sequence),
            ceiling: Ceiling::new(params.ceiling, limit),
            key: params.key,
            spi: params.spi,
            salt: params.salt,
            layout: Layout::new(params.transform),
            extended: params.extended,
            mode: params.mode,
            inside: match params.mode {
                IpsecMode::Tunnel if !params.copy_dscp => INSIDE_TUNNEL,
                IpsecMode::Tunnel | IpsecMode::Transport => INSIDE_OTHER,
            },
        }
    }

    /// Our SPI.
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// Highest accepted sequence number.
    pub fn sequence(&self) -> u64 {
        self.window.top()
    }

    /// Whether a higher ceiling should be asked for, now that the peer has used `number`.
    #[inline]
    pub fn wants_ceiling(&self, number: u64) -> bool {
        self.ceiling.wants(number)
    }

    /// A higher ceiling was asked for.
    pub fn asked(&mut self) {
        self.ceiling.asked();
    }

    /// Numbers up to this one are accepted from now on.
    pub fn grant(&mut self, ceiling: u64) {
        self.ceiling.raise(ceiling);
    }

    /// No number above `last` is accepted any more: the life of the SA ends there.
    pub fn end_at(&mut self, last: u64) {
        self.ceiling.end_at(last);
    }

    #[cold]
    fn unadmitted(&self) -> EspDrop {
        if self.ceiling.is_ended() {
            EspDrop::LifetimeExpired
        } else {
            EspDrop::InboundUngranted
        }
    }

    /// Where the window will be looked at, for a caller that brings it towards the cache.
    #[inline]
    pub fn next_word(&self) -> Option<&u64> {
        self.window.next_word()
    }

    /// Octets of the ESP header and the IV, in front of the inner packet.
    pub fn front_octets(&self) -> usize {
        self.layout.front()
    }

    /// The cipher key in the engine.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Everything up to the cipher. `packet` starts at the ESP header, whose SPI the caller has compared.
    ///
    /// # Errors
    /// The reason.
    #[inline(always)]
    pub fn prepare<P: PacketBuf>(&self, packet: &P, slot: u32) -> Result<Task, EspDrop> {
        let (front, icv_octets) = (self.layout.front(), self.layout.icv());
        let data = packet.data();
        // 1. Length: header, IV, whole blocks of at least the smallest trailer, ICV.
        let text = data
            .len()
            .checked_sub(front + icv_octets)
            .filter(|octets| self.layout.fits(*octets));
        let (Some(octets), Some(header)) = (text, EspHeader::parse(data)) else {
            return Err(EspDrop::Malformed);
        };
        // 2. Replay check, before any work (section 3.4.3).
        let sequence = self.window.infer(header.sequence);
        if let Some(reason) = refusal(self.window.check(sequence)) {
            return Err(reason);
        }
        // 3. The cipher's view.
        let mut iv = [0; UNIQUE_IV_OCTETS];
        if self.layout.plain_iv {
            iv.copy_from_slice(&data[HEADER_OCTETS..HEADER_OCTETS + UNIQUE_IV_OCTETS]);
        }
        Ok(Task {
            key: self.key,
            nonce: nonce(self.salt, iv),
            aad: aad(self.spi, sequence, self.extended),
            aad_octets: if self.extended { 12 } else { 8 },
            icv_octets: icv_octets as u8,
            direction: Direction::Decrypt,
            start: front as u16,
            octets: octets as u16,
            slot,
            sequence,
        })
    }

    /// What remains after the cipher: `packet` becomes the inner packet; padding for traffic-flow confidentiality may follow it. True
    /// when it moved the right edge of the window: the newest packet so far. `outer` is the outer header, which lies in front of
    /// `packet`.
    ///
    /// # Errors
    /// The reason.
    #[inline(always)]
    pub fn finish<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        (sequence, status): (u64, OpStatus),
        outer: Brief,
    ) -> Result<bool, EspDrop> {
        let newest = self.accept(sequence, status)?;
        // 6. Strip header, IV, ICV, padding.
        let next_header = strip(packet, self.layout)?;
        self.check_inner(packet, next_header, (outer, self.layout.front()))?;
        Ok(newest)
    }

    /// Integrity and number of a packet.
    #[inline(always)]
    pub(crate) fn accept(&mut self, sequence: u64, status: OpStatus) -> Result<bool, EspDrop> {
        // 4. Integrity (section 3.4.4).
        match status {
            OpStatus::Done => {}
            OpStatus::AuthFailed => return Err(EspDrop::AuthFailed),
            OpStatus::Pending | OpStatus::EngineFailed => return Err(EspDrop::EngineFailed),
        }
        // 5. Replay commit: the window moves only for proven packets, and never beyond what would be refused after a restart.
        if !self.ceiling.admits(sequence) {
            return Err(self.unadmitted());
        }
        let newest = sequence > self.window.top();
        if let Some(reason) = refusal(self.window.commit(sequence)) {
            return Err(reason);
        }
        Ok(newest)
    }

    /// Next header against the inner version, ECN and DSCP. `between_octets` lie between the outer header and `packet`.
    #[inline(always)]
    pub(crate) fn check_inner<P: PacketBuf>(
        &self,
        packet: &mut P,
        next_header: u8,
        (outer, between_octets): (Brief, usize),
    ) -> Result<(), EspDrop> {
        let data = packet.data_mut();
        match inner_traffic_class(data, next_header, self.inside) {
            Some(inner) => congestion(data, outer, inner),
            None => self.other_inside(packet, next_header, (outer, between_octets)),
        }
    }

    /// What is no packet, or one that gets the DSCP of `outer`.
    #[cold]
    fn other_inside<P: PacketBuf>(
        &self,
        packet: &mut P,
        next_header: u8,
        (outer, between_octets): (Brief, usize),
    ) -> Result<(), EspDrop> {
        match (next_header, self.mode) {
            (NEXT_HEADER_DUMMY, _) => Err(EspDrop::Dummy),
            (_, IpsecMode::Tunnel) => {
                let data = packet.data_mut();
                match inner_traffic_class(data, next_header, INSIDE_TUNNEL) {
                    Some(inner) if self.inside == INSIDE_OTHER => uniform(data, outer, inner),
                    _ => Err(EspDrop::BadNextHeader),
                }
            }
            (_, IpsecMode::Transport) => {
                transport::restore(packet, between_octets, next_header, outer)
            }
        }
    }
}

/// The TOS or traffic-class octet of a packet of the kinds that may be inside.
#[inline(always)]
fn inner_traffic_class(data: &[u8], next_header: u8, [v4, v6]: [u16; 2]) -> Option<u8> {
    let version = data.first().map_or(0, |first| first >> 4);
    match kind(version, next_header) {
        kind if kind == v4 && data.len() >= ip::IPV4_HEADER_OCTETS => Some(data[1]),
        kind if kind == v6 && data.len() >= ip::IPV6_HEADER_OCTETS => {
            Some(data[0] << 4 | data[1] >> 4)
        }
        _ => None,
    }
}

/// ECN of the inner packet (RFC 6040), whose TOS or traffic-class octet is `inner`.
#[inline(always)]
fn congestion(data: &mut [u8], outer: Brief, inner: u8) -> Result<(), EspDrop> {
    match ecn::decapsulate(outer.traffic_class(), inner) {
        Decision::Keep => Ok(()),
        Decision::Set(ecn) => {
            ip::set_ecn(data, ecn);
            Ok(())
        }
        Decision::Drop => Err(EspDrop::EcnInvalid),
    }
}

/// As [`congestion`], and DSCP comes from outside (the uniform model of RFC 2983 section 3).
fn uniform(data: &mut [u8], outer: Brief, inner: u8) -> Result<(), EspDrop> {
    const DSCP: u8 = 0xfc;
    let dscp = outer.traffic_class() & DSCP;
    ip::set_traffic_class(data, dscp | inner & !DSCP);
    congestion(data, outer, inner)
}

#[inline]
pub(crate) fn refusal(verdict: Verdict) -> Option<EspDrop> {
    match verdict {
        Verdict::Fresh => None,
        Verdict::Old => Some(EspDrop::ReplayOld),
        Verdict::Duplicate => Some(EspDrop::ReplayDuplicate),
        Verdict::Zero => Some(EspDrop::SequenceZero),
    }
}

/// Cuts everything but the payload and returns the next header (section 2.4 to 2.6).
#[inline(always)]
fn strip<P: PacketBuf>(packet: &mut P, layout: Layout) -> Result<u8, EspDrop> {
    if !packet.adj(layout.front()) || !packet.trim(layout.icv()) {
        return Err(EspDrop::Malformed);
    }
    let data = packet.data();
    let &[.., padding, next_header] = data else {
        return Err(EspDrop::Malformed);
    };
    let tail = TRAILER_OCTETS + usize::from(padding);
    let Some(start) = data.len().checked_sub(tail) else {
        return Err(EspDrop::BadPadding);
    };
    let filler = &data[start..start + usize::from(padding)];
    if !is_padding(filler) {
        return Err(EspDrop::BadPadding);
    }
    packet.trim(tail);
    Ok(next_header)
}

/// Whether it is 1, 2, 3 and so on (section 2.4).
#[inline]
fn is_padding(filler: &[u8]) -> bool {
    match *filler {
        [] => true,
        [a] => a == 1,
        [a, b] => (a, b) == (1, 2),
        [a, b, c] => (a, b, c) == (1, 2, 3),
        _ => (1u8..=255)
            .zip(filler)
            .all(|(wanted, octet)| wanted == *octet),
    }
}

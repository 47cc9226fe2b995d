//! AH in tunnel and transport mode (RFC 4302): numbers, window, ends and modes are ESP's, and so is the engine.
//!
//! The ICV stands within what it covers, and what it covers is not what is sent: fields that change on the way count as zero (section
//! 3.3.3). So for the time of the cipher, which is NULL with an HMAC or AES-GMAC, the packet has another form:
//!
//! ```text
//! on the wire:    headers | AH with ICV  | payload
//! in the engine:  headers | AH with zero | payload | ICV | headers as sent
//!                 changing fields zero             (the engine covers what is before it, and an extended number)
//! ```
//! The ICV field of AES-GMAC starts with its IV (RFC 4543 section 4, with erratum 3643 about its padding), which the nonce covers. Source-
//! routed packets of ours are refused: their destination at the other end would have to be foreseen.

use ravelin_types::IpsecMode;
use ravelin_wire::ah::{self, AhHeader, FIXED_OCTETS};
use ravelin_wire::checksum;
use ravelin_wire::esp::{NEXT_HEADER_IPV4, NEXT_HEADER_IPV6, PROTOCOL_AH};
use ravelin_wire::ip::{Brief, IPV4_HEADER_OCTETS, front};

use crate::engine::{Direction, KeyId, MAX_AAD_OCTETS, OpStatus, Task};
use crate::inbound::refusal;
use crate::layout::UNIQUE_IV_OCTETS;
use crate::outbound::nonce;
use crate::{EspDrop, InboundSa, OutboundSa, PacketBuf, SALT_OCTETS};

/// Longest headers in front of AH, which are kept behind the packet meanwhile: IPv4 with all options, or IPv6 with 11 words of
/// extension headers.
pub const MAX_AH_FRONT_OCTETS: usize = 128;
const NONCE_OCTETS: usize = SALT_OCTETS + UNIQUE_IV_OCTETS;
/// What the engine takes for ESP header and IV of a NULL cipher: any octets that it covers. AES-GMAC has no such place.
const COVERED_FIRST: usize = 8;
/// Most padding that a peer may put behind the ICV: AH of IPv4 is often filled to words of 8 octets too.
const MAX_PADDING_OCTETS: usize = 7;

/// One packet in the engine's form.
#[derive(Clone, Copy)]
struct Form {
    /// Octets of the headers in front of AH.
    front: usize,
    /// Octets on the wire.
    total: usize,
    icv: usize,
    /// Octets of the IV in front of the ICV.
    iv: usize,
}

/// The additional data of an ESP task starts with its SPI, which is never 0; an HMAC does not read it. Of an AH task it is 0, the
/// lengths of headers and IV, and the upper half of the number.
fn mark(form: Form, sequence: u64) -> [u8; MAX_AAD_OCTETS] {
    let mut aad = [0; MAX_AAD_OCTETS];
    aad[4..6].copy_from_slice(&(form.front as u16).to_be_bytes());
    aad[6] = form.iv as u8;
    aad[8..].copy_from_slice(&((sequence >> 32) as u32).to_be_bytes());
    aad
}

/// What AES-GMAC covers of AH behind the packet, if the additional data is of AH: the upper half of an extended number.
pub fn covered_behind_ah(aad: &[u8]) -> Option<&[u8]> {
    aad.strip_prefix(&[0; 4])?.get(4..)
}

impl Task {
    /// Whether it is AH's.
    pub fn is_ah(&self) -> bool {
        self.aad[..4] == [0; 4]
    }

    fn form(&self) -> Form {
        Form {
            front: usize::from(u16::from_be_bytes([self.aad[4], self.aad[5]])),
            total: usize::from(self.start) + usize::from(self.octets),
            icv: usize::from(self.icv_octets),
            iv: usize::from(self.aad[6]),
        }
    }
}

impl Form {
    /// Where IV and ICV are on the wire.
    fn field(self) -> std::ops::Range<usize> {
        let at = self.front + FIXED_OCTETS;
        at..at + self.iv + self.icv
    }

    /// Octets behind the packet.
    fn behind(self) -> usize {
        self.icv + self.front
    }

    /// From the form of the wire to the engine's; room is there already.
    fn enter(self, data: &mut [u8]) {
        let field = self.field();
        data.copy_within(field.start + self.iv..field.end, self.total);
        data.copy_within(..self.front, self.total + self.icv);
        data[field].fill(0);
        ah::clear_mutable(&mut data[..self.front]);
    }

    /// Back again, with the IV and the ICV that the engine has left.
    fn leave<P: PacketBuf>(self, packet: &mut P, iv: &[u8]) {
        let data = packet.data_mut();
        let (field, saved) = (self.field(), self.total + self.icv);
        data.copy_within(saved..saved + self.front, 0);
        data[field.clone()][..self.iv].copy_from_slice(&iv[..self.iv]);
        data.copy_within(self.total..saved, field.start + self.iv);
        packet.trim(self.behind());
    }

    fn task(
        self,
        (key, direction, nonce): (KeyId, Direction, [u8; NONCE_OCTETS]),
        (slot, sequence, extended): (u32, u64, bool),
    ) -> Task {
        let start = if self.iv > 0 { 0 } else { COVERED_FIRST };
        Task {
            key,
            nonce,
            aad: mark(self, sequence),
            aad_octets: if extended { 12 } else { 8 },
            icv_octets: self.icv as u8,
            direction,
            start: start as u16,
            octets: (self.total - start) as u16,
            slot,
            sequence,
        }
    }
}

impl OutboundSa {
    /// Everything up to the engine, for an SA of AH. `packet` starts at its IP header, which `inner` describes.
    ///
    /// # Errors
    /// The reason; the packet is as it was.
    pub fn prepare_ah<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        inner: Brief,
        slot: u32,
    ) -> Result<Task, EspDrop> {
        // 1. Where AH goes (section 3.1).
        let transport = self.mode() == IpsecMode::Transport;
        if transport && inner.is_fragment() {
            return Err(EspDrop::Fragment);
        }
        let kept = match transport {
            true => Some(front::before_esp(packet.data()).ok_or(EspDrop::AhMalformed)?),
            false => None,
        };
        let kept_octets = kept.map_or(0, |front| front.octets);
        let ah_octets = self.ah_octets();
        let form = Form {
            front: kept.map_or(usize::from(self.header_octets), |front| front.octets),
            total: packet.octets() - kept_octets
                + ah_octets
                + kept.map_or(usize::from(self.header_octets), |front| front.octets),
            icv: self.layout.icv(),
            iv: self.layout.ah_iv(),
        };
        if form.total > usize::from(u16::MAX) || form.front > MAX_AH_FRONT_OCTETS {
            return Err(EspDrop::TooLong);
        }
        if ah::is_source_routed(&packet.data()[..kept_octets]) {
            return Err(EspDrop::SourceRouted);
        }
        // 2. Number (section 3.3.2) and room.
        let sequence = self.next_number()?;
        let iv = self.iv.iv(sequence).ok_or(EspDrop::SequenceExhausted)?;
        if !packet.grow(form.front + ah_octets - kept_octets, form.behind()) {
            return Err(EspDrop::NoRoom);
        }
        self.numbers.take();
        // 3. Headers as they are sent.
        let data = packet.data_mut();
        let next_header = match kept {
            Some(front) => {
                data.copy_within(ah_octets..ah_octets + kept_octets, 0);
                front::rename(&mut data[..form.total], front, PROTOCOL_AH);
                front.next_header
            }
            None => {
                self.write_outer(&mut data[..form.front], form.total, inner, sequence);
                identify(&mut data[..form.front], sequence);
                if inner.is_v6() {
                    NEXT_HEADER_IPV6
                } else {
                    NEXT_HEADER_IPV4
                }
            }
        };
        let header = AhHeader {
            next_header,
            octets: ah_octets,
            spi: self.spi(),
            sequence: sequence as u32,
        };
        header.emit(&mut data[form.front..form.front + ah_octets]);
        // 4. As they are covered.
        form.enter(data);
        let (key, extended) = (self.key(), self.extended);
        let nonce = nonce(self.salt, iv);
        Ok(form.task((key, Direction::Encrypt, nonce), (slot, sequence, extended)))
    }
}

/// The identification is covered, so one whose packet is fragmented against its DF flag has it beforehand.
fn identify(header: &mut [u8], sequence: u64) {
    if header.len() == IPV4_HEADER_OCTETS {
        header[4..6].copy_from_slice(&(sequence as u16).to_be_bytes());
        header[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum::of(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// What remains after the engine: the packet as it is sent.
///
/// # Errors
/// When the engine failed.
pub fn finish_ah<P: PacketBuf>(
    packet: &mut P,
    (task, status): (&Task, OpStatus),
) -> Result<(), EspDrop> {
    task.form().leave(packet, &task.nonce[SALT_OCTETS..]);
    match status {
        OpStatus::Done => Ok(()),
        _ => Err(EspDrop::EngineFailed),
    }
}

impl InboundSa {
    /// Everything up to the engine, for an SA of AH. `packet` starts at its IP header, which `outer` describes and AH follows; the caller
    /// has compared the SPI.
    ///
    /// # Errors
    /// The reason; the packet is as it was.
    pub fn prepare_ah<P: PacketBuf>(
        &self,
        packet: &mut P,
        outer: Brief,
        slot: u32,
    ) -> Result<Task, EspDrop> {
        // 1. Length: what the algorithm makes, and padding to words.
        let form = Form {
            front: usize::from(outer.payload_at()),
            total: packet.octets(),
            icv: self.layout.icv(),
            iv: self.layout.ah_iv(),
        };
        let ah = packet.data().get(form.front..).unwrap_or_default();
        let header = AhHeader::parse(ah).ok_or(EspDrop::AhMalformed)?;
        let least = FIXED_OCTETS + form.iv + form.icv;
        let whole_words = !outer.is_v6() || header.octets % 8 == 0;
        if !(least..=least + MAX_PADDING_OCTETS).contains(&header.octets)
            || header.octets > ah.len()
            || !whole_words
            || form.front > MAX_AH_FRONT_OCTETS
            || form.total > usize::from(u16::MAX)
        {
            return Err(EspDrop::AhMalformed);
        }
        // 2. Replay check, before any work (section 3.4.3).
        let sequence = self.window.infer(header.sequence);
        if let Some(reason) = refusal(self.window.check(sequence)) {
            return Err(reason);
        }
        // 3. As it is covered.
        let mut iv = [0; UNIQUE_IV_OCTETS];
        iv[..form.iv].copy_from_slice(&ah[FIXED_OCTETS..FIXED_OCTETS + form.iv]);
        if !packet.append(form.behind()) {
            return Err(EspDrop::NoRoom);
        }
        form.enter(packet.data_mut());
        let (key, extended) = (self.key(), self.extended);
        let nonce = nonce(self.salt, iv);
        Ok(form.task((key, Direction::Decrypt, nonce), (slot, sequence, extended)))
    }

    /// What remains after the engine, as [`InboundSa::finish`]: `packet` becomes the inner packet.
    ///
    /// # Errors
    /// The reason.
    pub fn finish_ah<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        (task, status): (&Task, OpStatus),
        outer: Brief,
    ) -> Result<bool, EspDrop> {
        let form = task.form();
        form.leave(packet, &task.nonce[SALT_OCTETS..]);
        let newest = self.accept(task.sequence, status)?;
        let ah = packet.data().get(form.front..).unwrap_or_default();
        let header = AhHeader::parse(ah).ok_or(EspDrop::AhMalformed)?;
        if !packet.adj(form.front + header.octets) {
            return Err(EspDrop::AhMalformed);
        }
        self.check_inner(packet, header.next_header, (outer, header.octets))?;
        Ok(newest)
    }
}

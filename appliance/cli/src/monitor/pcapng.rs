//! Writes pcapng (draft-ietf-opsawg-pcapng): a section header, a description of each interface, and each packet with its
//! direction and, when ESP carries it or it is ESP, a comment. The comment of an inner packet and of the ESP packet that carries it
//! is the same text, so that one finds the other. Ports and tunnels have different types of link: Wireshark reads both
//! in one file, libpcap's programs only files of one of them.

use ravelin_ctl::capture::{CaptureInterface, Captured, EspLink};
use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Ethernet.
const LINKTYPE_ETHERNET: u16 = 1;
/// An IP header first, of either version.
const LINKTYPE_RAW: u16 = 101;

const OPT_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const EPB_FLAGS: u16 = 2;
const ISB_OS_DROP: u16 = 7;
/// Directions in the flags of a packet.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// Octets of a packet block but for its data and its comment.
const PACKET_FRAME_OCTETS: u64 = 64;
/// A comment is shorter: two numbers of 64 and one of 32 bits with their names.
const COMMENT_OCTETS: u64 = 128;

/// A section on its way to `out`.
pub(super) struct Writer<W: Write> {
    out: W,
    octets: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the heads.
    pub fn new(out: W, interfaces: &[CaptureInterface], size_octets: u32) -> io::Result<Self> {
        let mut writer = Self { out, octets: 0 };
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend(1_u16.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        // The length of the section is not known.
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, SHB_APPLICATION, b"Ravelin");
        option(&mut body, OPT_END, &[]);
        writer.block(SECTION, &body)?;
        for interface in interfaces {
            let mut body = Vec::new();
            let link = if interface.ethernet {
                LINKTYPE_ETHERNET
            } else {
                LINKTYPE_RAW
            };
            body.extend(link.to_le_bytes());
            body.extend(0_u16.to_le_bytes());
            body.extend(size_octets.to_le_bytes());
            option(&mut body, IF_NAME, interface.name.as_bytes());
            option(&mut body, OPT_END, &[]);
            writer.block(INTERFACE, &body)?;
        }
        Ok(writer)
    }

    /// Octets written.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// A bound of what a packet takes.
    pub fn longest(packet: &Captured) -> u64 {
        packet.data.len() as u64 + PACKET_FRAME_OCTETS + COMMENT_OCTETS
    }

    /// Writes a packet, with times in microseconds.
    pub fn packet(&mut self, packet: &Captured) -> io::Result<()> {
        let mut body = Vec::with_capacity(Self::longest(packet) as usize);
        body.extend(u32::from(packet.interface).to_le_bytes());
        body.extend(((packet.time_us >> 32) as u32).to_le_bytes());
        body.extend((packet.time_us as u32).to_le_bytes());
        body.extend((packet.data.len() as u32).to_le_bytes());
        body.extend(packet.octets.to_le_bytes());
        padded(&mut body, &packet.data);
        if let Some(esp) = &packet.esp {
            option(&mut body, OPT_COMMENT, comment(esp).as_bytes());
        }
        let flags = if packet.outbound { OUTBOUND } else { INBOUND };
        option(&mut body, EPB_FLAGS, &flags.to_le_bytes());
        option(&mut body, OPT_END, &[]);
        self.block(PACKET, &body)
    }

    /// Gives what is written on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes how many packets of all interfaces were lost.
    pub fn end(mut self, lost: u64) -> io::Result<()> {
        let mut body = vec![0; 12];
        option(&mut body, OPT_COMMENT, b"lost on all interfaces together");
        option(&mut body, ISB_OS_DROP, &lost.to_le_bytes());
        option(&mut body, OPT_END, &[]);
        self.block(STATISTICS, &body)?;
        self.out.flush()
    }

    /// A whole block at once, so that what was written ends with one.
    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let octets = (12 + body.len()) as u32;
        let mut block = Vec::with_capacity(octets as usize);
        block.extend(kind.to_le_bytes());
        block.extend(octets.to_le_bytes());
        block.extend(body);
        block.extend(octets.to_le_bytes());
        self.octets += u64::from(octets);
        self.out.write_all(&block)
    }
}

/// What an inner packet and its ESP packet share.
pub(crate) fn comment(esp: &EspLink) -> String {
    let pair = match esp.pair {
        Some(pair) => pair.0.to_string(),
        None => "unknown".to_owned(),
    };
    format!("pair {pair} spi 0x{} seq {}", esp.spi, esp.sequence)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

/// Values and packets end at a multiple of four octets.
fn padded(body: &mut Vec<u8>, value: &[u8]) {
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;

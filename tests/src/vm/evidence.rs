//! What proves native ESP: protocol 50 on the access link, under the SPIs and in the numbers that the peer's kernel shows.

use crate::frame::{Frame, Kind};
use crate::{BenchError, Result};
use ravelin_qemu::Link;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One line of the kernel's list of SAs (`ip -s xfrm state`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSa {
    /// Source of the outer packets.
    pub source: IpAddr,
    /// Their destination.
    pub destination: IpAddr,
    /// `esp` or `ah`.
    pub protocol: String,
    /// Security parameters index.
    pub spi: u32,
    /// `tunnel` or `transport`.
    pub mode: String,
    /// Inside UDP.
    pub in_udp: bool,
    /// Packets that have used it.
    pub packets: u64,
    /// What it has refused.
    pub refused: Refused,
}

/// Packets that a kernel's SA has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Left of the replay window.
    pub late: u64,
    /// Received before.
    pub replayed: u64,
    /// With a wrong ICV.
    pub forged: u64,
}

/// Reads `ip -s xfrm state`.
pub fn kernel_sas(text: &str) -> Vec<KernelSa> {
    let mut found: Vec<KernelSa> = Vec::new();
    let mut current: Option<KernelSa> = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["src", source, "dst", destination, ..] if !line.starts_with(char::is_whitespace) => {
                found.extend(current.take());
                current = ends(source, destination);
            }
            ["proto", protocol, "spi", spi, rest @ ..] => {
                if let Some(sa) = &mut current {
                    sa.protocol = (*protocol).to_owned();
                    sa.spi = number(spi);
                    let mode = rest.iter().skip_while(|word| **word != "mode").nth(1);
                    sa.mode = mode.map_or(String::new(), |mode| (*mode).to_owned());
                }
            }
            ["encap", ..] => {
                if let Some(sa) = &mut current {
                    sa.in_udp = true;
                }
            }
            ["lifetime", "current:"] => {
                // `  2125336(bytes), 1484(packets)`
                let counts = lines.next().unwrap_or_default();
                let packets = counts.split(", ").find_map(|c| c.strip_suffix("(packets)"));
                if let (Some(sa), Some(packets)) = (&mut current, packets) {
                    sa.packets = packets.trim().parse().unwrap_or(0);
                }
            }
            ["replay-window", late, "replay", replayed, "failed", forged] => {
                let count = |word: &str| word.parse().unwrap_or(0);
                if let Some(sa) = &mut current {
                    sa.refused = Refused {
                        late: count(late),
                        replayed: count(replayed),
                        forged: count(forged),
                    };
                }
            }
            _ => {}
        }
    }
    found.extend(current);
    found
}

fn ends(source: &str, destination: &str) -> Option<KernelSa> {
    Some(KernelSa {
        source: source.parse().ok()?,
        destination: destination.parse().ok()?,
        protocol: String::new(),
        spi: 0,
        mode: String::new(),
        in_udp: false,
        packets: 0,
        refused: Refused::default(),
    })
}

/// `0xc8f75eb1(3371654833)`.
fn number(text: &str) -> u32 {
    let digits = text.trim_start_matches("0x").split('(').next();
    u32::from_str_radix(digits.unwrap_or_default(), 16).unwrap_or(0)
}

/// What an access link has carried.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Packets of protocol 50 by source, destination and SPI.
    pub esp: BTreeMap<(IpAddr, IpAddr, u32), u64>,
    /// ESP inside UDP.
    pub in_udp: u64,
    /// Anything that is neither ESP, IKE nor of the link itself.
    pub clear: u64,
}

/// Counts the frames of a link.
///
/// # Errors
/// When its recording cannot be read.
pub fn carried(link: &Link) -> Result<Carried> {
    let mut carried = Carried::default();
    for captured in link.captured()? {
        let frame = Frame::parse(&captured.frame);
        match frame.kind {
            Kind::Esp => {
                if let (Some((from, to)), Some((spi, _))) = (frame.addresses, frame.esp()) {
                    *carried.esp.entry((from, to, spi)).or_default() += 1;
                }
            }
            Kind::EspInUdp => carried.in_udp += 1,
            // AH hides nothing.
            Kind::Cleartext | Kind::Ah => carried.clear += 1,
            Kind::Ike | Kind::Keepalive | Kind::Neighbour | Kind::Other => {}
        }
    }
    Ok(carried)
}

/// Holds the peer kernel's list against the link: every SA of the kernel is of ESP in tunnel mode and not inside UDP, at least `least`
/// packets of each direction were seen on the link as protocol 50 under the kernel's SPIs, and nothing else crossed.
///
/// # Errors
/// [`BenchError::Unexpected`] that says what is otherwise.
pub fn native_esp(carried: &Carried, sas: &[KernelSa], least: u64) -> Result<String> {
    let fault = |text: String| Err(BenchError::Unexpected(text));
    let is_other = |sa: &&KernelSa| sa.in_udp || sa.mode != "tunnel" || sa.protocol != "esp";
    if let Some(sa) = sas.iter().find(is_other) {
        return fault(format!(
            "the peer's kernel has an SA of another kind: {sa:?}"
        ));
    }
    if carried.in_udp != 0 || carried.clear != 0 {
        return fault(format!(
            "{} packets of ESP in UDP and {} in clear crossed the access link",
            carried.in_udp, carried.clear
        ));
    }
    let mut directions: BTreeMap<(IpAddr, IpAddr), (u64, u64)> = BTreeMap::new();
    for sa in sas {
        let seen = carried.esp.get(&(sa.source, sa.destination, sa.spi));
        let direction = directions.entry((sa.source, sa.destination)).or_default();
        direction.0 += sa.packets;
        direction.1 += seen.copied().unwrap_or(0);
    }
    if directions.len() < 2
        || directions
            .values()
            .any(|(kernel, link)| *kernel.min(link) < least)
    {
        return fault(format!(
            "{least} packets each way are wanted, the peer's kernel and the link have {directions:?}"
        ));
    }
    let lines = directions.iter().map(|((from, to), (kernel, link))| {
        format!("protocol 50 {from} -> {to}: {link} packets on the link, {kernel} in the peer's kernel\n")
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests;

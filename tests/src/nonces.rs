//! No gateway sends a nonce or a sequence number twice (design decision D17): every capture of every test is judged by this.
//!
//! What counts is what leaves the gateways of the test: ESP whose source is an interface address of a configuration that a
//! [`crate::gateway::Gateway`] of this process was started with. An SA is its source and its SPI; the destination may move. Peers
//! are not judged, and later fragments have no ESP header to look at.

use crate::frame::Frame;
use crate::pcap::Captured;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// File in the folder of a gateway that has a fault on purpose; `ravelin-nonces` leaves its test out.
pub const EXCUSED: &str = "fault-on-purpose";
/// Octets of an ESP packet that tell a copy from another packet: enough of the ciphertext, and less than the first fragment of a
/// packet that is fragmented on its way.
const COMPARED_OCTETS: usize = 64;

static GATEWAYS: Mutex<BTreeSet<IpAddr>> = Mutex::new(BTreeSet::new());

/// From now on the gateway with this configuration is judged.
pub fn watch(configuration: &str) {
    let mut gateways = GATEWAYS.lock().unwrap_or_else(PoisonError::into_inner);
    gateways.extend(addresses(configuration));
}

/// The addresses of the gateways started so far.
pub fn watched() -> BTreeSet<IpAddr> {
    GATEWAYS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Interface addresses of a configuration: `address` with a prefix length, in either syntax.
pub fn addresses(configuration: &str) -> BTreeSet<IpAddr> {
    let mut words = configuration
        .split([' ', '\t', '\n', ';', '{', '}'])
        .filter(|word| !word.is_empty());
    let mut found = BTreeSet::new();
    while let Some(word) = words.next() {
        if word == "address"
            && let Some((address, _)) = words.clone().next().and_then(|w| w.split_once('/'))
        {
            found.extend(address.parse::<IpAddr>());
        }
    }
    found
}

/// What was used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Used {
    /// The explicit IV.
    Iv(u64),
    /// The sequence number.
    Sequence(u32),
}

/// A number that an SA used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repeat {
    /// The gateway.
    pub source: IpAddr,
    /// The SA.
    pub spi: u32,
    /// The number.
    pub used: Used,
    /// The same packet came twice; else another packet has the same number, which breaks the key.
    pub copy: bool,
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, spi, .. } = self;
        match self.used {
            Used::Iv(iv) => write!(f, "{source} SPI {spi:#010x}: explicit IV {iv:#018x}")?,
            Used::Sequence(number) => write!(f, "{source} SPI {spi:#010x}: number {number}")?,
        }
        f.write_str(if self.copy {
            " was sent twice"
        } else {
            " was used for two packets"
        })
    }
}

/// Remembers every number that the watched gateways used.
#[derive(Debug, Default)]
pub struct Judge {
    sources: BTreeSet<IpAddr>,
    associations: HashMap<(IpAddr, u32), u32>,
    /// Per SA (its index) and number: a hash of the packet.
    used: HashMap<(u32, Used), u64>,
    repeats: Vec<Repeat>,
    packets: u64,
}

impl Judge {
    /// Judges what these addresses send.
    pub fn of(sources: BTreeSet<IpAddr>) -> Self {
        Self {
            sources,
            ..Self::default()
        }
    }

    /// Takes in a capture.
    pub fn see(&mut self, frames: &[Captured]) {
        for captured in frames {
            self.see_frame(&Frame::parse(&captured.frame));
        }
    }

    fn see_frame(&mut self, frame: &Frame<'_>) {
        let (Some((source, _)), Some((spi, sequence)), Some(iv)) =
            (frame.addresses, frame.esp(), frame.esp_iv())
        else {
            return;
        };
        if frame.later_fragment || !self.sources.contains(&source) {
            return;
        }
        self.packets += 1;
        let fresh = self.associations.len() as u32;
        let sa = *self.associations.entry((source, spi)).or_insert(fresh);
        let hash = hash_of(frame);
        for used in [Used::Iv(iv), Used::Sequence(sequence)] {
            match self.used.entry((sa, used)) {
                Entry::Vacant(entry) => {
                    entry.insert(hash);
                }
                Entry::Occupied(entry) => self.repeats.push(Repeat {
                    source,
                    spi,
                    used,
                    copy: *entry.get() == hash,
                }),
            }
        }
    }

    /// What was repeated, in the order of the capture.
    pub fn repeats(&self) -> &[Repeat] {
        &self.repeats
    }

    /// Packets judged, and the SAs they belong to.
    pub fn seen(&self) -> (u64, usize) {
        (self.packets, self.associations.len())
    }
}

fn hash_of(frame: &Frame<'_>) -> u64 {
    let esp = frame.esp_octets().unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    esp.get(..COMPARED_OCTETS).unwrap_or(esp).hash(&mut hasher);
    hasher.finish()
}

/// One line about these repeats, `None` when there are none.
pub fn fault(repeats: &[Repeat]) -> Option<String> {
    let first = repeats.first()?;
    Some(format!("{} nonces repeated, first: {first}", repeats.len()))
}

#[cfg(test)]
mod tests;

//! What the command line says of traffic.

use std::net::{IpAddr, SocketAddr};

use ravelin_esp::engine::PortableEngine;
use ravelin_esp::{CryptoEngine, KeyError, Keys, MemoryBuf};
use ravelin_wire::ip::{IPV6_HEADER_OCTETS, UDP_HEADER_OCTETS};

use super::{ArgumentError, Arguments, Given};
use crate::stamp;

/// Flows of an eNodeB to a reflector: their ports fit the dynamic ones for two reflectors.
pub const MAX_FLOWS: u32 = 8_192;

/// A test packet of IPv6 with padding.
const MIN_OCTETS: u16 =
    (IPV6_HEADER_OCTETS + UDP_HEADER_OCTETS + stamp::OCTETS + stamp::TLV_OCTETS) as u16;
/// A jumbo frame.
const MAX_OCTETS: u16 = 9_000;
/// The simple IMIX of 7:4:1 (RFC 6985 section 4.2 names mixes by their sizes), its ends within what a test packet and a tunnel can be.
const IMIX: [u16; 12] = [96, 576, 96, 96, 576, 96, 1400, 96, 576, 96, 576, 96];

/// What is in the tunnels.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The other ends.
    pub reflectors: Vec<SocketAddr>,
    /// Packets per second of all eNodeBs.
    pub pps: f64,
    /// Flows of an eNodeB to each reflector.
    pub flows: u16,
    /// Octets of inner packets, in turn; not empty.
    pub sizes: Vec<u16>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            reflectors: Vec::new(),
            pps: 100.0,
            flows: 1,
            sizes: vec![MIN_OCTETS],
        }
    }
}

impl Arguments {
    /// Whether addresses and algorithms fit each other.
    pub(super) fn check_traffic(&self) -> Result<(), ArgumentError> {
        if let [first, second, ..] = self.inner[..]
            && (self.inner.len() > 2 || first.is_ipv4() == second.is_ipv4())
        {
            return Err(ArgumentError::Inner(first, second));
        }
        let Some(load) = &self.load else {
            return Ok(());
        };
        let unreachable = |reflector: &&SocketAddr| {
            let same = |inner: &IpAddr| inner.is_ipv4() == reflector.is_ipv4();
            !self.inner.iter().any(same)
        };
        if let Some(reflector) = load.reflectors.iter().find(unreachable) {
            return Err(ArgumentError::Reflector(reflector.ip()));
        }
        // Of what the engine does not have it makes no key.
        let material = vec![0; self.esp.keymat_octets()];
        let key = Keys::split(self.esp, &material)
            .and_then(|(keys, _)| PortableEngine::<MemoryBuf>::expand(self.esp, keys));
        match key {
            Err(KeyError::Transform) => Err(ArgumentError::Cipher(self.esp)),
            _ => Ok(()),
        }
    }
}

impl Given {
    pub(super) fn reflectors(&self) -> Result<Vec<SocketAddr>, ArgumentError> {
        let wanted = "addresses or ADDRESS:PORT, at most one of each family,";
        let read = |part: &str| {
            let alone = |address| SocketAddr::new(address, stamp::PORT);
            part.parse()
                .or_else(|_| part.parse().map(alone))
                .map_err(|_| self.wrong(wanted))
        };
        let found: Vec<SocketAddr> = self.value.split(',').map(read).collect::<Result<_, _>>()?;
        let is_v4 = |reflector: &&SocketAddr| reflector.is_ipv4();
        let v4 = found.iter().filter(is_v4).count();
        if v4 > 1 || found.len() - v4 > 1 {
            return Err(self.wrong(wanted));
        }
        Ok(found)
    }

    pub(super) fn sizes(&self) -> Result<Vec<u16>, ArgumentError> {
        if self.value == "imix" {
            return Ok(IMIX.to_vec());
        }
        let wanted = format!("imix or numbers from {MIN_OCTETS} to {MAX_OCTETS}");
        let sizes: Vec<u16> = self.list(&wanted)?;
        let fits = |size: &u16| (MIN_OCTETS..=MAX_OCTETS).contains(size);
        if sizes.iter().all(fits) {
            Ok(sizes)
        } else {
            Err(self.wrong(&wanted))
        }
    }
}

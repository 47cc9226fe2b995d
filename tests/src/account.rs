//! Accounts for every data packet: what one link of the gateway saw against what the other link saw.

use crate::capture::Trace;
use crate::frame::Kind;
use std::net::IpAddr;

/// Data packets of one direction on both links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// `uplink` (decrypted by the gateway) or `downlink` (encrypted by it).
    pub name: &'static str,
    /// ESP frames on the outer link.
    pub esp: u64,
    /// Packets on the clear link.
    pub clear: u64,
}

impl Direction {
    /// Packets that went in and did not come out; negative when more came out.
    pub fn loss(&self) -> i64 {
        let (into, out) = if self.name == "uplink" {
            (self.esp, self.clear)
        } else {
            (self.clear, self.esp)
        };
        into as i64 - out as i64
    }
}

/// Counts both directions. `tunnels` are the (peer, gateway) pairs of outer addresses, `inner` the peers' inner addresses.
pub fn directions(
    outer: &Trace,
    clear: &Trace,
    tunnels: &[(IpAddr, IpAddr)],
    inner: &[IpAddr],
) -> [Direction; 2] {
    let esp = |up: bool| -> usize {
        let ends = tunnels.iter().map(|(peer, gateway)| {
            if up {
                (*peer, *gateway)
            } else {
                (*gateway, *peer)
            }
        });
        ends.map(|(from, to)| outer.esp_between(from, to)).sum()
    };
    let packets = |up: bool| {
        let counts = |(source, destination): (IpAddr, IpAddr)| {
            inner.contains(if up { &source } else { &destination })
        };
        clear
            .frames()
            .filter(|f| f.kind == Kind::Cleartext && f.addresses.is_some_and(counts))
            .count()
    };
    [("uplink", true), ("downlink", false)].map(|(name, up)| Direction {
        name,
        esp: esp(up) as u64,
        clear: packets(up) as u64,
    })
}

/// What a comparison of both links found wrong; empty when every packet is accounted for and some were seen.
pub fn faults(directions: &[Direction]) -> Vec<String> {
    let mut faults = Vec::new();
    for d in directions {
        if d.loss() != 0 {
            faults.push(format!(
                "{}: {} ESP frames on the outer link, {} packets on the clear link",
                d.name, d.esp, d.clear
            ));
        }
        if d.esp == 0 {
            faults.push(format!("{}: no traffic was seen", d.name));
        }
    }
    faults
}

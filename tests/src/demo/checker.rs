//! Judges a run of the demo from the captures on both links and the peers' own words.
//!
//! The gateway's counters are only held against the captures, never believed in place of them.

use crate::account::{self, Direction};
use crate::capture::Trace;
use crate::site::{V4, V6, enb_inner, tunnels};

/// What the steps of the demo gathered.
pub struct Evidence {
    /// Frames of the link between eNodeB and gateway.
    pub outer: Trace,
    /// Frames of the link between gateway and core.
    pub clear: Trace,
    /// IKE SAs that the eNodeB holds at the end.
    pub tunnels: usize,
    /// The eNodeB's software version.
    pub peer_version: String,
    /// Whether every exchange of inner IPv4 succeeded, over both outer families.
    pub inner_v4: bool,
    /// The same for inner IPv6.
    pub inner_v6: bool,
    /// Whether every TCP transfer was complete.
    pub tcp: bool,
    /// Whether every UDP stream was complete.
    pub udp: bool,
    /// The gateway's counters: packets encrypted, packets decrypted.
    pub gateway: (u64, u64),
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The last line of the demo.
    pub line: String,
    /// Everything that is wrong; empty when the demo is ok.
    pub faults: Vec<String>,
}

impl Evidence {
    /// Counts, compares and pronounces.
    pub fn judge(&self) -> Verdict {
        let directions = account::directions(&self.outer, &self.clear, &tunnels(), &enb_inner());
        let [up, down] = directions;
        let cleartext = self.outer.cleartext();
        let loss: i64 = directions.iter().map(Direction::loss).sum();
        let mut faults = account::faults(&directions);
        let mut check = |fine: bool, fault: String| {
            if !fine {
                faults.push(fault);
            }
        };
        let (encrypted, decrypted) = self.gateway;
        check(
            encrypted == down.clear,
            format!(
                "the gateway counts {encrypted} encrypted, the clear link {}",
                down.clear
            ),
        );
        check(
            decrypted == up.clear,
            format!(
                "the gateway counts {decrypted} decrypted, the clear link {}",
                up.clear
            ),
        );
        check(
            cleartext.is_empty(),
            format!(
                "{} cleartext packets on the outer link, first {:?}",
                cleartext.len(),
                cleartext.first().map(|f| f.addresses)
            ),
        );
        for gateway in [V4.gateway_outer, V6.gateway_outer] {
            let repeated = self.outer.repeated_nonces(gateway);
            check(
                repeated.is_empty(),
                format!(
                    "{gateway} repeated {} nonces, first {:?}",
                    repeated.len(),
                    repeated.first()
                ),
            );
        }
        check(self.tunnels == 1, format!("{} tunnels", self.tunnels));
        for (name, fine) in [
            ("inner IPv4", self.inner_v4),
            ("inner IPv6", self.inner_v6),
            ("TCP", self.tcp),
            ("UDP", self.udp),
        ] {
            check(fine, format!("{name} failed"));
        }
        let word = |fine: bool| if fine { "ok" } else { "failed" };
        let line = format!(
            "demo: {} tunnels={} ike=strongswan-{} v4={} v6={} tcp={} udp={} cleartext_packets={} loss={loss}",
            word(faults.is_empty()),
            self.tunnels,
            self.peer_version,
            word(self.inner_v4),
            word(self.inner_v6),
            word(self.tcp),
            word(self.udp),
            cleartext.len(),
        );
        Verdict { line, faults }
    }
}

#[cfg(test)]
mod tests;

//! Judges a run of the demo from the captures on both links and the peers' own words.
//!
//! The gateway's counters are only held against the captures, never believed in place of them.

use crate::capture::Trace;
use crate::frame::Kind;
use crate::site::{V4, V6};
use std::net::IpAddr;

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

/// Data packets of one direction on both links.
struct Direction {
    name: &'static str,
    esp: i64,
    clear: i64,
}

impl Evidence {
    /// Counts, compares and pronounces.
    pub fn judge(&self) -> Verdict {
        let (up, down) = (self.uplink(), self.downlink());
        let cleartext = self.outer.cleartext();
        // Uplink enters on the outer link; downlink on the clear link.
        let loss = (up.esp - up.clear) + (down.clear - down.esp);
        let mut faults = Vec::new();
        let mut check = |fine: bool, fault: String| {
            if !fine {
                faults.push(fault);
            }
        };
        for direction in [&up, &down] {
            let Direction { name, esp, clear } = direction;
            check(
                esp == clear,
                format!(
                    "{name}: {esp} ESP frames on the outer link, {clear} packets on the clear link"
                ),
            );
            check(*esp > 0, format!("{name}: no traffic was seen"));
        }
        let (encrypted, decrypted) = self.gateway;
        check(
            encrypted as i64 == down.clear,
            format!(
                "the gateway counts {encrypted} encrypted, the clear link {}",
                down.clear
            ),
        );
        check(
            decrypted as i64 == up.clear,
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

    fn uplink(&self) -> Direction {
        let esp: usize = [V4, V6]
            .iter()
            .map(|a| self.outer.esp_between(a.enb_outer, a.gateway_outer))
            .sum();
        Direction {
            name: "uplink",
            esp: esp as i64,
            clear: self.clear_packets(|(source, _)| is_enb(source)),
        }
    }

    fn downlink(&self) -> Direction {
        let esp: usize = [V4, V6]
            .iter()
            .map(|a| self.outer.esp_between(a.gateway_outer, a.enb_outer))
            .sum();
        Direction {
            name: "downlink",
            esp: esp as i64,
            clear: self.clear_packets(|(_, destination)| is_enb(destination)),
        }
    }

    fn clear_packets(&self, matches: impl Fn((IpAddr, IpAddr)) -> bool) -> i64 {
        let data = |kind| matches!(kind, Kind::Cleartext);
        self.clear
            .frames()
            .filter(|f| data(f.kind) && f.addresses.is_some_and(&matches))
            .count() as i64
    }
}

fn is_enb(address: IpAddr) -> bool {
    address == V4.enb_inner || address == V6.enb_inner
}

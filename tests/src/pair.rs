//! Two Ravelin gateways that face each other without a NAT between them, a host behind each.
//!
//! ```text
//!   left 10.71.0.2 ---- trust  gwa  untrust ---- ma  br0  mb ---- untrust  gwb  trust ---- right 10.72.0.2
//!                              203.0.113.1                        203.0.113.2
//! ```

use crate::BenchError;
use crate::Result;
use crate::gateway::Gateway;
use crate::netns::{Netns, veth};
use crate::traffic::ping;
use crate::wait::wait_until;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

const CONFIGURATION: &str = include_str!("../configs/pair.conf");
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Outer address of the gateway that starts the tunnel, and of the one that answers.
pub const GATEWAYS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)),
];
/// The hosts behind them.
pub const HOSTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 71, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(10, 72, 0, 2)),
];
/// Pings of each host that [`Pair::wait_tunnel`] takes at least.
const PINGS: u32 = 3;

/// Largest packet of a jumbo tunnel, and what its links take.
pub const JUMBO_OCTETS: u16 = 9_000;
const JUMBO_LINK_OCTETS: u16 = 9_192;

/// The namespaces. Gateways are started by [`Pair::start`].
pub struct Pair {
    /// Gateways, in the order of [`GATEWAYS`].
    pub gateways: [Netns; 2],
    /// A bridge between them, so that the outer link can be watched (`ma`, `mb`) outside both gateways. It has nothing to say itself.
    pub middle: Netns,
    /// Hosts, in the order of [`HOSTS`].
    pub hosts: [Netns; 2],
}

impl Pair {
    /// Makes the namespaces; nothing runs in them yet.
    ///
    /// # Errors
    /// When a command fails.
    pub fn new() -> Result<Self> {
        let gateways = [Netns::new("gwa")?, Netns::new("gwb")?];
        let middle = Netns::new("mid")?;
        veth(&gateways[0], "untrust", &middle, "ma")?;
        veth(&gateways[1], "untrust", &middle, "mb")?;
        // Where br_netfilter is loaded, a bridge would take every frame through the firewall and its connection table.
        middle.sh("for hook in arptables iptables ip6tables; do
               file=/proc/sys/net/bridge/bridge-nf-call-$hook
               [ ! -e $file ] || echo 0 >$file
             done
             ip link add br0 type bridge mcast_snooping 0
             ip link set dev ma master br0
             ip link set dev mb master br0
             ip link set dev br0 up")?;
        let hosts = [
            host("left", &gateways[0], "10.71.0")?,
            host("right", &gateways[1], "10.72.0")?,
        ];
        Ok(Self {
            gateways,
            middle,
            hosts,
        })
    }

    /// Starts both gateways and waits until they run their configuration.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start(&self, folder: &Path) -> Result<[Gateway; 2]> {
        self.start_with(folder, ["", ""])
    }

    /// The same, with more statements in `security ipsec` of each gateway.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start_with(&self, folder: &Path, ipsec: [&str; 2]) -> Result<[Gateway; 2]> {
        self.start_as(folder, |at| configuration(at, ipsec[at]))
    }

    /// The same with links, and a tunnel, that take jumbo packets.
    ///
    /// # Errors
    /// When a command fails or a gateway does not get ready.
    pub fn start_jumbo(&self, folder: &Path) -> Result<[Gateway; 2]> {
        let link = |netns: &Netns, device: &str| {
            netns.sh(&format!("ip link set dev {device} mtu {JUMBO_LINK_OCTETS}"))
        };
        for device in ["ma", "mb", "br0"] {
            link(&self.middle, device)?;
        }
        for (gateway, host) in self.gateways.iter().zip(&self.hosts) {
            link(gateway, "untrust")?;
            link(gateway, "trust")?;
            link(host, "eth0")?;
            host.sh(&format!(
                "ip route replace $(ip route show default | sed 's/ mtu .*//') mtu {JUMBO_OCTETS}"
            ))?;
        }
        self.start_as(folder, |at| {
            let tunnel = format!("mtu {JUMBO_OCTETS};");
            let mut text = configuration(at, "").replace("mtu 1400;", &tunnel);
            for port in ["untrust", "trust"] {
                let device = format!("iface={port}\";");
                let larger = format!("{device} mtu {JUMBO_LINK_OCTETS};");
                text = text.replace(&device, &larger);
            }
            text
        })
    }

    /// The same with configurations made by the caller, for the gateway 0 and 1.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start_as(&self, folder: &Path, text: impl Fn(usize) -> String) -> Result<[Gateway; 2]> {
        let start = |at: usize| Gateway::start(&self.gateways[at], folder, &text(at));
        let mut responder = start(1)?;
        let mut initiator = start(0)?;
        responder.wait_ready()?;
        initiator.wait_ready()?;
        Ok([initiator, responder])
    }

    /// Waits until both gateways have the tunnel, then has each host ping the other, so that all neighbours on the way are known.
    /// Nothing is sent before the tunnel is there: it would be discarded and counted.
    ///
    /// # Errors
    /// When it does not come up, or a ping is not answered.
    pub fn wait_tunnel(&self, gateways: &[Gateway; 2]) -> Result<()> {
        for (gateway, peer) in gateways.iter().zip([GATEWAYS[1], GATEWAYS[0]]) {
            wait_until("the tunnel", READY_LIMIT, || {
                let sas = gateway.cli("show security ipsec security-associations")?;
                Ok(sas.contains(&peer.to_string()).then_some(()))
            })?;
        }
        for at in [0, 1] {
            let answers = ping(&self.hosts[at], HOSTS[at], HOSTS[1 - at], PINGS, 1000)?;
            if answers != PINGS {
                let text = format!("{} got {answers} of {PINGS} answers", HOSTS[at]);
                return Err(BenchError::Unexpected(text));
            }
        }
        Ok(())
    }
}

/// The configuration of a gateway, with more statements in `security ipsec`.
pub fn configuration(at: usize, ipsec: &str) -> String {
    let (inner, other, establish) = match at {
        0 => ("10.71.0", "10.72.0", "immediately"),
        _ => ("10.72.0", "10.71.0", "responder-only"),
    };
    CONFIGURATION
        .replace("LOCAL", &GATEWAYS[at].to_string())
        .replace("REMOTE", &GATEWAYS[1 - at].to_string())
        .replace("INNER", inner)
        .replace("OTHER", other)
        .replace("ESTABLISH", establish)
        .replace("    ipsec {\n", &format!("    ipsec {{\n{ipsec}\n"))
}

/// A host behind a gateway, with its default route through it. The host knows the tunnel's MTU: each packet that a gateway answered
/// with "too big" would count as lost.
fn host(label: &str, gateway: &Netns, net: &str) -> Result<Netns> {
    let host = Netns::new(label)?;
    veth(&host, "eth0", gateway, "trust")?;
    host.sh(&format!(
        "ip addr add {net}.2/24 dev eth0; ip route add default via {net}.1 mtu 1400"
    ))?;
    Ok(host)
}

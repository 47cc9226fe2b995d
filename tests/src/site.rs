//! The site of the demo and of most system tests: one eNodeB, the gateway, one host of the core.
//!
//! ```text
//!   enb  10.45.0.1, 2001:db8:45::1 (lo)          gw                             core
//!   enb0 192.0.2.10, 2001:db8:a::10 ---- untrust = ge-0/0/0   trust = ge-0/0/1 ---- core0 198.51.100.10, 2001:db8:b::10
//! ```

use crate::Result;
use crate::gateway::{DAEMONS, Gateway};
use crate::netns::{Netns, veth};
use crate::strongswan::{Child, Connection};
use crate::traffic::ping;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The gateway's configuration.
pub const CONFIGURATION: &str = include_str!("../configs/site.conf");
/// The pre-shared key in it.
pub const PRE_SHARED_KEY: &str = "backhaul-secret";
/// The eNodeB's identity.
pub const ENB_ID: &str = "enb1.enb.example";
/// The gateway's identity.
pub const GATEWAY_ID: &str = "secgw.example";

/// Addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The eNodeB's outer address.
    pub enb_outer: IpAddr,
    /// The gateway's outer address.
    pub gateway_outer: IpAddr,
    /// The eNodeB's inner address.
    pub enb_inner: IpAddr,
    /// The core host.
    pub core: IpAddr,
}

/// IPv4 addresses of the site.
pub const V4: Addresses = Addresses {
    enb_outer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    gateway_outer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    enb_inner: IpAddr::V4(Ipv4Addr::new(10, 45, 0, 1)),
    core: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)),
};

/// IPv6 addresses of the site.
pub const V6: Addresses = Addresses {
    enb_outer: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10)),
    gateway_outer: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1)),
    enb_inner: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x45, 0, 0, 0, 0, 1)),
    core: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0x10)),
};

/// The gateway's address towards the core.
pub const GATEWAY_TRUST: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const READY_LIMIT: Duration = Duration::from_secs(30);

/// The three namespaces, joined and addressed.
pub struct Site {
    /// The eNodeB.
    pub enb: Netns,
    /// The gateway.
    pub gw: Netns,
    /// The core host.
    pub core: Netns,
    /// Logs and captures.
    pub folder: PathBuf,
}

impl Site {
    /// Makes the namespaces; nothing runs in them yet.
    ///
    /// # Errors
    /// When a command fails.
    pub fn new(test: &str) -> Result<Self> {
        Self::joined(test, |enb, gw| veth(enb, "enb0", gw, "untrust"))
    }

    /// The same with something else between the eNodeB's `enb0` and the gateway's `untrust`, which `join` makes.
    ///
    /// # Errors
    /// When a command fails.
    pub fn joined(test: &str, join: impl FnOnce(&Netns, &Netns) -> Result<()>) -> Result<Self> {
        let folder = crate::artifacts(test)?;
        let site = Self {
            enb: Netns::new("enb")?,
            gw: Netns::new("gw")?,
            core: Netns::new("core")?,
            folder,
        };
        join(&site.enb, &site.gw)?;
        veth(&site.core, "core0", &site.gw, "trust")?;
        site.enb.sh("ip addr add 192.0.2.10/24 dev enb0
             ip addr add 2001:db8:a::10/64 dev enb0
             ip addr add 10.45.0.1/32 dev lo
             ip addr add 2001:db8:45::1/128 dev lo")?;
        site.core.sh("ip addr add 198.51.100.10/24 dev core0
             ip addr add 2001:db8:b::10/64 dev core0
             ip route add 10.45.0.0/16 via 198.51.100.1
             ip route add 2001:db8:45::/48 via 2001:db8:b::1")?;
        Ok(site)
    }

    /// Starts the gateway with [`CONFIGURATION`] and waits until it answers on its addresses.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_gateway(&self) -> Result<Gateway> {
        self.start_gateway_with(CONFIGURATION)
    }

    /// Starts the gateway with another configuration.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_gateway_with(&self, configuration: &str) -> Result<Gateway> {
        self.settle(Gateway::start(&self.gw, &self.folder, configuration)?)
    }

    /// Starts the gateway with another configuration after `prepare`, as to give it certificates.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_gateway_prepared(
        &self,
        configuration: &str,
        prepare: impl FnOnce(&Gateway),
    ) -> Result<Gateway> {
        let mut gateway = Gateway::start_some(&self.gw, &self.folder, configuration, &[])?;
        prepare(&gateway);
        for daemon in DAEMONS {
            gateway.start_daemon(daemon)?;
        }
        self.settle(gateway)
    }

    /// Starts the gateway with [`CONFIGURATION`] and this fault on purpose.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_gateway_with_fault(&self, fault: &str) -> Result<Gateway> {
        self.settle(Gateway::start_with_fault(
            &self.gw,
            &self.folder,
            CONFIGURATION,
            fault,
        )?)
    }

    /// Waits until the gateway answers on its addresses.
    fn settle(&self, mut gateway: Gateway) -> Result<Gateway> {
        gateway.wait_ready()?;
        for (host, from, to) in [
            (&self.enb, V4.enb_outer, V4.gateway_outer),
            (&self.enb, V6.enb_outer, V6.gateway_outer),
            (&self.core, V4.core, GATEWAY_TRUST),
        ] {
            crate::wait::wait_until(&format!("an answer from {to}"), READY_LIMIT, || {
                Ok((ping(host, from, to, 1, 56)? == 1).then_some(()))
            })?;
        }
        Ok(gateway)
    }

    /// Logs and captures.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A configuration of the site with one more gateway for eNodeBs, at another address of the same interface, and its VPN.
pub fn with_gateway(configuration: &str, name: &str, address: &str, statements: &str) -> String {
    let gateway = format!(
        "gateway {name} {{ ike-policy enb; dynamic hostname .enb.example; local-identity hostname {GATEWAY_ID};
             local-address {address}; external-interface ge-0/0/0.0; {statements} }}
        gateway enb-v4 {{"
    );
    let vpn = format!(
        "vpn {name} {{ bind-interface st0.0; ike {{ gateway {name}; ipsec-policy enb; }} }}
        vpn enb-v4 {{"
    );
    let first = "address 192.0.2.1/24;";
    configuration
        .replacen(first, &format!("{first} address {address}/24;"), 1)
        .replacen("gateway enb-v4 {", &gateway, 1)
        .replacen("vpn enb-v4 {", &vpn, 1)
}

/// Outer addresses (peer, gateway) of both families.
pub fn tunnels() -> [(IpAddr, IpAddr); 2] {
    [V4, V6].map(|a| (a.enb_outer, a.gateway_outer))
}

/// Inner addresses of the eNodeB.
pub fn enb_inner() -> [IpAddr; 2] {
    [V4.enb_inner, V6.enb_inner]
}

/// The eNodeB's connection over one outer family, with one child that carries both inner families.
pub fn enb_connection(name: &str, outer: Addresses) -> Connection {
    let both = |a: IpAddr, b: IpAddr| format!("{a},{b}");
    Connection {
        name: name.to_owned(),
        local: outer.enb_outer.to_string(),
        remote: outer.gateway_outer.to_string(),
        local_id: ENB_ID.to_owned(),
        remote_id: GATEWAY_ID.to_owned(),
        psk: PRE_SHARED_KEY.to_owned(),
        proposals: "aes256gcm16-prfsha256-ecp256".to_owned(),
        options: vec!["rekey_time = 0".to_owned()],
        ppks: Vec::new(),
        children: vec![Child::new(
            &format!("{name}-s1"),
            &both(V4.enb_inner, V6.enb_inner),
            "198.51.100.0/24,2001:db8:b::/64",
        )],
    }
}

//! The management interface `fxp0`, as files for systemd-networkd.
//!
//! It is in a VRF of its own (`mgmt`), as in the routing instance `mgmt_junos`: a default route that a DHCP server gives must not
//! draw the data plane's packets, nor the data plane's routes the management's. sshd listens in both by the sysctl
//! `tcp_l3mdev_accept`. Without the kernel's VRF module it is in the main table, which is told.

use super::{change, note, tool};
use crate::error::Error;
use crate::root::Root;
use ravelin_ctl::host::wanted::Management;
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::IpAddr;

const FOLDER: &str = "/run/systemd/network";
const VRF: &str = "mgmt";
/// The VRF's routing table, far from those of routing suites and of ours.
const VRF_TABLE: u32 = 6010;

pub(super) fn apply(root: &Root, management: &Management, faults: &mut Vec<String>) {
    let vrf = tool(root, "modprobe", &["vrf"]);
    if let Err(error) = &vrf {
        faults.push(format!("fxp0 shares the routes of the data plane: {error}"));
    }
    let mut changed = false;
    for (name, text) in files(management, vrf.is_ok()) {
        let path = format!("{FOLDER}/{name}");
        let done = match text {
            Some(text) => change(root, &path, &text),
            None => remove(root, &path),
        };
        match done {
            Ok(news) => changed |= news,
            Err(error) => note(Err(error), faults),
        }
    }
    // At boot networkd comes later and reads the files by itself. It must not be called then: the call would start it, and wait.
    let networkd = ["is-active", "--quiet", "systemd-networkd.service"];
    if changed && tool(root, "systemctl", &networkd).is_ok() {
        note(tool(root, "networkctl", &["reload"]), faults);
    }
}

fn remove(root: &Root, path: &str) -> Result<bool, Error> {
    let path = root.path(path);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("remove", &path, error)),
    }
}

/// Names and texts; none for a file that shall not be.
fn files(management: &Management, vrf: bool) -> [(&'static str, Option<String>); 3] {
    let netdev = format!("[NetDev]\nName={VRF}\nKind=vrf\n\n[VRF]\nTable={VRF_TABLE}\n");
    let network =
        format!("[Match]\nName={VRF}\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n");
    [
        ("10-mgmt.netdev", vrf.then_some(netdev)),
        ("10-mgmt.network", vrf.then_some(network)),
        ("20-fxp0.network", Some(fxp0(management, vrf))),
    ]
}

fn fxp0(management: &Management, vrf: bool) -> String {
    let mut text = "[Match]\nName=fxp0\n\n".to_owned();
    // Writing to a string cannot fail.
    if let Some(mtu) = management.mtu_octets {
        let _ = writeln!(text, "[Link]\nMTUBytes={mtu}\n");
    }
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let dhcp = match (management.dhcp, management.dhcp_ipv6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let ra = yes(management.dhcp_ipv6);
    text.push_str("[Network]\n");
    if vrf {
        let _ = writeln!(text, "VRF={VRF}");
    }
    let _ = writeln!(
        text,
        "DHCP={dhcp}\nIPv6AcceptRA={ra}\nLinkLocalAddressing=ipv6\nLLDP=no\nEmitLLDP=no\nIPv4Forwarding=no\nIPv6Forwarding=no"
    );
    for (address, length) in &management.addresses {
        let _ = writeln!(text, "Address={address}/{length}");
    }
    // The node's name, time and resolvers are the configuration's.
    let taken = "UseDNS=no\nUseNTP=no\nUseDomains=no\nUseHostname=no\n";
    let _ = write!(text, "\n[DHCPv4]\n{taken}\n[DHCPv6]\n{taken}");
    text.push_str("\n[IPv6AcceptRA]\nUseDNS=no\nUseDomains=no\n");
    for (prefix, length, hop) in &management.routes {
        let on_link = on_link(management, *hop);
        let _ = write!(
            text,
            "\n[Route]\nDestination={prefix}/{length}\nGateway={hop}\n"
        );
        if !on_link {
            text.push_str("GatewayOnLink=yes\n");
        }
    }
    text
}

/// Whether a next hop is in a network of a static address, or may be in that of a dynamic one.
fn on_link(management: &Management, hop: IpAddr) -> bool {
    let dynamic = match hop {
        IpAddr::V4(_) => management.dhcp,
        IpAddr::V6(_) => management.dhcp_ipv6,
    };
    dynamic
        || management.addresses.iter().any(|(address, length)| {
            ravelin_types::Prefix::new(*address, *length).is_some_and(|p| p.contains(hop))
        })
}

#[cfg(test)]
mod tests;

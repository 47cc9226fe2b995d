//! A NAT between eNodeBs and the gateway: the namespace that is the eNodeB in other tests translates here (nft masquerade),
//! and the eNodeBs live behind it in namespaces of their own.
//!
//! ```text
//!   enb  192.168.7.10 -- 192.168.7.1 [NAT] 192.0.2.10 -- gw -- core
//!   enb  192.168.7.10 -- [NAT] 172.16.N.2 -- 172.16.N.1 [NAT] ...      behind a NAT of its own (`behind_two`)
//! ```

use crate::Result;
use crate::netns::{Netns, veth};
use crate::site::{Addresses, ENB_ID, Site, V4, V6, enb_connection};
use crate::strongswan::{Child, Connection};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The private address of every eNodeB: the same one, each behind its own link.
pub const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 7, 10));
/// The private IPv6 address.
pub const PRIVATE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 7, 0, 0, 0, 0, 0, 0x10));

/// Makes the site's eNodeB a NAT. Source ports become those of `ports` (`20000-20099`).
///
/// # Errors
/// When a command fails.
pub fn translate(site: &Site, ports: &str) -> Result<()> {
    site.enb.sh("ip addr del 10.45.0.1/32 dev lo
         ip addr del 2001:db8:45::1/128 dev lo
         sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")?;
    rules(&site.enb, "enb0", Some(ports))
}

/// The NAT forgets every binding and makes new ones from `ports`: its address vanishes for a moment, which ends the
/// bindings of a masquerade, and comes back, or another one does (`192.0.2.11`).
///
/// # Errors
/// When a command fails.
pub fn rebind(site: &Site, ports: &str, old: &str, new: &str) -> Result<()> {
    rules(&site.enb, "enb0", Some(ports))?;
    let (old, new) = (with_length(old), with_length(new));
    site.enb.sh(&format!(
        "ip addr del {old} dev enb0
         ip addr add {new} dev enb0"
    ))?;
    Ok(())
}

fn with_length(address: &str) -> String {
    let length = if address.contains(':') { 64 } else { 24 };
    format!("{address}/{length}")
}

fn rules(netns: &Netns, outside: &str, ports: Option<&str>) -> Result<()> {
    let to = ports.map_or(String::new(), |ports| {
        format!("meta l4proto udp masquerade to :{ports} random")
    });
    netns
        .sh(&format!(
            "nft flush ruleset
         nft -f - <<'END'
table inet translation {{
  chain out {{
    type nat hook postrouting priority srcnat;
    oifname \"{outside}\" {to}
    oifname \"{outside}\" masquerade
  }}
}}
END"
        ))
        .map(drop)
}

/// An eNodeB behind the NAT, with its inner addresses `10.45.0.N` and `2001:db8:45::N`.
///
/// # Errors
/// When a command fails.
pub fn behind(site: &Site, number: u8) -> Result<Netns> {
    let enb = Netns::new("private")?;
    let inside = format!("in{number}");
    veth(&enb, "enb0", &site.enb, &inside)?;
    site.enb.sh(&format!(
        "ip addr add 192.168.7.1/24 dev {inside}
         ip addr add fd00:7::1/64 dev {inside}"
    ))?;
    private(&enb, number)?;
    Ok(enb)
}

/// An eNodeB behind a NAT of its own behind the NAT: the eNodeB (first) and its NAT. Every such eNodeB has the same private address.
///
/// # Errors
/// When a command fails.
pub fn behind_two(site: &Site, number: u8) -> Result<(Netns, Netns)> {
    let (enb, own) = (Netns::new("private")?, Netns::new("cpe")?);
    veth(&enb, "enb0", &own, "in")?;
    let inside = format!("in{number}");
    veth(&own, "out", &site.enb, &inside)?;
    site.enb
        .sh(&format!("ip addr add 172.16.{number}.1/24 dev {inside}"))?;
    own.sh(&format!(
        "ip addr add 192.168.7.1/24 dev in
         ip addr add 172.16.{number}.2/24 dev out
         ip route add default via 172.16.{number}.1
         sysctl -qw net.ipv4.ip_forward=1"
    ))?;
    rules(&own, "out", None)?;
    private(&enb, number)?;
    Ok((enb, own))
}

fn private(enb: &Netns, number: u8) -> Result<()> {
    enb.sh(&format!(
        "ip addr add 192.168.7.10/24 dev enb0
         ip addr add fd00:7::10/64 dev enb0
         ip addr add 10.45.0.{number}/32 dev lo
         ip addr add 2001:db8:45::{number}/128 dev lo
         ip route add default via 192.168.7.1
         ip -6 route add default via fd00:7::1 || true"
    ))
    .map(drop)
}

/// The inner IPv4 address of eNodeB `number`.
pub fn inner(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 45, 0, number))
}

/// The connection of eNodeB `number` from behind the NAT, over the family of `outer`, with one child per inner address.
pub fn connection(name: &str, outer: Addresses, number: u8) -> Connection {
    let mut connection = enb_connection(name, outer);
    connection.local = if outer == V6 { PRIVATE_V6 } else { PRIVATE }.to_string();
    connection.local_id = ENB_ID.replace("enb1", &format!("enb{number}"));
    let child = connection.children.first();
    let remote_ts = child.map_or_else(String::new, |c| c.remote_ts.clone());
    let local_ts = format!("{},2001:db8:45::{number}", inner(number));
    connection.children = vec![Child::new(&format!("{name}-s1"), &local_ts, &remote_ts)];
    connection
}

/// The NAT's outer address at the start.
pub const PUBLIC: IpAddr = V4.enb_outer;

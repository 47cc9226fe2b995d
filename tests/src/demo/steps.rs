//! The steps of the demo.

use super::checker::Evidence;
use crate::capture::Capture;
use crate::gateway::Gateway;
use crate::netns::Netns;
use crate::site::{Addresses, CONFIGURATION, Site, V4, V6, enb_connection};
use crate::strongswan::StrongSwan;
use crate::traffic::{Echo, Stream, StreamSpec, ping, tcp, throughput};
use crate::wait::wait_until;
use crate::{BenchError, Result};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

const PINGS: u32 = 5;
const TCP_OCTETS: u64 = 2 << 20;
const TCP_PORT: u16 = 5000;
const UDP_PORT: u16 = 7000;
const UDP_PACKETS: u32 = 1000;
const UDP_RATE_PPS: u32 = 2000;
const ECHOES: u32 = 50;
const GRACE: Duration = Duration::from_millis(500);
const SHOWS: [&str; 7] = [
    "show security ike security-associations",
    "show security ipsec security-associations",
    "show security ipsec statistics",
    "show interfaces terse",
    "show route",
    "show security drops",
    "show system processes",
];

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Leave the site up and open its CLI at the end.
    pub keep: bool,
}

/// Whether each kind of traffic passed.
struct Passed {
    inner_v4: bool,
    inner_v6: bool,
    tcp: bool,
    udp: bool,
}

/// Runs the demo and prints as it goes; true when everything held.
///
/// # Errors
/// When a step cannot be carried out.
pub fn run(options: Options) -> Result<bool> {
    headline("1. An eNodeB, the gateway, the core");
    println!(
        "  enb [10.45.0.1 2001:db8:45::1]--192.0.2.0/24 2001:db8:a::/64--gw--198.51.100.0/24 2001:db8:b::/64--core"
    );
    let site = Site::new("demo")?;
    headline("2. The gateway's configuration");
    print!("{CONFIGURATION}");
    headline("3. The gateway starts");
    let gateway = site.start_gateway()?;
    print!("{}", gateway.cli("show system processes")?);

    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer")?;
    let clear = Capture::start(&site.core, "core0", site.folder(), "clear")?;
    let _echo = Echo::start(&site.core, &[V4.core, V6.core])?;
    let connections = [enb_connection("ipv4", V4), enb_connection("ipv6", V6)];
    let peer = StrongSwan::start(&site.enb, site.folder(), &connections)?;
    let peer_version = peer.version()?;
    let mut passed = Passed {
        inner_v4: true,
        inner_v6: true,
        tcp: true,
        udp: true,
    };
    for (number, name) in [(4, "ipv4"), (5, "ipv6")] {
        headline(&format!(
            "{number}. strongSwan {peer_version} brings up the tunnel over {name}"
        ));
        print!("{}", indent(&peer.initiate(&format!("{name}-s1"))?));
        for inner in [V4, V6] {
            exercise(&site, inner, &mut passed)?;
        }
        for show in SHOWS {
            println!("\nsecgw> {show}");
            print!("{}", gateway.cli(show)?);
        }
        if name == "ipv4" {
            peer.terminate(name)?;
            wait_gone(&gateway)?;
        }
    }

    headline("6. What the links saw");
    Capture::wait_quiet(&[&outer, &clear])?;
    let evidence = Evidence {
        outer: outer.finish()?,
        clear: clear.finish()?,
        tunnels: peer.established()?,
        peer_version,
        inner_v4: passed.inner_v4,
        inner_v6: passed.inner_v6,
        tcp: passed.tcp,
        udp: passed.udp,
        gateway: statistics(&gateway)?,
    };
    println!("  outer link: {:?}", evidence.outer.kinds());
    println!("  clear link: {:?}", evidence.clear.kinds());
    println!("  captures and logs: {}", site.folder().display());
    let verdict = evidence.judge();
    for fault in &verdict.faults {
        println!("  FAULT {fault}");
    }
    if options.keep {
        println!("\nThe site stays up until you leave the CLI (`exit`).");
        gateway.shell()?;
    }
    println!("{}", verdict.line);
    Ok(verdict.faults.is_empty())
}

/// Ping, TCP, UDP and echo of one inner family, both ways.
fn exercise(site: &Site, inner: Addresses, passed: &mut Passed) -> Result<()> {
    let family = if inner == V4 { "IPv4" } else { "IPv6" };
    let mut all = true;
    for (direction, source, sink, from, to) in [
        (
            "uplink  ",
            &site.enb,
            &site.core,
            inner.enb_inner,
            inner.core,
        ),
        (
            "downlink",
            &site.core,
            &site.enb,
            inner.core,
            inner.enb_inner,
        ),
    ] {
        let answers = ping(source, from, to, PINGS, 512)?;
        let octets = tcp(source, sink, (to, TCP_PORT).into(), TCP_OCTETS).unwrap_or_else(|e| {
            println!("  {e}");
            0
        });
        let stream = Stream::start(source, sink, spec(from, to))?.finish(GRACE)?;
        let udp = stream.received == stream.sent;
        println!(
            "  inner {family} {direction}  ping {answers}/{PINGS}  TCP {octets} octets  UDP {}/{}",
            stream.received, stream.sent
        );
        all &= answers == PINGS;
        passed.tcp &= octets == TCP_OCTETS;
        passed.udp &= udp;
    }
    let rate = throughput(&site.enb, &site.core, inner.enb_inner, inner.core, 1)?;
    println!(
        "  inner {family} iperf3    {} Mbit/s through the eNodeB's userspace ESP",
        rate / 1_000_000
    );
    let echoes = echo(&site.enb, inner.enb_inner, inner.core)?;
    println!("  inner {family} echo      {echoes}/{ECHOES}");
    all &= echoes == ECHOES;
    let flag = if inner == V4 {
        &mut passed.inner_v4
    } else {
        &mut passed.inner_v6
    };
    *flag &= all;
    Ok(())
}

fn echo(source: &Netns, from: IpAddr, to: IpAddr) -> Result<u32> {
    Echo::ask(source, from, to, ECHOES)
}

fn spec(from: IpAddr, to: IpAddr) -> StreamSpec {
    StreamSpec {
        from,
        to,
        port: UDP_PORT,
        rate_pps: UDP_RATE_PPS,
        count: UDP_PACKETS,
        octets: 300,
    }
}

fn wait_gone(gateway: &Gateway) -> Result<()> {
    wait_until(
        "the end of the first tunnel",
        Duration::from_secs(10),
        || {
            let sas = gateway.cli("show security ike security-associations | display json")?;
            let rows: Value = serde_json::from_str(&sas)
                .map_err(|e| BenchError::Unexpected(format!("IKE SAs as JSON: {e}: {sas}")))?;
            Ok(find(&rows, "responder_spi").is_none().then_some(()))
        },
    )
}

/// The gateway's sums: packets encrypted and decrypted.
fn statistics(gateway: &Gateway) -> Result<(u64, u64)> {
    let text = gateway.cli("show security ipsec statistics | display json")?;
    let report: Value = serde_json::from_str(&text)
        .map_err(|e| BenchError::Unexpected(format!("statistics as JSON: {e}: {text}")))?;
    let value = |name: &str| {
        find(&report, name)
            .and_then(Value::as_u64)
            .ok_or_else(|| BenchError::Unexpected(format!("no {name} in {text}")))
    };
    Ok((value("out_packets")?, value("in_packets")?))
}

/// The first field of this name, at any depth.
fn find<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    match report {
        Value::Object(fields) => fields
            .get(name)
            .or_else(|| fields.values().find_map(|v| find(v, name))),
        Value::Array(entries) => entries.iter().find_map(|v| find(v, name)),
        _ => None,
    }
}

fn headline(text: &str) {
    println!("\n=== {text}");
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("  {l}\n")).collect()
}

//! The steps of the demo.

use super::checker::{Evidence, Links, Passed, Phase, Round, Verdict};
use super::provoke;
use super::reason::Reason;
use crate::capture::{Capture, Trace};
use crate::gateway::Gateway;
use crate::site::{Addresses, CONFIGURATION, Site, V4, V6, enb_connection};
use crate::strongswan::{Connection, StrongSwan};
use crate::traffic::{Echo, Stream, StreamSpec, ping, tcp, throughput};
use crate::wait::wait_until;
use crate::{BenchError, Result};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

const TCP_PORT: u16 = 5000;
const UDP_PORT: u16 = 7000;
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
    /// IPv4 only, and little traffic.
    pub quick: bool,
    /// The fault that the gateway has on purpose; such a run is quick.
    pub fault: Option<Reason>,
}

/// How much traffic.
#[derive(Clone, Copy)]
struct Load {
    pings: u32,
    tcp_octets: u64,
    udp_packets: u32,
    udp_rate_pps: u32,
    echoes: u32,
    iperf: bool,
}

const FULL: Load = Load {
    pings: 5,
    tcp_octets: 2 << 20,
    udp_packets: 1000,
    udp_rate_pps: 2000,
    echoes: 50,
    iperf: true,
};
const QUICK: Load = Load {
    pings: 3,
    tcp_octets: 256 << 10,
    udp_packets: 300,
    udp_rate_pps: 1000,
    echoes: 10,
    iperf: false,
};

/// Both captures, and where in them the phases end.
pub struct Recorder {
    outer: Capture,
    clear: Capture,
    marks: Vec<(Phase, u64, u64)>,
}

impl Recorder {
    fn start(site: &Site) -> Result<Self> {
        Ok(Self {
            outer: Capture::start(&site.enb, "enb0", site.folder(), "outer")?.judged_by_caller(),
            clear: Capture::start(&site.core, "core0", site.folder(), "clear")?,
            marks: vec![],
        })
    }

    /// Ends a phase, when no packet is under way.
    fn end(&mut self, phase: Phase) -> Result<()> {
        Capture::wait_quiet(&[&self.outer, &self.clear])?;
        self.marks
            .push((phase, self.outer.mark(), self.clear.mark()));
        Ok(())
    }

    /// The outer link so far.
    pub fn outer_so_far(&self) -> Result<Trace> {
        self.outer.so_far()
    }

    /// Grows with every frame of the outer link.
    pub fn outer_mark(&self) -> u64 {
        self.outer.mark()
    }

    /// The same for the clear link.
    pub fn clear_mark(&self) -> u64 {
        self.clear.mark()
    }

    /// Stops, and gives the phases to the rounds: a new one begins with each traffic phase.
    fn finish(self, rounds: &mut [Round]) -> Result<()> {
        let (outer, clear) = (self.outer.finish()?, self.clear.finish()?);
        println!("  outer link: {:?}", outer.kinds());
        println!("  clear link: {:?}", clear.kinds());
        let outer = outer.cut(&self.marks.iter().map(|m| m.1).collect::<Vec<_>>());
        let clear = clear.cut(&self.marks.iter().map(|m| m.2).collect::<Vec<_>>());
        let mut rounds = rounds.iter_mut();
        let mut round = None;
        for ((phase, ..), (outer, clear)) in self.marks.iter().zip(outer.into_iter().zip(clear)) {
            if *phase == Phase::Traffic {
                round = rounds.next();
            }
            if let Some(round) = &mut round {
                round.phases.push((*phase, Links { outer, clear }));
            }
        }
        Ok(())
    }
}

/// Runs the demo and prints as it goes; the verdict is the last line.
///
/// # Errors
/// When a step cannot be carried out.
pub fn run(options: Options) -> Result<Verdict> {
    headline("1. An eNodeB, the gateway, the core");
    println!(
        "  enb [10.45.0.1 2001:db8:45::1]--192.0.2.0/24 2001:db8:a::/64--gw--198.51.100.0/24 2001:db8:b::/64--core"
    );
    let fault = options.fault.map(Reason::name);
    let site = Site::new(&fault.map_or("demo".to_owned(), |name| format!("demo-{name}")))?;
    provoke::prepare(&site)?;
    headline("2. The gateway's configuration");
    print!("{CONFIGURATION}");
    headline("3. The gateway starts");
    let gateway = match fault {
        None => site.start_gateway()?,
        Some(name) => {
            println!("  broken on purpose: {name}");
            site.start_gateway_with_fault(name)?
        }
    };
    print!("{}", gateway.cli("show system processes")?);

    let mut recorder = Recorder::start(&site)?;
    let _echo = Echo::start(&site.core, &[V4.core, V6.core])?;
    let families: &[(&str, Addresses)] = if options.quick || fault.is_some() {
        &[("ipv4", V4)]
    } else {
        &[("ipv4", V4), ("ipv6", V6)]
    };
    let connections: Vec<Connection> = families.iter().map(|(n, a)| connection(n, *a)).collect();
    let peer = StrongSwan::start(&site.enb, site.folder(), &connections)?;
    let mut demo = Demo {
        load: if families.len() == 1 { QUICK } else { FULL },
        passed: Passed::default(),
        tunnels: 0,
        peer_version: peer.version()?,
        step: 3,
        site: &site,
        gateway: &gateway,
        peer: &peer,
    };
    let mut rounds = vec![];
    for (name, outer) in families {
        rounds.push(demo.round(name, *outer, &mut recorder)?);
    }
    demo.headline("What the links saw");
    recorder.finish(&mut rounds)?;
    println!("  captures and logs: {}", site.folder().display());
    let verdict = Evidence {
        rounds,
        tunnels: demo.tunnels,
        peer_version: demo.peer_version,
        passed: demo.passed,
    }
    .judge();
    for fault in &verdict.faults {
        println!("  FAULT {}: {}", fault.reason.name(), fault.text);
    }
    if options.keep {
        peer.initiate("ipv4-s1")?;
        println!("\nThe tunnel is up again, and the site stays until you leave the CLI (`exit`).");
        gateway.shell()?;
    }
    println!("{}", verdict.line);
    Ok(verdict)
}

/// The eNodeB's connection, with the child SAs of the probes.
fn connection(name: &str, outer: Addresses) -> Connection {
    let mut connection = enb_connection(name, outer);
    connection.children.extend(provoke::probe_children(name));
    connection
}

/// What the steps share.
struct Demo<'a> {
    load: Load,
    passed: Passed,
    tunnels: usize,
    peer_version: String,
    step: u32,
    site: &'a Site,
    gateway: &'a Gateway,
    peer: &'a StrongSwan,
}

impl Demo<'_> {
    fn headline(&mut self, text: &str) {
        self.step += 1;
        headline(&format!("{}. {text}", self.step));
    }

    /// One tunnel from its beginning to what follows its end. The captures are handed out when they are complete.
    fn round(&mut self, name: &str, outer: Addresses, recorder: &mut Recorder) -> Result<Round> {
        let (site, gateway, peer) = (self.site, self.gateway, self.peer);
        self.headline(&format!(
            "strongSwan {} brings up the tunnel over {name}",
            self.peer_version
        ));
        let before = statistics(gateway)?;
        print!("{}", indent(&peer.initiate(&format!("{name}-s1"))?));
        let inner: &[Addresses] = if self.load.iperf { &[V4, V6] } else { &[V4] };
        for inner in inner {
            self.exercise(*inner)?;
        }
        recorder.end(Phase::Traffic)?;
        let after = statistics(gateway)?;
        let mut round = Round {
            outer,
            phases: vec![],
            counters: (
                after.0.saturating_sub(before.0),
                after.1.saturating_sub(before.1),
            ),
            routes_missing: provoke::wrong_routes(site, gateway, true)?,
            routes_left: vec![],
        };
        if self.load.iperf {
            for show in SHOWS {
                println!("\nsecgw> {show}");
                print!("{}", gateway.cli(show)?);
            }
        }
        self.headline(&format!("What must not get through, over {name}"));
        provoke::replay(site, gateway, recorder, &round)?;
        recorder.end(Phase::Replay)?;
        provoke::add_children(site, peer, name)?;
        recorder.end(Phase::Children)?;
        provoke::leave_selectors(site, gateway)?;
        recorder.end(Phase::Selectors)?;
        self.tunnels = peer.established()?;
        peer.terminate(name)?;
        wait_gone(gateway)?;
        round.routes_left = provoke::wrong_routes(site, gateway, false)?;
        println!(
            "  the tunnel goes down     {} routes left",
            round.routes_left.len()
        );
        recorder.end(Phase::Closing)?;
        provoke::follow_deleted(site, gateway, recorder)?;
        recorder.end(Phase::Gone)?;
        println!("\nsecgw> show security drops");
        print!("{}", gateway.cli("show security drops")?);
        Ok(round)
    }

    /// Ping, TCP, UDP and echo of one inner family, both ways.
    fn exercise(&mut self, inner: Addresses) -> Result<()> {
        let (site, load) = (self.site, self.load);
        let (enb, core) = (&site.enb, &site.core);
        let family = if inner == V4 { "IPv4" } else { "IPv6" };
        let (enb_inner, core_inner) = (inner.enb_inner, inner.core);
        let mut all = true;
        for (direction, source, sink, from, to) in [
            ("uplink  ", enb, core, enb_inner, core_inner),
            ("downlink", core, enb, core_inner, enb_inner),
        ] {
            let answers = ping(source, from, to, load.pings, 512)?;
            let sent = tcp(source, sink, (to, TCP_PORT).into(), load.tcp_octets);
            let octets = sent.unwrap_or_else(|e| {
                println!("  {e}");
                0
            });
            let stream = Stream::start(source, sink, spec(load, from, to))?.finish(GRACE)?;
            println!(
                "  inner {family} {direction}  ping {answers}/{}  TCP {octets} octets  UDP {}/{}",
                load.pings, stream.received, stream.sent
            );
            all &= answers == load.pings;
            also(&mut self.passed.tcp, octets == load.tcp_octets);
            also(&mut self.passed.udp, stream.received == stream.sent);
        }
        if load.iperf {
            let rate = throughput(enb, core, enb_inner, core_inner, 1)?;
            println!(
                "  inner {family} iperf3    {} Mbit/s through the eNodeB's userspace ESP",
                rate / 1_000_000
            );
        }
        let echoes = Echo::ask(enb, enb_inner, core_inner, load.echoes)?;
        println!("  inner {family} echo      {echoes}/{}", load.echoes);
        all &= echoes == load.echoes;
        also(
            if inner == V4 {
                &mut self.passed.inner_v4
            } else {
                &mut self.passed.inner_v6
            },
            all,
        );
        Ok(())
    }
}

/// Adds an outcome to those before it.
fn also(passed: &mut Option<bool>, fine: bool) {
    *passed = Some(passed.unwrap_or(true) && fine);
}

fn spec(load: Load, from: IpAddr, to: IpAddr) -> StreamSpec {
    StreamSpec {
        from,
        to,
        port: UDP_PORT,
        rate_pps: load.udp_rate_pps,
        count: load.udp_packets,
        octets: 300,
    }
}

fn wait_gone(gateway: &Gateway) -> Result<()> {
    wait_until("the end of the tunnel", Duration::from_secs(10), || {
        let sas = gateway.cli("show security ike security-associations | display json")?;
        let rows: Value = serde_json::from_str(&sas)
            .map_err(|e| BenchError::Unexpected(format!("IKE SAs as JSON: {e}: {sas}")))?;
        Ok(find(&rows, "responder_spi").is_none().then_some(()))
    })
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

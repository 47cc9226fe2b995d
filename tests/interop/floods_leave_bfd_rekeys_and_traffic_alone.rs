//! Floods of the access link, each at the highest rate that one thread of the bench can send: IKE_SA_INIT from nowhere, ESP with SPIs
//! that nobody has, ARP of strangers, fragments that lead nowhere. During each:
//!
//! * BFD (100 ms, three times) and BGP of real FRR over the core link do not flap, and probes of both classes are answered;
//! * child SA and IKE SA of a tunnel over the flooded link are rekeyed by either end;
//! * the tunnel's packets are lost only where the port's ring was full, which is counted: on the core link nothing is;
//! * every packet of the flood is accounted for: discarded under the reasons of that flood, or accepted, and nothing grew besides;
//! * the daemons' memory and the kernel's neighbour table stay bounded.
//!
//! The data plane runs under real-time priority, which stands for the cores of its own that an appliance gives it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::flood::packets::{self, Target};
use ravelin_tests::flood::{self, Flood, Sent};
use ravelin_tests::frame::Kind;
use ravelin_tests::frr::{self, Frr, Speaker};
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::run;
use ravelin_tests::probe::{Probe, Trips};
use ravelin_tests::site::{CONFIGURATION, GATEWAY_TRUST, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::{pause, wait_until};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

const RATE_PPS: u32 = 500;
/// BFD's interval: a round trip that takes longer in the middle of all is none that BFD could live with.
const INTERVAL: Duration = Duration::from_millis(100);
/// A rekey that waits for retransmissions takes seconds; both ends give up after a minute and more.
const REKEY_LIMIT: Duration = Duration::from_secs(60);
/// Packets below which it was no flood.
const FLOOD_PACKETS: u64 = 50_000;
/// The ports, whose errors are what their rings could not hold.
const ACCESS_PORT: &str = "ge-0/0/0";
const CORE_PORT: &str = "ge-0/0/1";
/// What names of ports and units begin with; the errors of units are the drops again.
const UNITS: &str = "ge-";
/// What a daemon may grow by: half-open IKE SAs and their records are the most (some 1,024 of them, 8 KiB each at most).
const GROWTH_KIB: u64 = 32 << 10;
/// The link's own subnet, and some.
const NEIGHBOURS: usize = 300;
/// Our own answers to strangers go somewhere.
const ROUTES: &str = "
routing-options {
    static {
        route 0.0.0.0/0 next-hop 192.0.2.10;
    }
    rib inet6.0 {
        static {
            route ::/0 next-hop 2001:db8:a::10;
        }
    }
}
";

/// A flood, where its packets may end, and how many of them were accepted.
struct Kindred {
    name: &'static str,
    frames: Vec<Vec<u8>>,
    reasons: &'static [&'static str],
    accepted: fn(&Books) -> u64,
}

/// What the gateway and its kernel have counted so far.
struct Counted {
    losses: BTreeMap<String, u64>,
    ike: BTreeMap<String, u64>,
    kept_fragments: u64,
}

/// What was counted outside the data plane during a flood.
struct Books {
    /// Datagrams that iked got, or its socket and queues refused.
    ike: u64,
    /// ARP that reached the host.
    arp: u64,
    /// IPv4 fragments that the kernel kept from the port: DPDK's driver opens an AF_PACKET port with PACKET_FANOUT_FLAG_DEFRAG, so that
    /// the kernel hands over whole datagrams. Those of IPv6 reach the gateway.
    kept: u64,
}

fn floods(target: Target) -> [Kindred; 4] {
    [
        Kindred {
            name: "sa_init",
            frames: packets::sa_init(target),
            reasons: &["punt-ike-init", "punt-ring-full"],
            accepted: |books| books.ike,
        },
        Kindred {
            name: "esp",
            frames: packets::esp(target),
            reasons: &["unknown-spi"],
            accepted: |_| 0,
        },
        Kindred {
            name: "arp",
            frames: packets::arp_storm(target),
            reasons: &["arp-foreign", "punt-arp-nd-new", "punt-arp-nd"],
            accepted: |books| books.arp,
        },
        Kindred {
            name: "fragments",
            frames: packets::fragments(target),
            reasons: &[
                "fragment-bad",
                "fragment-overlap",
                "reassembly-full",
                "reassembly-timeout",
            ],
            accepted: |books| books.kept,
        },
    ]
}

struct Bench {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
    routers: [Frr; 2],
    memory: BTreeMap<&'static str, u64>,
}

impl Bench {
    fn new(name: &str) -> Self {
        let site = Site::new(name).unwrap();
        let configuration = format!("{CONFIGURATION}{ROUTES}");
        let mut gateway = site.start_gateway_with(&configuration).unwrap();
        let planed = gateway.daemon("planed").unwrap().pid().to_string();
        run(Command::new("chrt").args(["--all-tasks", "--fifo", "--pid", "10", &planed])).unwrap();
        let connections = [enb_connection("ipv4", V4)];
        let peer = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
        peer.initiate("ipv4-s1").unwrap();
        assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
        let (ours, theirs) = ("198.51.100.1", "198.51.100.10");
        let ours = Speaker {
            asn: 65001,
            local: ours,
            device: "ge-0-0-1",
            peer_asn: 65002,
            peer: theirs,
        };
        let theirs = Speaker {
            asn: ours.peer_asn,
            local: ours.peer,
            device: "core0",
            peer_asn: ours.asn,
            peer: ours.local,
        };
        let routers = [(&site.gw, ours), (&site.core, theirs)]
            .map(|(netns, speaker)| Frr::start(netns, site.folder(), &speaker).unwrap());
        for router in &routers {
            router.wait_up(Duration::from_secs(60)).unwrap();
        }
        let mut bench = Self {
            site,
            gateway,
            peer,
            routers,
            memory: BTreeMap::new(),
        };
        bench.memory = bench.rss();
        bench
    }

    /// Resident memory of each daemon in KiB.
    fn rss(&mut self) -> BTreeMap<&'static str, u64> {
        let of = |daemon: &'static str| {
            let pid = self.gateway.daemon(daemon).unwrap().pid();
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
            let kib = line.and_then(|l| l.split_whitespace().next());
            (daemon, kib.unwrap().parse().unwrap())
        };
        ["netd", "planed", "iked", "mgmtd"].map(of).into()
    }

    /// `show security ike statistics`: those rows that end in a number.
    fn ike_statistics(&self) -> BTreeMap<String, u64> {
        let text = self.gateway.cli("show security ike statistics").unwrap();
        let row = |line: &str| {
            let (name, value) = line.trim().rsplit_once(' ')?;
            Some((name.trim().to_owned(), value.parse().ok()?))
        };
        text.lines().filter_map(row).collect()
    }

    /// Each kind of SA rekeyed by each end, one after the other.
    fn rekey_all(&self) {
        let counted = |row: &str| self.ike_statistics()[row];
        for (row, by_peer) in [
            ("child SAs rekeyed", true),
            ("child SAs rekeyed", false),
            ("IKE SAs rekeyed", true),
            ("IKE SAs rekeyed", false),
        ] {
            let child = row.starts_with("child");
            let before = counted(row);
            match (by_peer, child) {
                (true, true) => drop(self.peer.rekey("--child", "ipv4-s1").unwrap()),
                (true, false) => drop(self.peer.rekey("--ike", "ipv4").unwrap()),
                (false, true) => {
                    drop(
                        self.gateway
                            .cli("request security ipsec rekey all")
                            .unwrap(),
                    );
                }
                (false, false) => {
                    drop(self.gateway.cli("request security ike rekey all").unwrap());
                }
            }
            let end = if by_peer { "peer" } else { "gateway" };
            let settled = || {
                let one = self.peer.established()? == 1 && self.peer.children()? == 1;
                Ok((one && counted(row) > before).then_some(()))
            };
            wait_until(&format!("{row} by the {end}"), REKEY_LIMIT, settled).unwrap();
        }
    }

    /// IPv4 fragments that the kernel of the gateway's namespace took for reassembly (`Ip: ReasmReqds`).
    fn kept_fragments(&self) -> ravelin_tests::Result<u64> {
        let text = self.site.gw.sh("cat /proc/net/snmp")?;
        let mut rows = text.lines().filter(|line| line.starts_with("Ip:"));
        let mut row = || rows.next().unwrap().split_whitespace();
        let value = row().zip(row()).find(|(name, _)| *name == "ReasmReqds");
        Ok(value.unwrap().1.parse().unwrap())
    }

    fn counted(&self) -> ravelin_tests::Result<Counted> {
        Ok(Counted {
            losses: self.gateway.losses()?,
            ike: self.ike_statistics(),
            kept_fragments: self.kept_fragments()?,
        })
    }

    fn captures(&self, name: &str) -> [Capture; 3] {
        let start = |netns, interface, end: &str, filter: &str| {
            let file = format!("{name}-{end}");
            let folder = self.site.folder();
            Capture::start_filtered(netns, interface, folder, &file, filter).unwrap()
        };
        let station = |netns, interface| {
            let mac = flood::mac(netns, interface).unwrap();
            mac.map(|octet| format!("{octet:02x}")).join(":")
        };
        let enb = station(&self.site.enb, "enb0");
        let ours = station(&self.site.gw, "untrust");
        [
            start(
                &self.site.enb,
                "enb0",
                "outer",
                &format!("(udp and host 192.0.2.10) or (arp and ether src {enb})"),
            ),
            start(
                &self.site.core,
                "core0",
                "clear",
                "udp and net 10.45.0.0/16",
            ),
            start(
                &self.site.gw,
                "ge-0-0-0",
                "host",
                &format!("arp and not ether src {ours}"),
            ),
        ]
    }

    /// One flood with everything beside it.
    fn run(&mut self, flood: Kindred, time: Duration) {
        let Kindred { name, frames, .. } = &flood;
        let sessions = self.routers.each_ref().map(|r| r.sessions().unwrap());
        let captures = self.captures(name);
        let before = self.counted().unwrap();
        let probes = self.probes();
        let seconds = time.as_secs() as u32;
        let spec = |from, to| StreamSpec {
            from,
            to,
            port: 7000,
            rate_pps: RATE_PPS,
            count: RATE_PPS * seconds,
            octets: 200,
        };
        let (enb, core) = (&self.site.enb, &self.site.core);
        let up = Stream::start(enb, core, spec(V4.enb_inner, V4.core)).unwrap();
        let down = Stream::start(core, enb, spec(V4.core, V4.enb_inner)).unwrap();

        let start = Instant::now();
        let running = Flood::start(enb, "enb0", frames.clone()).unwrap();
        self.rekey_all();
        pause(time.saturating_sub(start.elapsed()));
        let sent = running.finish().unwrap();

        let after = self.routers.each_ref().map(|r| r.sessions().unwrap());
        let trips = probes.map(|probe| probe.finish().unwrap());
        let [up, down] = [up, down].map(|stream| stream.finish(Duration::from_secs(1)).unwrap());
        println!(
            "{name}: {} packets/s, {} in all",
            sent.rate_pps(),
            sent.packets
        );
        println!("  tunnel: {up:?} {down:?}");
        for (trip, probe) in trips.iter().zip(["BFD core", "BFD access", "BGP access"]) {
            println!("  {probe}: {}", trip.summary());
        }
        assert!(sent.packets > FLOOD_PACKETS, "{name}: {sent:?}");
        assert_eq!(after, sessions, "{name}: BFD and BGP flapped");

        Capture::wait_quiet(&captures.each_ref()).unwrap();
        let [outer, clear, host] = captures.map(|capture| capture.finish().unwrap());
        let missed = self.accounts(&flood, sent, &before, &outer, &host);
        self.judge(name, &trips, missed, &outer, &clear);
        self.bounds(name);
    }

    fn probes(&self) -> [Probe; 3] {
        let Site { enb, gw, core, .. } = &self.site;
        let at = SocketAddr::new;
        // 6784 is BFD's too (RFC 7130), and no daemon of ours listens there.
        [
            Probe::udp(core, at(V4.core, 6784), gw, at(GATEWAY_TRUST, 6784)).unwrap(),
            Probe::udp(enb, at(V4.enb_outer, 6784), gw, at(V4.gateway_outer, 6784)).unwrap(),
            Probe::tcp(enb, at(V4.enb_outer, 179), gw, at(V4.gateway_outer, 7179)).unwrap(),
        ]
    }

    /// Every packet of the flood ended under one of its reasons or was accepted; no other reason grew. Returns how many the port
    /// missed; each of these may have been the flood's or not.
    fn accounts(
        &self,
        flood: &Kindred,
        sent: Sent,
        before: &Counted,
        outer: &Trace,
        host: &Trace,
    ) -> u64 {
        let name = flood.name;
        // The flood, and what the eNodeB itself sent of that kind.
        let kinds = |trace: &Trace, kind| trace.kinds().get(&kind).copied().unwrap_or(0) as u64;
        let to_us = |kind| {
            let ours = |f: &&ravelin_tests::frame::Frame<'_>| {
                f.kind == kind && f.addresses.is_none_or(|(from, _)| from == V4.enb_outer)
            };
            outer.frames().filter(|f| ours(&f)).count() as u64
        };
        let genuine = match name {
            "sa_init" => to_us(Kind::Ike),
            "arp" => to_us(Kind::Neighbour),
            _ => 0,
        };
        let offered = sent.packets + genuine;
        let mut last = String::new();
        let settled = wait_until(
            "every packet to be accounted for",
            // Fragments wait 15 s for the rest of their datagram.
            Duration::from_secs(30),
            || {
                let now = self.counted()?;
                let grown = |reason: &str| {
                    let of = |all: &Counted| all.losses.get(reason).copied().unwrap_or(0);
                    of(&now) - of(before)
                };
                let of = |row: &str| now.ike[row] - before.ike[row];
                let books = Books {
                    ike: of("datagrams received")
                        + of("first messages lost to a full queue")
                        + of("messages lost to a full queue")
                        + of("datagrams lost to a full socket"),
                    arp: kinds(host, Kind::Neighbour),
                    kept: now.kept_fragments - before.kept_fragments,
                };
                let missed = grown(ACCESS_PORT);
                let dropped: u64 = flood.reasons.iter().map(|reason| grown(reason)).sum();
                let accepted = (flood.accepted)(&books);
                let counted = dropped + accepted;
                let others: Vec<(&String, u64)> = (now.losses)
                    .keys()
                    .map(|reason| (reason, grown(reason)))
                    .filter(|(reason, _)| {
                        let interface = reason.starts_with(UNITS) && *reason != CORE_PORT;
                        !interface && !flood.reasons.contains(&reason.as_str())
                    })
                    .filter(|(_, count)| *count > 0)
                    .collect();
                last = format!(
                    "{offered} offered, {dropped} dropped, {accepted} accepted, {missed} missed by the port; besides: {others:?}"
                );
                let fits = counted <= offered && counted + missed >= offered;
                Ok((fits && others.is_empty()).then_some(missed))
            },
        );
        println!("  accounts: {last}");
        settled.unwrap_or_else(|error| panic!("{name}: {error}: {last}"))
    }

    /// Probes and tunnel.
    fn judge(&self, name: &str, trips: &[Trips; 3], missed: u64, outer: &Trace, clear: &Trace) {
        let [core, access, bgp] = trips;
        assert_eq!(core.lost(), 0, "{name}: BFD-class probes of the core link");
        assert!(
            access.lost() as u64 <= missed,
            "{name}: {}",
            access.summary()
        );
        for trip in [core, bgp] {
            assert!(trip.percentile(50) < INTERVAL, "{name}: {}", trip.summary());
        }
        let tunnels = [(V4.enb_outer, V4.gateway_outer)];
        let [up, down] = account::directions(outer, clear, &tunnels, &[V4.enb_inner]);
        println!("  links: {up:?} {down:?}");
        assert!(
            up.loss() <= missed as i64,
            "{name}: {up:?}, {missed} missed"
        );
        assert_eq!(down.loss(), 0, "{name}: {down:?}");
        assert!(up.clear > 0 && down.esp > 0, "{name}: {up:?} {down:?}");
    }

    fn bounds(&mut self, name: &str) {
        let neighbours = self.site.gw.sh("ip neigh show").unwrap().lines().count();
        assert!(neighbours <= NEIGHBOURS, "{name}: {neighbours} neighbours");
        let memory = self.rss();
        println!("  memory: {memory:?} KiB, {neighbours} neighbours");
        for (daemon, kib) in &memory {
            let most = self.memory[daemon] + GROWTH_KIB;
            assert!(
                *kib <= most,
                "{name}: {daemon} has {kib} KiB, {most} allowed"
            );
        }
    }
}

fn floods_for(name: &str, time: Duration) {
    if let Err(error) = frr::realtime() {
        println!("SKIP {name}: bfdd needs real-time priority: {error}");
        return;
    }
    let mut bench = Bench::new(name);
    let target = Target {
        mac: flood::mac(&bench.site.gw, "untrust").unwrap(),
        addresses: [V4.gateway_outer, V6.gateway_outer],
    };
    for flood in floods(target) {
        bench.run(flood, time);
    }
}

#[test]
fn floods_of_the_access_link_leave_bfd_rekeys_and_traffic_alone() {
    floods_for(
        "floods_of_the_access_link_leave_bfd_rekeys_and_traffic_alone",
        Duration::from_secs(15),
    );
}

#[test]
#[ignore = "soak: two minutes for each flood"]
fn long_floods_of_the_access_link_leave_bfd_rekeys_and_traffic_alone() {
    floods_for(
        "long_floods_of_the_access_link_leave_bfd_rekeys_and_traffic_alone",
        Duration::from_secs(120),
    );
}

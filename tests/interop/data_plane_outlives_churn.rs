//! The data plane under everything at once: SA pairs come, go and are rekeyed at random, configurations, MTUs and routes change, and
//! on both links come good packets of both families, fragments in and around tunnels, replays, forgeries and garbage. Afterwards
//!
//! * every packet is accounted for, exactly: what came from the ports and from the host, and what the workers made, is what left,
//!   what the host got, what was joined, and what was discarded under a reason;
//! * every packet buffer is back in its pool;
//! * planed has the pairs that it should have, and each of them carries a packet each way.
//!
//! Frames are counted outside of planed: at the other ends of its ports, which are memif, and by the kernel at its twins.
//! `RAVELIN_CHURN_SEED` repeats a run, `RAVELIN_CHURN_S` says for how many seconds.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "churn/cable.rs"]
mod cable;
#[path = "churn/frames.rs"]
mod frames;
#[path = "churn/node.rs"]
mod node;
#[path = "churn/pairs.rs"]
mod pairs;

use cable::Cable;
use frames::{Frames, STATIONS, core};
use node::{Books, Node};
use pairs::{OURS, PEER, Pairs, SITES};
use ravelin_ctl::plane::{Device, MssClamp, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{Outbound, PairCounters, Reply, Request};
use ravelin_tests::flood;
use ravelin_tests::wait::pause;
use ravelin_types::{PairId, UnitName, VrfId};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

const ACCESS: usize = 0;
const CORE: usize = 1;
const PORTS: [&str; 2] = ["ge-0/0/0", "ge-0/0/1"];
const WORKERS: usize = 2;
/// Fewer than so many packets and groups of fragments on each link at a time.
const FRAMES_PER_ROUND: u64 = 48;
/// Between two commits, and two changes of routes.
const COMMITS_APART: Duration = Duration::from_millis(400);
/// Routes that come and go.
const ROUTES: u64 = 200;
/// How long everything may take to come to rest: fragments wait 15 s for their rest.
const REST: Duration = Duration::from_secs(40);
/// Nothing moves any more after so long without a frame.
const QUIET: Duration = Duration::from_millis(300);

struct Churn {
    node: Node,
    cables: [Cable; 2],
    pairs: Pairs,
    frames: Frames,
    routes: BTreeSet<u64>,
    /// Pairs that were replaced and not yet taken away.
    old: Vec<PairId>,
}

impl Churn {
    fn start(label: &str, seed: u64, lone_fragments: bool) -> Self {
        let mut node = Node::start(label, WORKERS);
        let plain = configuration(&node, None, [1_500, 1_400], false);
        node.configure(plain);
        let [access, core_unit] = PORTS.map(|port| UnitName::new(port, 0).kernel());
        let [peer, host] = STATIONS.map(text);
        let mut lines = String::new();
        for (unit, own, other, mac) in [
            (&access, OURS, PEER, &peer),
            (
                &core_unit,
                [false, true].map(|v6| core(true, v6)),
                [false, true].map(|v6| core(false, v6)),
                &host,
            ),
        ] {
            let _ = writeln!(
                lines,
                "address add {}/24 dev {unit}\naddress add {}/64 dev {unit}\nlink set {unit} up",
                own[0], own[1]
            );
            for address in other {
                let _ = writeln!(
                    lines,
                    "neighbour replace {address} lladdr {mac} dev {unit} nud permanent"
                );
            }
        }
        let _ = writeln!(lines, "link set {} up", UnitName::new("st0", 0).kernel());
        node.ip(&lines);
        // What the kernel says of itself on a twin that goes would go uncounted with it.
        node.netns
            .sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
            .unwrap();
        let cables = Cable::connect(&node.folder, WORKERS as u16);
        node.synchronise();
        let macs = [access, core_unit].map(|unit| flood::mac(&node.netns, &unit).unwrap());
        Self {
            node,
            cables,
            pairs: Pairs::new(),
            frames: Frames::new(seed, macs, lone_fragments),
            routes: BTreeSet::new(),
            old: Vec::new(),
        }
    }

    /// Some frames on each link.
    fn traffic(&mut self) {
        for side in [CORE, ACCESS] {
            let mut frames = Vec::new();
            for _ in 0..self.frames.dice.below(FRAMES_PER_ROUND) {
                frames.extend(match side {
                    CORE => self.frames.core_side(),
                    _ => self.frames.access_side(&mut self.pairs),
                });
            }
            cable::send(&mut self.cables, side, &frames);
        }
    }

    fn install(&mut self, sites: impl IntoIterator<Item = u64>, state: Outbound) {
        let mut wanted = Vec::new();
        for site in sites {
            let (pair, gone) = self.pairs.make(site, state, &mut self.frames.dice);
            wanted.push(pair);
            self.old.extend(gone);
        }
        match self.node.request(Request::Install(wanted)) {
            Reply::Installed(results) => {
                for (pair, result) in results {
                    assert_eq!(result, Ok(()), "{pair:?}");
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn remove(&mut self, pair: PairId, linger_ms: u64) {
        let linger_ms = linger_ms as u32;
        let reply = self.node.request(Request::Remove { pair, linger_ms });
        assert_eq!(reply, Reply::Done);
    }

    /// A change of the pairs.
    fn churn(&mut self) {
        let dice = &mut self.frames.dice;
        let (site, count, linger_ms) = (dice.below(SITES), 1 + dice.below(12), dice.below(150));
        match dice.below(5) {
            // New ones, or the same sites anew at once.
            0 => self.install((site..site + count).map(|n| n % SITES), Outbound::Active),
            1 => {
                if let Some(gone) = self.pairs.remove(site) {
                    self.remove(gone, linger_ms);
                }
            }
            // Rekeys: the new one stands by until its peer is heard, or until iked says so.
            2 | 3 => {
                let there = self.pairs.live.range(site..).take(count as usize);
                let sites: Vec<u64> = there.map(|(site, _)| *site).collect();
                self.install(sites.iter().copied(), Outbound::Standby);
                for site in sites.iter().filter(|site| **site % 2 == 0) {
                    let pair = self.pairs.live[site].pair;
                    assert_eq!(self.node.request(Request::Activate(pair)), Reply::Done);
                }
            }
            _ => {
                for pair in std::mem::take(&mut self.old) {
                    self.remove(pair, linger_ms);
                }
            }
        }
    }

    /// Another configuration, and other routes.
    fn commit(&mut self) {
        let dice = &mut self.frames.dice;
        let clamp =
            [None, Some(MssClamp::Tunnel), Some(MssClamp::Octets(1_200))][dice.below(3) as usize];
        let of_tunnel = [1_280, 1_400, 1_440][dice.below(3) as usize];
        // Less than the outer packets of any tunnel need, as much as they usually have, and more.
        let of_ports = [1_300, 1_500, 1_700][dice.below(3) as usize];
        let with_vlan = dice.below(2) == 0;
        let config = configuration(&self.node, clamp, [of_ports, of_tunnel], with_vlan);
        let mut lines = String::new();
        let unit = UnitName::new(PORTS[CORE], 0).kernel();
        for _ in 0..40 {
            let route = dice.below(ROUTES);
            let verb = if self.routes.insert(route) {
                "add"
            } else {
                self.routes.remove(&route);
                "delete"
            };
            let _ = writeln!(
                lines,
                "route {verb} 203.0.113.{route}/32 via {} dev {unit}",
                core(false, false)
            );
        }
        self.node.ip(&lines);
        self.node.configure(config);
    }

    fn run(&mut self, time: Duration) -> u64 {
        let (started, mut next, mut changes) = (Instant::now(), COMMITS_APART, 0);
        self.install(0..SITES, Outbound::Active);
        while started.elapsed() < time {
            self.traffic();
            if self.frames.dice.below(6) == 0 {
                self.churn();
                changes += 1;
            }
            if started.elapsed() >= next {
                self.commit();
                self.node.check();
                next = started.elapsed() + COMMITS_APART;
            }
        }
        changes
    }

    /// Takes what still comes until nothing does.
    fn settle(&mut self) {
        let mut last = Instant::now();
        while last.elapsed() < QUIET {
            let came = self.cables.each_mut().map(Cable::drain);
            if came.contains(&true) {
                last = Instant::now();
            }
            pause(Duration::from_millis(1));
        }
    }

    /// Packets that came to planed and have no end that anybody counted.
    fn unexplained(&self, books: &Books) -> i64 {
        let sum = |of: fn(&Cable) -> u64| self.cables.iter().map(of).sum::<u64>();
        let into = sum(|cable| cable.sent) + books.from_host + books.buffers.made;
        let out = sum(|cable| cable.received) + books.to_host + books.buffers.joined;
        into as i64 - out as i64 - books.dropped() as i64
    }

    /// Waits until all is at rest and accounted for.
    fn balance(&mut self) -> Books {
        let started = Instant::now();
        loop {
            self.settle();
            let books = self.node.books();
            let unexplained = self.unexplained(&books);
            let at_rest = books
                .buffers
                .pools
                .iter()
                .all(|pool| pool.free == pool.buffers);
            if unexplained == 0 && at_rest {
                return books;
            }
            assert!(
                started.elapsed() < REST,
                "{unexplained} packets without an end: sent {:?}, received {:?}, {books:#?}",
                self.cables.each_ref().map(|cable| cable.sent),
                self.cables.each_ref().map(|cable| cable.received),
            );
        }
    }

    /// planed has the pairs that it should have, and each carries a packet each way.
    fn prove_pairs(&mut self) {
        let plain = configuration(&self.node, None, [1_500, 1_400], false);
        self.node.configure(plain);
        for pair in std::mem::take(&mut self.old) {
            self.remove(pair, 0);
        }
        let sites: Vec<u64> = self.pairs.live.keys().copied().collect();
        for pair in sites
            .iter()
            .map(|site| self.pairs.live[site].pair)
            .collect::<Vec<_>>()
        {
            self.node.request(Request::Activate(pair));
        }
        self.balance();
        let before = self.counters();
        let expected: BTreeSet<u64> = self.pairs.live.values().map(|live| live.pair.0).collect();
        let there: BTreeSet<u64> = before.iter().map(|counters| counters.pair).collect();
        assert_eq!(there, expected);
        for site in &sites {
            let [clear, sealed] = self.frames.proof(*site, &mut self.pairs);
            cable::send(&mut self.cables, CORE, &[clear]);
            cable::send(&mut self.cables, ACCESS, &[sealed]);
        }
        self.balance();
        for (was, is) in before.iter().zip(self.counters()) {
            let carried = (
                is.out_packets - was.out_packets,
                is.in_packets - was.in_packets,
            );
            assert_eq!((was.pair, carried), (is.pair, (1, 1)), "{is:?}");
        }
    }

    fn counters(&mut self) -> Vec<PairCounters> {
        match self.node.request(Request::Counters(vec![])) {
            Reply::Counters(mut counters) => {
                counters.sort_by_key(|one| one.pair);
                counters
            }
            other => panic!("{other:?}"),
        }
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

fn configuration(
    node: &Node,
    tcp_mss: Option<MssClamp>,
    [port_mtu_octets, tunnel_mtu_octets]: [u16; 2],
    with_vlan: bool,
) -> PlaneConfig {
    let unit = |port: &str, number, vlan, addresses| UnitConfig {
        name: UnitName::new(port, number),
        vlan,
        inner_vlan: None,
        vrf: VrfId::DEFAULT,
        addresses,
    };
    let port = |number: usize, addresses| {
        let name = PORTS[number];
        let mut units = vec![unit(name, 0, None, addresses)];
        if with_vlan && number == CORE {
            units.push(unit(
                name,
                77,
                Some(77),
                vec![("198.51.100.1".parse().unwrap(), 24)],
            ));
        }
        PortConfig {
            name: name.to_owned(),
            device: Device::Vdev(cable::device(number as u16, &node.folder)),
            mtu_octets: port_mtu_octets,
            units,
        }
    };
    PlaneConfig {
        ports: vec![
            port(ACCESS, vec![(OURS[0], 24), (OURS[1], 64)]),
            port(CORE, vec![(core(true, false), 24), (core(true, true), 64)]),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: tunnel_mtu_octets,
            addresses: vec![],
            protected: ["10.64.0.0/16", "2001:db8:2::/48"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
        }],
        ike_addresses: OURS.map(|address| (VrfId::DEFAULT, address)).to_vec(),
        signals: vec![],
        tcp_mss,
        acceleration: vec![],
        instances: vec![],
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn outlives(label: &str, seconds: u64, lone_fragments: bool) {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number("RAVELIN_CHURN_SEED", clock.unwrap().as_secs());
    let time = Duration::from_secs(number("RAVELIN_CHURN_S", seconds));
    println!(
        "RAVELIN_CHURN_SEED={seed} RAVELIN_CHURN_S={}",
        time.as_secs()
    );
    let mut churn = Churn::start(label, seed, lone_fragments);
    let fresh = churn.balance();
    println!("at the start: {fresh:?}");
    let changes = churn.run(time);
    let books = churn.balance();
    let sent = churn.cables.each_ref().map(|cable| cable.sent);
    let received = churn.cables.each_ref().map(|cable| cable.received);
    println!("{changes} changes of pairs; sent {sent:?}, received {received:?}, {books:#?}");
    assert!(
        received.iter().sum::<u64>() > sent.iter().sum::<u64>() / 3,
        "hardly anything crossed"
    );
    for reason in [
        "unknown-spi",
        "auth-failed",
        "replay-duplicate",
        "no-sa",
        "selector-mismatch",
        "ttl-exceeded",
    ] {
        assert!(
            books.drops.iter().any(|drop| drop.reason == reason),
            "no {reason}"
        );
    }
    assert!(books.buffers.made > 0 && books.buffers.joined > 0);
    churn.prove_pairs();
}

#[test]
fn seconds_of_churn_leave_no_packet_unexplained_and_no_buffer_lost() {
    outlives("churn", 3, false);
}

#[test]
#[ignore = "soak: ten minutes of churn"]
fn ten_minutes_of_churn_leave_no_packet_unexplained_and_no_buffer_lost() {
    outlives("long-churn", 600, true);
}

//! Two nodes, the link between them, virtual time, and the checks that hold for every scenario.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ravelin_types::{Time, VrfId};

use super::{Node, Rng, address};
use crate::config::Config;
use crate::event::{Datagram, EventKind, Transmit};
use crate::msg::{ExchangeType, Message, Payload};

/// How the link treats datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    pub(crate) delay_ms: (u64, u64),
    /// A source NAT before A: this address, ports shifted.
    pub(crate) nat: Option<(SocketAddr, u16)>,
    /// Nothing gets through.
    pub(crate) cut: bool,
}

impl Link {
    pub(crate) const GOOD: Link = Link {
        loss_percent: 0,
        duplicate_percent: 0,
        delay_ms: (10, 10),
        nat: None,
        cut: false,
    };
    pub(crate) const BAD: Link = Link {
        loss_percent: 30,
        duplicate_percent: 20,
        delay_ms: (1, 400),
        nat: None,
        cut: false,
    };
}

/// Which side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    A,
    B,
}

struct Flying {
    to: Side,
    vrf: VrfId,
    from: SocketAddr,
    at: SocketAddr,
    data: Vec<u8>,
}

/// True for datagrams that get lost.
type Filter = Box<dyn FnMut(Side, &Message) -> bool>;

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) link: Link,
    rng: Rng,
    flying: BTreeMap<(Time, u64), Flying>,
    next: u64,
    /// Everything that was sent, by whom.
    pub(crate) transcript: Vec<(Side, Vec<u8>)>,
    pub(crate) configs: [Arc<Config>; 2],
    /// Drops a datagram when it says so.
    pub(crate) filter: Option<Filter>,
    /// What is sent there gets lost.
    pub(crate) unreachable: Option<IpAddr>,
    /// Called after every step of a node: crashes.
    pub(crate) crash_percent: u64,
    pub(crate) crashes: u64,
    /// What is being tried, for the reader of a failure.
    pub(crate) case: String,
    /// Prints what is sent, decrypted; set SIM_TRACE when building to look into a failure.
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, a: Arc<Config>, b: Arc<Config>) -> World {
        World {
            now: Time(0),
            a: Node::new("A", seed * 2 + 1, Arc::clone(&a)),
            b: Node::new("B", seed * 2 + 2, Arc::clone(&b)),
            link: Link::GOOD,
            rng: Rng::new(seed + 77),
            flying: BTreeMap::new(),
            next: 0,
            transcript: Vec::new(),
            configs: [a, b],
            filter: None,
            unreachable: None,
            crash_percent: 0,
            crashes: 0,
            case: String::new(),
            trace: option_env!("SIM_TRACE").is_some(),
        }
    }

    pub(crate) fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Lets both sides do what the last call left to do.
    pub(crate) fn pump(&mut self) {
        for side in [Side::A, Side::B] {
            let now = self.now;
            let sent = self.node(side).pump(now);
            sent.into_iter().for_each(|t| self.send(side, t));
            if self.node(side).died {
                self.crash(side);
            }
            if self.crash_percent > 0 && self.rng.chance(self.crash_percent) {
                self.crash(side);
            }
        }
    }

    pub(crate) fn crash(&mut self, side: Side) {
        loop {
            self.crashes += 1;
            let (seed, now) = (self.rng.next(), self.now);
            let config = Arc::clone(&self.configs[side as usize]);
            self.node(side).crash(seed, config, now);
            let sent = self.node(side).pump(now);
            sent.into_iter().for_each(|t| self.send(side, t));
            if !self.node(side).died {
                return;
            }
        }
    }

    fn send(&mut self, side: Side, t: Transmit) {
        self.transcript.push((side, t.data.clone()));
        let message = Message::parse(&t.data).expect("what we send parses");
        if self.trace {
            self.print(side, &t, &message);
        }
        if let Some(filter) = &mut self.filter {
            if filter(side, &message) {
                return;
            }
        }
        if self.link.cut || self.unreachable == Some(t.remote.ip()) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.link.duplicate_percent));
        for _ in 0..copies {
            if self.rng.chance(self.link.loss_percent) {
                continue;
            }
            let (least, most) = self.link.delay_ms;
            let delay = least + self.rng.below(most - least + 1);
            let (from, at) = self.translate(side, t.local, t.remote);
            let to = if side == Side::A { Side::B } else { Side::A };
            self.next += 1;
            let key = (self.now + Duration::from_millis(delay), self.next);
            self.flying.insert(
                key,
                Flying {
                    to,
                    vrf: t.vrf,
                    from,
                    at,
                    data: t.data.clone(),
                },
            );
        }
    }

    fn print(&mut self, side: Side, t: &Transmit, message: &Message) {
        let h = message.header;
        let endpoint = &self.node(side).endpoint;
        let ciphers = endpoint.test_ciphers(h.spi_i);
        let opened = message
            .sk()
            .zip(ciphers)
            .and_then(|(sk, (i, r))| sk.open(&t.data, if h.initiator { &i } else { &r }).ok());
        let payloads = opened.as_ref().unwrap_or(&message.payloads);
        let brief = |p: &Payload| match p {
            Payload::Notify(n) => format!("N({} {:x?})", n.kind, n.spi),
            Payload::Delete(d) => format!("{d:x?}"),
            Payload::Sa(sa) => format!("SA(spi {:x?})", sa.proposals.first().map(|p| &p.spi)),
            other => format!("{}", other.kind()),
        };
        let list: Vec<_> = payloads.iter().map(brief).collect();
        let direction = if h.response { "response" } else { "request" };
        println!(
            "{:>9} {side:?} {:04x} {:?} {direction} {} {}",
            self.now.0 / 1000,
            h.spi_i as u16,
            h.exchange,
            h.message_id,
            list.join(" ")
        );
    }

    fn translate(
        &self,
        side: Side,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> (SocketAddr, SocketAddr) {
        let Some((nat, shift)) = self.link.nat else {
            return (local, remote);
        };
        match side {
            Side::A => (SocketAddr::new(nat.ip(), local.port() + shift), remote),
            Side::B if remote.ip() == nat.ip() => (
                local,
                SocketAddr::new(address(1).ip(), remote.port().wrapping_sub(shift)),
            ),
            Side::B => (local, SocketAddr::new(address(9).ip(), 9)),
        }
    }

    /// Delivers octets as if they had come from there.
    pub(crate) fn inject(&mut self, to: Side, from: SocketAddr, at: SocketAddr, data: &[u8]) {
        self.inject_into(VrfId::DEFAULT, to, (from, at), data);
    }

    /// Delivers octets in this routing instance.
    pub(crate) fn inject_into(
        &mut self,
        vrf: VrfId,
        to: Side,
        (from, at): (SocketAddr, SocketAddr),
        data: &[u8],
    ) {
        let now = self.now;
        let datagram = Datagram {
            vrf,
            local: at,
            remote: from,
            data,
        };
        self.node(to).handle(now, &datagram);
        self.pump();
    }

    /// One event of virtual time; false when nothing is left to happen before `until`.
    fn step(&mut self, until: Time) -> bool {
        let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
        let timers = [
            self.a.endpoint.poll_timeout(),
            self.b.endpoint.poll_timeout(),
        ];
        let next = timers
            .into_iter()
            .flatten()
            .chain(arrival)
            .min()
            .filter(|t| *t <= until);
        let Some(next) = next else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        let now = self.now;
        if arrival.is_some_and(|at| at <= now) {
            if let Some((_, f)) = self.flying.pop_first() {
                let stale = f.at.ip() == address(9).ip();
                if !stale {
                    self.inject_into(f.vrf, f.to, (f.from, f.at), &f.data);
                }
                return true;
            }
        }
        for side in [Side::A, Side::B] {
            self.node(side).endpoint.handle_timeout(now);
        }
        self.pump();
        true
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0u64;
        while self.step(until) {
            steps += 1;
            assert!(steps < 200_000, "the endpoints chatter without end");
        }
    }

    /// Runs until the condition holds; false when it does not in this time.
    pub(crate) fn run_until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&World) -> bool,
    ) -> bool {
        let until = self.now + time;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        let one = |n: &Node| n.up().len() == 1 && n.plane.values().any(|p| p.active);
        one(&self.a) && one(&self.b)
    }

    /// Brings the default pair up on a good link.
    pub(crate) fn establish(&mut self) {
        self.pump();
        assert!(
            self.run_until(Duration::from_secs(5), World::is_up),
            "{}",
            self.explain()
        );
        self.run_for(Duration::from_millis(100));
        self.check_agreement();
    }

    /// Both sides hold the same IKE SA and the same pairs with crossed keys, and nothing else.
    pub(crate) fn check_agreement(&self) {
        let (a, b) = (self.a.up(), self.b.up());
        assert_eq!((a.len(), b.len()), (1, 1), "{}", self.explain());
        assert_eq!(
            (a[0].spi_i, a[0].spi_r),
            (b[0].spi_i, b[0].spi_r),
            "{}",
            self.explain()
        );
        assert_eq!(self.a.endpoint.ike_sas().count(), 1, "{}", self.explain());
        assert_eq!(self.b.endpoint.ike_sas().count(), 1, "{}", self.explain());
        assert_eq!(self.a.plane.len(), self.b.plane.len(), "{}", self.explain());
        for pair in self.a.plane.values() {
            let p = &pair.install;
            let other = self
                .b
                .plane
                .values()
                .find(|o| o.install.inbound.spi == p.outbound.spi);
            let o = other.unwrap_or_else(|| panic!("no counterpart: {}", self.explain()));
            assert_eq!(o.install.outbound.spi, p.inbound.spi);
            assert!(
                o.install
                    .inbound
                    .encr_key
                    .ct_eq(p.outbound.encr_key.as_bytes())
            );
            assert!(
                o.install
                    .outbound
                    .encr_key
                    .ct_eq(p.inbound.encr_key.as_bytes())
            );
            assert_eq!(o.install.local_ts, p.remote_ts);
            assert_eq!(o.install.remote_ts, p.local_ts);
            assert!(pair.active && o.active, "{}", self.explain());
        }
        self.check_spis();
        self.check_nonces();
    }

    /// Every inbound SPI in use belongs to a child: none leaks.
    fn check_spis(&self) {
        for node in [&self.a, &self.b] {
            let held = node.endpoint.environment_ref().in_use.len();
            assert_eq!(
                held,
                node.plane.len(),
                "{}: SPIs leak: {}",
                node.name,
                self.explain()
            );
        }
    }

    /// No explicit IV of a counter cipher is used twice under one key, unless the message is the same bit by bit.
    pub(crate) fn check_nonces(&self) {
        let mut seen: BTreeMap<(u64, u64, bool, Vec<u8>), &Vec<u8>> = BTreeMap::new();
        for (_, data) in &self.transcript {
            let message = Message::parse(data).expect("what we send parses");
            let body = match message.payloads.last() {
                Some(Payload::Sk(sk)) => &sk.body,
                Some(Payload::Skf(skf)) => &skf.body,
                _ => continue,
            };
            let h = message.header;
            let iv = body.get(..8).unwrap_or(&[]).to_vec();
            if let Some(other) = seen.insert((h.spi_i, h.spi_r, h.initiator, iv), data) {
                assert_eq!(other, data, "{}: an IV for two messages", self.case);
            }
        }
    }

    /// No message ID was used for two different requests or two different responses of one IKE SA. First messages differ only
    /// by what the responder asked for: a cookie, a group.
    pub(crate) fn check_no_divergence(&self) {
        type Name = ((u64, u64), (bool, bool), u32, u16);
        let mut seen: BTreeMap<Name, &Vec<u8>> = BTreeMap::new();
        let mut first: BTreeMap<FirstMessage, &Vec<u8>> = BTreeMap::new();
        for (_, data) in &self.transcript {
            let message = Message::parse(data).expect("what we send parses");
            let h = message.header;
            let fragment = match message.payloads.last() {
                Some(Payload::Sk(_)) => 0,
                Some(Payload::Skf(skf)) => skf.number,
                // Answers without an SA ("no such SPI") have no state behind them.
                _ if h.exchange != ExchangeType::IkeSaInit => continue,
                _ => {
                    if let Some(other) = first.insert(first_message(&message), data) {
                        assert_eq!(other, data, "{}: a first message made twice", self.case);
                    }
                    continue;
                }
            };
            let (spis, flags) = ((h.spi_i, h.spi_r), (h.initiator, h.response));
            let name = (spis, flags, h.message_id, fragment);
            if let Some(other) = seen.insert(name, data) {
                assert_eq!(other, data, "{}: an ID for two messages", self.case);
            }
        }
    }

    pub(crate) fn explain(&self) -> String {
        let mut out = format!("{} at {:?}\n", self.case, self.now);
        for node in [&self.a, &self.b] {
            out += &format!("{}:\n", node.name);
            for s in node.endpoint.ike_sas() {
                out += &format!(
                    "  ike {:?} {:x} {:x} {} current {}\n",
                    s.ike, s.spi_i, s.spi_r, s.state, s.current
                );
            }
            for c in node.endpoint.child_sas() {
                out += &format!(
                    "  child {:?} in {:?} out {:?} live {} active {}\n",
                    c.child, c.spi_in, c.spi_out, c.live, c.active
                );
            }
            for (id, p) in &node.plane {
                out += &format!(
                    "  plane {:?} in {:?} out {:?} active {}\n",
                    id, p.install.inbound.spi, p.install.outbound.spi, p.active
                );
            }
            node.failures
                .iter()
                .for_each(|f| out += &format!("  failure: {f}\n"));
            for e in node
                .events
                .iter()
                .filter(|e| matches!(e, EventKind::IkeDown { .. }))
            {
                out += &format!("  {e:?}\n");
            }
            for (name, n) in node.endpoint.stats().rows().filter(|(_, n)| *n > 0) {
                out += &format!("  {name}: {n}\n");
            }
        }
        out
    }
}

/// What tells IKE_SA_INIT messages apart: SPIs, direction, notifications (cookies among them), group and nonce.
type FirstMessage = (u64, u64, bool, Vec<(u16, Vec<u8>)>, Option<u16>);

fn first_message(message: &Message) -> FirstMessage {
    let h = message.header;
    let notifies = message.payloads.iter().filter_map(|p| match p {
        Payload::Notify(n) => Some((n.kind, n.data.clone())),
        _ => None,
    });
    let group = message.payloads.iter().find_map(|p| match p {
        Payload::Ke(ke) => Some(ke.group),
        _ => None,
    });
    (h.spi_i, h.spi_r, h.response, notifies.collect(), group)
}

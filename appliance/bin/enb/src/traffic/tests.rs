//! Traffic beside a gateway of ours with a reflector behind it, in virtual time.

use std::time::Duration;

use ravelin_ike::EventKind;

use super::*;
use crate::fleet::tests::{World, arguments};
use crate::stamp;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The gateway's side of the child SAs, and the reflector.
struct Far {
    engine: Engine,
    pairs: Vec<Pair>,
    count: u32,
}

impl Far {
    /// Follows what the gateway said.
    fn heed(&mut self, told: impl Iterator<Item = EventKind>, now: Time) {
        for event in told {
            match event {
                EventKind::ChildInstall(install) => {
                    let pair = Pair::new(&mut self.engine, &install).unwrap();
                    self.pairs.push(pair);
                }
                EventKind::ChildRemove { child, linger_ms } => {
                    let linger = Duration::from_millis(linger_ms.into());
                    let old = self.pairs.iter_mut().find(|p| p.child == child).unwrap();
                    old.ends_at = Some(now + linger);
                }
                _ => {}
            }
        }
    }

    /// The answer to an ESP packet.
    fn reflect(&mut self, esp: &[u8], now: Time) -> Vec<u8> {
        let spi = EspHeader::parse(esp).unwrap().spi;
        let pair = self.pairs.iter_mut().find(|pair| pair.spi() == spi);
        let mut packet = MemoryBuf::new(esp);
        pair.unwrap().open(&mut self.engine, &mut packet).unwrap();
        let (from, to, payload) = flow::datagram(packet.data()).unwrap();
        let mut answer = payload.to_vec();
        assert!(stamp::reflect(&mut answer, now, |_| self.count));
        self.count += 1;
        let octets = packet.data().len() as u16;
        let mut back = Flow::new(to, from).next_packet(octets, now).unwrap();
        let at = usize::from(octets) - answer.len();
        back.data_mut()[at..].copy_from_slice(&answer);
        let serves = |pair: &&mut Pair| pair.active && pair.ends_at.is_none() && pair.carries(to);
        let pair = self.pairs.iter_mut().rev().find(serves).unwrap();
        pair.seal(&mut self.engine, &mut back).unwrap();
        back.data().to_vec()
    }
}

struct Site {
    world: World,
    traffic: Traffic,
    far: Far,
    arguments: Arguments,
}

impl Site {
    /// One eNodeB with both families, 1,000 packets per second of two flows each.
    fn new() -> Self {
        let load = Load {
            reflectors: ["198.51.100.10:862", "[2001:db8:b::10]:862"]
                .map(|r| r.parse().unwrap())
                .to_vec(),
            pps: 1000.0,
            flows: 2,
            sizes: vec![96, 1400],
        };
        let arguments = Arguments {
            count: 1,
            inner: ["10.0.0.1", "2001:db8:45::1"]
                .map(|a| a.parse().unwrap())
                .to_vec(),
            load: Some(load.clone()),
            ..arguments()
        };
        let mut site = Self {
            world: World::new(&arguments, "enb.example"),
            traffic: Traffic::new(&arguments, &load),
            far: Far {
                engine: Engine::new(MAX_KEYS),
                pairs: Vec::new(),
                count: 0,
            },
            arguments,
        };
        site.world.start_all();
        site.settle();
        site
    }

    fn settle(&mut self) {
        self.world.answer(true);
        self.world.run(true);
        let now = self.world.now;
        for (index, change) in self.world.fleet.take_changes() {
            self.traffic.apply(index, change, now);
        }
        self.far.heed(self.world.told.drain(..), now);
    }

    /// So many milliseconds with a packet each, of which those are lost that `lose` names by their place.
    fn run(&mut self, milliseconds: u64, lose: impl Fn(u64) -> bool) {
        for place in 0..milliseconds {
            let now = self.world.now;
            let mut sent = Vec::new();
            self.traffic.send(|| now, |_, esp| sent.push(esp.to_vec()));
            for esp in sent {
                let back = self.far.reflect(&esp, now);
                if lose(place) {
                    continue;
                }
                if let Some((index, child)) = self.traffic.receive(&back, now) {
                    self.world.fleet.used(index, child, now);
                }
            }
            self.world.now = now + MILLISECOND;
            self.world.fleet.handle_timeout(self.world.now);
            self.settle();
        }
    }

    fn summary(&self) -> serde_json::Value {
        Summary::new(&self.traffic, &self.arguments).json()
    }
}

#[test]
fn nothing_is_lost_while_either_side_rekeys() {
    let mut site = Site::new();
    assert_eq!(site.far.pairs.len(), 2, "a child SA for each family");
    let now = site.world.now;
    site.traffic.begin(now);
    site.run(50, |_| false);
    // The gateway rekeys both; the eNodeB's new ones stand by until the gateway is seen using them, or has deleted the old ones.
    for pair in site.far.pairs.iter().map(|pair| pair.child) {
        assert!(site.world.gateway.rekey_child(pair, now));
    }
    site.run(50, |_| false);
    assert_eq!(site.far.pairs.len(), 4);
    assert!(site.far.pairs[..2].iter().all(|p| p.ends_at.is_some()));
    site.run(2000, |_| false);
    site.traffic.end(site.world.now);
    let summary = site.summary();
    assert_eq!(summary["sent"], 2100, "{summary}");
    assert_eq!(
        (&summary["answered"], &summary["lost"]),
        (&2100.into(), &0.into())
    );
    assert_eq!(summary["not_sent"], 0, "{summary}");
    assert_eq!(summary["refused"], serde_json::json!({}), "{summary}");
    assert_eq!(summary["losers"], serde_json::json!([]), "{summary}");
}

#[test]
fn what_is_lost_is_told_with_its_enb() {
    let mut site = Site::new();
    site.traffic.begin(site.world.now);
    site.run(100, |place| place % 10 == 0);
    site.traffic.end(site.world.now);
    assert_eq!(site.traffic.unanswered(), 10);
    let summary = site.summary();
    assert_eq!(
        (&summary["sent"], &summary["answered"]),
        (&100.into(), &90.into())
    );
    let loser = &summary["losers"][0];
    assert_eq!(
        (&loser["enb"], &loser["lost"]),
        (&"enb-00001.enb.example".into(), &10.into())
    );
    // The flows take turns, and each has packets of all sizes; nobody has touched the order.
    assert_eq!(summary["reordered"], 0);
    let text = Summary::new(&site.traffic, &site.arguments).text();
    assert!(
        text.contains("enb-00001.enb.example lost 10 of 100"),
        "{text}"
    );
}

#[test]
fn packets_that_are_not_ours_are_refused_by_reason() {
    let mut site = Site::new();
    site.traffic.begin(site.world.now);
    let now = site.world.now;
    let mut sent = Vec::new();
    site.traffic.send(|| now, |_, esp| sent.push(esp.to_vec()));
    let back = site.far.reflect(&sent[0], now);
    let mut forged = back.clone();
    forged[20] ^= 1;
    let unknown = [&back[..3], &[back[3] ^ 0x80], &back[4..]].concat();
    for esp in [&forged[..], &back, &back, &unknown, &back[..7], &[]] {
        site.traffic.receive(esp, now);
    }
    let summary = site.summary();
    assert_eq!(
        (&summary["sent"], &summary["answered"]),
        (&1.into(), &1.into())
    );
    let refused = serde_json::json!({
        "integrity check failed": 1,
        "sequence number seen before": 1,
        "no SA of this SPI": 1,
    });
    assert_eq!(summary["refused"], refused);
}

#[test]
fn without_a_tunnel_nothing_is_sent() {
    let mut site = Site::new();
    site.traffic.begin(site.world.now);
    assert!(site.world.fleet.close(0, site.world.now));
    site.settle();
    let sent = site.summary()["sent"].clone();
    site.run(20, |_| false);
    let summary = site.summary();
    assert_eq!(summary["sent"], sent);
    assert_eq!(summary["not_sent"], 20);
}

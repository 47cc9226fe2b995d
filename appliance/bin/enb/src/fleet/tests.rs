//! A fleet beside a gateway of ours, in virtual time.

use super::*;
use crate::arguments::Arguments;
use crate::plan;
use ravelin_ike::config::{Gateway, RemotePeer, SelectorPair};
use ravelin_types::{Identity, SecretBytes, TrafficSelector};

const COUNT: u32 = 20;

struct World {
    fleet: Fleet,
    gateway: Endpoint<EnbEnvironment>,
    now: Time,
    /// Of the gateway.
    answered: usize,
}

fn arguments() -> Arguments {
    Arguments {
        gateway: "192.0.2.1".parse().unwrap(),
        local: vec!["192.0.2.10".parse().unwrap()],
        gateway_id: Some(Identity::Fqdn("secgw.example".into())),
        count: COUNT,
        ..Arguments::default()
    }
}

/// The mirror image of an eNodeB's.
fn gateway(enb: &Gateway, key: &[u8], suffix: &str) -> Config {
    let everything = TrafficSelector::any(false);
    let mut gateway = enb.clone();
    gateway.local_addresses = vec!["192.0.2.1".parse().unwrap()];
    gateway.remote = RemotePeer::HostnameSuffix(suffix.into());
    gateway.local_identity = Some(Identity::Fqdn("secgw.example".into()));
    gateway.keys = ravelin_ike::config::PreSharedKeys::shared(SecretBytes::new(key.to_vec()));
    gateway.vpns[0].selectors = vec![SelectorPair {
        local: everything,
        remote: everything,
    }];
    Config {
        gateways: [Arc::new(gateway)].into_iter().collect(),
        ..Config::default()
    }
}

impl World {
    fn new(arguments: &Arguments, suffix: &str) -> Self {
        let now = Time(1_000_000);
        let key = SecretBytes::new(b"a key".to_vec());
        let configs = (0..arguments.count).map(|index| plan::config(arguments, &key, index));
        let enb = plan::config(arguments, &key, 0);
        let config = gateway(&enb.gateways[0], b"a key", suffix);
        let environment = EnbEnvironment::new(0);
        Self {
            fleet: Fleet::new(configs, now).unwrap(),
            gateway: Endpoint::new(Arc::new(config), environment, now).unwrap(),
            now,
            answered: 0,
        }
    }

    /// Until nothing is under way; what the gateway sends arrives only if it is `heard`.
    fn run(&mut self, heard: bool) {
        loop {
            let sent: Vec<Transmit> = self.fleet.take_transmits().collect();
            if sent.is_empty() {
                return;
            }
            for t in sent {
                let datagram = Datagram {
                    vrf: t.vrf,
                    local: t.remote,
                    remote: t.local,
                    data: &t.data,
                };
                self.gateway.handle(self.now, &datagram);
                self.answer(heard);
            }
        }
    }

    fn answer(&mut self, heard: bool) {
        loop {
            while self.gateway.poll_record().is_some() {}
            while let Some(event) = self.gateway.poll_event() {
                if let EventKind::ChildInstall(install) = event.kind {
                    self.gateway.install_done(install.child, self.now);
                }
            }
            while let Some(t) = self.gateway.poll_transmit() {
                self.answered += 1;
                if heard {
                    self.fleet.handle(t.remote, t.local, &t.data, self.now);
                }
            }
            let Some(work) = self.gateway.poll_work() else {
                return;
            };
            let result = work.job.run(&NoAuthority);
            self.gateway.complete(self.now, work.id, result);
        }
    }

    fn start_all(&mut self) {
        for index in 0..self.fleet.len() {
            assert!(self.fleet.start(index, self.now));
        }
    }
}

#[test]
fn all_come_up_and_go_down_and_come_up_again() {
    let mut world = World::new(&arguments(), "enb.example");
    for round in 1..=2 {
        world.start_all();
        assert_eq!(world.fleet.standing().setting_up, COUNT as usize);
        world.run(true);
        let standing = world.fleet.standing();
        assert_eq!((standing.setting_up, standing.up), (0, COUNT as usize));
        assert!(!world.fleet.start(0, world.now), "it is up already");
        for index in 0..world.fleet.len() {
            assert!(world.fleet.close(index, world.now));
        }
        world.run(true);
        assert_eq!(world.fleet.standing(), Standing::default());
        let outcome = world.fleet.outcome();
        assert_eq!(outcome.deleted, u64::from(COUNT) * round);
        assert_eq!(outcome.latencies_us.len() as u64, outcome.deleted);
        assert_eq!((outcome.failed, outcome.lost), (0, 0));
    }
    assert_eq!(world.gateway.ike_sas().count(), 0);
}

#[test]
fn a_refusal_is_a_failure_with_its_reason() {
    let mut world = World::new(&arguments(), "elsewhere.example");
    world.start_all();
    world.run(true);
    let outcome = world.fleet.outcome();
    assert_eq!(outcome.failed, u64::from(COUNT));
    assert_eq!(world.fleet.standing(), Standing::default());
    let reason = "IKE_AUTH: the peer answered AUTHENTICATION_FAILED (24)".to_owned();
    let all = BTreeMap::from([(reason, u64::from(COUNT))]);
    assert_eq!(outcome.reasons, all);
}

#[test]
fn a_silent_gateway_is_given_up() {
    let mut world = World::new(&arguments(), "enb.example");
    world.start_all();
    world.run(false);
    let mut sent = 0;
    while let Some(at) = world.fleet.next_timeout() {
        world.now = world.now.max(at);
        world.fleet.handle_timeout(world.now);
        sent += world.fleet.take_transmits().count();
    }
    assert!(sent > COUNT as usize, "requests are sent again");
    let outcome = world.fleet.outcome();
    assert_eq!(outcome.failed, u64::from(COUNT));
    assert_eq!(outcome.reasons.values().sum::<u64>(), outcome.failed);
    assert_eq!(world.fleet.standing(), Standing::default());
}

#[test]
fn what_is_for_nobody_is_counted() {
    let mut world = World::new(&arguments(), "enb.example");
    let (a, b) = (
        "192.0.2.10:500".parse().unwrap(),
        "192.0.2.1:500".parse().unwrap(),
    );
    for octets in [&[][..], &[0; 28], &[0xff; 28]] {
        world.fleet.handle(a, b, octets, world.now);
    }
    assert_eq!(world.fleet.outcome().stray, 3);
}

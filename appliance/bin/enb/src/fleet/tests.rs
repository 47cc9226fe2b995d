//! A fleet beside a gateway of ours, in virtual time.

use super::*;
use crate::arguments::Arguments;
use crate::plan;
use crate::proof::{Proof, Proofs};
use ravelin_ike::config::{Gateway, RemotePeer, SelectorPair};
use ravelin_pki::WallTime;
use ravelin_pki::testca::{Contents, Hierarchy, KeyKind};
use ravelin_types::{Identity, TrafficSelector};
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;

const COUNT: u32 = 20;

/// eNodeBs and their gateway.
pub struct World {
    _files: TempDir,
    pub fleet: Fleet,
    pub gateway: Endpoint<EnbEnvironment>,
    authority: Arc<dyn Authority>,
    pub now: Time,
    /// Of the gateway.
    answered: usize,
    /// What the gateway told of its child SAs.
    pub told: Vec<EventKind>,
}

/// Twenty eNodeBs.
pub fn arguments() -> Arguments {
    Arguments {
        gateway: "192.0.2.1".parse().unwrap(),
        local: vec!["192.0.2.10".parse().unwrap()],
        gateway_id: Some(Identity::Fqdn("gw1.enb.example".into())),
        count: COUNT,
        ..Arguments::default()
    }
}

/// The mirror image of an eNodeB's.
fn gateway(enb: &Gateway, proof: Proof, suffix: &str) -> Config {
    let everything = |ipv6| {
        let [local, remote] = [TrafficSelector::any(ipv6); 2];
        SelectorPair { local, remote }
    };
    let mut gateway = enb.clone();
    gateway.local_addresses = vec!["192.0.2.1".parse().unwrap()];
    gateway.remote_addresses = None;
    gateway.remote = RemotePeer::HostnameSuffix(suffix.into());
    gateway.local_identity = Some(Identity::Fqdn("gw1.enb.example".into()));
    (gateway.local_proof, gateway.peer_proof) = (proof.local, proof.peer);
    gateway.vpns[0].selectors = [false, true].map(everything).to_vec();
    Config {
        gateways: [Arc::new(gateway)].into_iter().collect(),
        ..Config::default()
    }
}

impl World {
    /// By a pre-shared key; the gateway takes names that end so.
    pub fn new(arguments: &Arguments, suffix: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let psk = files.path().join("key");
        std::fs::write(&psk, "a key\n").unwrap();
        let arguments = Arguments {
            psk_file: Some(psk),
            ..arguments.clone()
        };
        Self::proved(files, &arguments, &arguments, suffix)
    }

    /// With the files of the eNodeBs and of the gateway.
    fn proved(files: TempDir, enbs: &Arguments, theirs: &Arguments, suffix: &str) -> Self {
        let now = Time(1_000_000);
        let mut proofs = Proofs::new(enbs).unwrap();
        let members = (0..enbs.count).map(|index| {
            let proof = proofs.of(plan::number(enbs, index)).unwrap();
            (plan::config(enbs, &proof, index), proof.authority)
        });
        let members: Vec<_> = members.collect();
        let proof = Proofs::new(theirs).unwrap().of(1).unwrap();
        let authority = Arc::clone(&proof.authority);
        let config = gateway(&members[0].0.gateways[0], proof, suffix);
        let environment = EnbEnvironment::new(0);
        Self {
            _files: files,
            fleet: Fleet::new(members, now).unwrap(),
            gateway: Endpoint::new(Arc::new(config), environment, now).unwrap(),
            authority,
            now,
            answered: 0,
            told: Vec::new(),
        }
    }

    /// Until nothing is under way; what the gateway sends arrives only if it is `heard`.
    pub fn run(&mut self, heard: bool) {
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

    pub fn answer(&mut self, heard: bool) {
        loop {
            while self.gateway.poll_record().is_some() {}
            while let Some(event) = self.gateway.poll_event() {
                if let EventKind::ChildInstall(install) = &event.kind {
                    self.gateway.install_done(install.child, self.now);
                }
                self.told.push(event.kind);
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
            let result = work.job.run(&*self.authority);
            self.gateway.complete(self.now, work.id, result);
        }
    }

    /// Begins all set-ups.
    pub fn start_all(&mut self) {
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

/// What the test CA gives the eNodeBs and the gateway.
fn certified(folder: &Path) -> [Arguments; 2] {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = WallTime(since.as_secs() as i64);
    let ca = Hierarchy::new(KeyKind::P256, now, "enb.example").unwrap();
    let contents = Contents {
        gateways: 1,
        fleet: COUNT,
        ..Contents::default()
    };
    ca.write(folder, &contents).unwrap();
    let file = |name: &str| format!("{}/{name}", folder.display());
    let with = |name: &str, key: &str| Arguments {
        certificate: Some([file(&format!("{name}.pem")), file(&format!("{key}.key"))]),
        ca: Some(file("root.pem").into()),
        ..arguments()
    };
    [with("enb-{}", "fleet"), with("gw1", "gw1")]
}

#[test]
fn both_sides_prove_themselves_by_certificates() {
    let files = tempfile::tempdir().unwrap();
    let [enbs, gateway] = certified(files.path());
    let mut world = World::proved(files, &enbs, &gateway, "enb.example");
    world.start_all();
    world.run(true);
    assert_eq!(
        world.fleet.standing().up,
        COUNT as usize,
        "{:?}",
        world.fleet.outcome()
    );
}

#[test]
fn a_certificate_of_another_and_files_that_do_not_fit_are_told() {
    let files = tempfile::tempdir().unwrap();
    let [enbs, mut gateway] = certified(files.path());
    let path = |name: &str| files.path().join(name).display().to_string();
    let complaint = |certificate, key| {
        let arguments = Arguments {
            certificate: Some([certificate, key]),
            ..enbs.clone()
        };
        let proof = Proofs::new(&arguments).unwrap().of(1);
        proof.err().unwrap().to_string()
    };
    let text = complaint(path("gw1.pem"), path("fleet.key"));
    let wanted = "gw1.pem: the first certificate does not belong to the key in";
    assert!(
        text.contains(wanted) && text.ends_with("fleet.key"),
        "{text}"
    );
    let text = complaint(path("gw1.key"), path("gw1.key"));
    assert!(text.contains("gw1.key: "), "{text}");
    assert!(complaint(path("none.pem"), path("gw1.key")).contains("none.pem: "));
    gateway.certificate = enbs.certificate.clone();
    let mut world = World::proved(files, &enbs, &gateway, "enb.example");
    world.start_all();
    world.run(true);
    let outcome = world.fleet.outcome();
    assert_eq!(outcome.failed, u64::from(COUNT));
    let reasons: Vec<_> = outcome.reasons.keys().collect();
    assert!(reasons[0].contains("does not speak for"), "{reasons:?}");
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

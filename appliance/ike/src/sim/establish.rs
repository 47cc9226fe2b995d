//! Set-up: suites, cookies, groups, identities, keys, selectors, NAT, bad links.

use std::time::Duration;

use proptest::prelude::*;
use ravelin_types::{DhGroup, SecretBytes};

use super::world::Side;
use super::*;
use crate::event::EventKind;
use crate::{Count, Reason};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_static_peer_connects_and_both_agree() {
    let mut w = world(1);
    w.establish();
    let a = w.a.up().remove(0);
    assert_eq!(a.peer, Some(fqdn("segw.example")));
    let b = w.b.up().remove(0);
    assert_eq!(
        (b.peer, b.gateway.as_deref()),
        (Some(fqdn("enb1.ran.example")), Some("enbs"))
    );
    let pair = w.b.plane.values().next().unwrap();
    assert_eq!(pair.install.local_ts, vec![ts("10.0.0.0/8")]);
    assert_eq!(pair.install.remote_ts, vec![ts("172.16.1.0/24")]);
    assert_eq!(pair.install.outer.udp, None);
    assert_eq!(w.b.endpoint.half_open(), 0);
}

#[test]
fn a_commit_during_the_set_up_makes_no_second_child() {
    for milliseconds in 0..40 {
        let mut w = world(40);
        w.pump();
        w.run_for(Duration::from_millis(milliseconds));
        let (config, now) = (Arc::clone(&w.configs[0]), w.now);
        w.a.endpoint.set_config(config, now);
        w.pump();
        assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
        w.run_for(Duration::from_secs(1));
        w.check_agreement();
        assert_eq!(w.a.plane.len(), 1, "after {milliseconds} ms");
    }
}

/// Each algorithm once, with a rekey of the IKE SA, whose keys come from the old one's function.
#[test]
fn every_suite_comes_up_and_is_rekeyed() {
    // Two groups cost a second each in an unoptimised run; their arithmetic has tests of its own.
    let slow = [DhGroup::Modp6144, DhGroup::Modp8192];
    let groups = DhGroup::ALL.iter().filter(|dh| !slow.contains(dh));
    let groups = groups.map(|dh| ike_proposal(*dh));
    let ciphers = IkeEncr::ALL.iter().map(|encr| {
        let integ = (!encr.is_aead()).then_some(IkeInteg::HmacSha256_128);
        proposal(*encr, integ, Prf::HmacSha256, DhGroup::Curve25519)
    });
    let codes = IkeInteg::ALL.iter().map(|integ| {
        let encr = IkeEncr::Aes128Cbc;
        proposal(encr, Some(*integ), integ.prf(), DhGroup::Curve25519)
    });
    for (seed, suite) in (2..).zip(groups.chain(ciphers).chain(codes)) {
        let (mut a, mut b) = (peer(), gateway());
        a.proposals = vec![suite];
        b.proposals = vec![cbc_proposal(), suite];
        let mut w = World::new(seed, config(a), config(b));
        w.establish();
        assert_eq!(w.b.up()[0].suite, Some(suite.suite));
        let (ike, now) = (w.a.up()[0].ike, w.now);
        assert!(w.a.endpoint.rekey_ike(ike, now));
        w.pump();
        w.run_for(Duration::from_secs(2));
        assert_ne!(w.a.up()[0].ike, ike, "{} was not rekeyed", suite.suite);
        w.check_agreement();
    }
}

#[test]
fn another_group_is_asked_for() {
    let (mut a, mut b) = (peer(), gateway());
    a.proposals = vec![ike_proposal(DhGroup::Ecp256), ike_proposal(DhGroup::Ecp384)];
    b.proposals = vec![ike_proposal(DhGroup::Ecp384)];
    let mut w = World::new(4, config(a), config(b));
    w.establish();
    assert_eq!(w.b.count(Count::InvalidKe), 1);
    assert_eq!(w.a.up()[0].suite.unwrap().dh(), DhGroup::Ecp384);
}

#[test]
fn cookies_are_asked_for_above_the_threshold_and_given_back() {
    let mut b = config(gateway());
    Arc::get_mut(&mut b).unwrap().limits.cookie_threshold = 0;
    let mut w = World::new(5, config(peer()), b);
    w.establish();
    assert_eq!(
        (w.b.count(Count::CookieSent), w.b.count(Count::CookieWrong)),
        (1, 0)
    );
    assert_eq!(w.b.count(Count::InitAnswered), 1);
}

#[test]
fn cookie_and_another_group_together() {
    let (mut a, mut b) = (peer(), gateway());
    a.proposals = vec![ike_proposal(DhGroup::Ecp256), ike_proposal(DhGroup::Ecp384)];
    b.proposals = vec![ike_proposal(DhGroup::Ecp384)];
    let mut b = config(b);
    Arc::get_mut(&mut b).unwrap().limits.cookie_threshold = 0;
    let mut w = World::new(6, config(a), b);
    w.establish();
}

#[test]
fn a_wrong_key_fails_and_says_so() {
    let mut a = peer();
    a.keys = PreSharedKeys::shared(SecretBytes::new(b"another".to_vec()));
    let mut w = World::new(7, config(a), config(gateway()));
    w.run_for(Duration::from_secs(3));
    assert!(w.b.up().is_empty() && w.b.plane.is_empty() && w.a.plane.is_empty());
    assert!(w.b.failures.iter().all(|f| f.reason == Reason::WrongKey));
    let line = w.b.failures[0].to_string();
    assert_eq!(
        line,
        "192.0.2.1:500 (enb1.ran.example) IKE_AUTH: authentication failed: the pre-shared keys differ"
    );
    let line = w.a.failures[0].to_string();
    assert!(
        line.ends_with("IKE_AUTH: the peer answered AUTHENTICATION_FAILED (24)"),
        "{line}"
    );
    w.configs[0] = config(peer());
    w.a.endpoint.set_config(config(peer()), w.now);
    assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
    w.run_for(MINUTE);
    assert_eq!(w.b.endpoint.half_open(), 0);
    assert_eq!(w.b.journal.len(), 2, "one session and the endpoint");
}

#[test]
fn a_wrong_identity_is_named_at_both_ends() {
    let mut a = peer();
    a.local_identity = Some(fqdn("enb1.lab.example"));
    let mut w = World::new(8, config(a), config(gateway()));
    w.run_for(Duration::from_secs(2));
    let line = w.b.failures[0].to_string();
    assert!(
        line.contains("identity enb1.lab.example is not accepted: *.ran.example"),
        "{line}"
    );
    let mut a = peer();
    a.remote = RemotePeer::Identities(vec![fqdn("other.example")]);
    let mut w = World::new(9, config(a), config(gateway()));
    w.run_for(Duration::from_secs(2));
    let line = w.a.failures[0].to_string();
    assert!(
        line.contains("identity segw.example is not accepted: other.example"),
        "{line}"
    );
    w.run_for(Duration::from_millis(500));
    assert!(
        w.b.plane.is_empty(),
        "the responder is told: {}",
        w.explain()
    );
}

#[test]
fn no_common_proposal_names_the_transform() {
    let mut a = peer();
    a.proposals = vec![ike_proposal(DhGroup::Modp2048)];
    let mut w = World::new(10, config(a), config(gateway()));
    w.run_for(Duration::from_secs(2));
    let line = w.b.failures[0].to_string();
    let wanted = "IKE_SA_INIT: no proposal chosen: key exchange group: offered MODP_2048; accepted CURVE_25519";
    assert!(line.ends_with(wanted), "{line}");
    assert_eq!(w.b.endpoint.half_open(), 0);
}

#[test]
fn a_child_that_cannot_be_agreed_on_leaves_the_ike_sa_up() {
    let mut a = peer();
    a.vpns[0].selectors = vec![SelectorPair {
        local: ts("192.168.0.0/16"),
        remote: ts("10.0.0.0/8"),
    }];
    let mut w = World::new(11, config(a), config(gateway()));
    w.run_for(Duration::from_secs(2));
    assert_eq!((w.a.up().len(), w.b.up().len(), w.b.plane.len()), (1, 1, 0));
    let line = w.b.failures[0].to_string();
    let wanted = "offered 10.0.0.0/8 === 192.168.0.0/16, accepted 10.0.0.0/8 === 172.16.0.0/12";
    assert!(line.ends_with(wanted), "{line}");
    let mut a = peer();
    a.vpns[0].proposals[0].transform = ravelin_types::EspTransform::AES_128_GCM;
    let mut w = World::new(12, config(a), config(gateway()));
    w.run_for(Duration::from_secs(2));
    assert_eq!((w.a.up().len(), w.b.plane.len()), (1, 0));
    let line = w.b.failures[0].to_string();
    assert!(
        line.contains("encryption: offered AES_GCM_16_128; accepted AES_GCM_16_256"),
        "{line}"
    );
}

#[test]
fn several_children_come_up() {
    let mut a = peer();
    a.vpns[0].selectors.push(SelectorPair {
        local: ts("172.16.2.0/24"),
        remote: ts("10.1.0.0/16"),
    });
    let mut w = World::new(13, config(a), config(gateway()));
    w.establish();
    assert!(w.run_until(MINUTE, |w| w.a.plane.len() == 2 && w.b.plane.len() == 2));
    w.run_for(Duration::from_millis(100));
    w.check_agreement();
}

#[test]
fn a_nat_moves_the_peer_to_port_4500_and_answers_mirror_its_ports() {
    let mut w = world(14);
    w.link.nat = Some((address(77), 1000));
    w.establish();
    let pair = &w.b.plane.values().next().unwrap().install;
    assert_eq!(pair.outer.udp, Some((4500, 5500)));
    assert_eq!(pair.outer.remote, address(77).ip());
    assert_eq!(
        w.a.plane.values().next().unwrap().install.outer.udp,
        Some((4500, 4500))
    );
    // The NAT forgets its binding: the next authentic message moves the peer.
    w.link.nat = Some((address(78), 2000));
    w.run_for(MINUTE);
    let moved = w.b.events.iter().any(
        |e| matches!(e, EventKind::PeerMoved { outer, .. } if outer.udp == Some((4500, 6500)) && outer.remote == address(78).ip()),
    );
    assert!(moved, "{}", w.explain());
    w.check_agreement();
}

#[test]
fn without_a_nat_the_peer_is_not_moved() {
    let mut w = world(15);
    w.establish();
    w.link.nat = Some((address(78), 0));
    w.run_for(Duration::from_secs(30));
    assert!(
        !w.b.events
            .iter()
            .any(|e| matches!(e, EventKind::PeerMoved { .. }))
    );
}

#[test]
fn a_data_plane_that_refuses_gets_the_child_deleted() {
    let mut w = world(16);
    w.b.refuse_installs = true;
    w.run_for(Duration::from_millis(500));
    assert!(w.a.plane.is_empty(), "{}", w.explain());
    assert_eq!(w.a.up().len(), 1);
    let said =
        w.b.failures
            .iter()
            .map(|f| f.reason.to_string())
            .collect::<Vec<_>>();
    let pair = "the pair 10.0.0.0/8 === 172.16.1.0/24 of vpn ran";
    assert_eq!(
        said[0],
        format!("{pair} could not be installed: a table is full")
    );
}

#[test]
fn a_new_contact_replaces_the_old_session() {
    let mut w = world(17);
    w.establish();
    let old = *w.b.plane.keys().next().unwrap();
    let fresh = Node::new("A", 4711, config(peer()));
    w.a = fresh;
    w.establish();
    assert_eq!(w.b.downs(), [crate::DownReason::InitialContact]);
    assert!(!w.b.plane.contains_key(&old));
}

#[test]
fn a_repeated_first_message_gets_the_same_answer_and_state_is_bounded() {
    let mut w = world(18);
    w.filter = Some(Box::new(|side, m| side == Side::B && m.sk().is_none()));
    w.run_for(Duration::from_secs(8));
    let answers: Vec<_> = w
        .transcript
        .iter()
        .filter(|(side, _)| *side == Side::B)
        .map(|(_, d)| d)
        .collect();
    assert!(answers.len() >= 4 && answers.iter().all(|d| *d == answers[0]));
    assert_eq!(w.b.endpoint.half_open(), 1);
    w.link.cut = true;
    w.run_for(MINUTE * 2);
    assert_eq!(w.b.endpoint.half_open(), 0);
    assert_eq!(w.b.journal.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bad_links_only_delay(seed in 0u64..1_000_000, pfs in any::<bool>()) {
        let (mut a, mut b) = (peer(), gateway());
        if pfs {
            a.vpns[0].pfs = Some(DhGroup::Ecp256);
            b.vpns[0].pfs = Some(DhGroup::Ecp256);
        }
        a.vpns[0].selectors.push(SelectorPair { local: ts("172.16.2.0/24"), remote: ts("10.1.0.0/16") });
        let mut w = World::new(seed, config(a), config(b));
        w.link = Link::BAD;
        let up = w.run_until(MINUTE * 5, |w| w.is_up() && w.a.plane.len() == 2 && w.b.plane.len() == 2);
        prop_assert!(up, "{}", w.explain());
        w.link = Link::GOOD;
        w.run_for(MINUTE * 3);
        w.check_agreement();
        w.check_no_divergence();
    }
}

#[test]
fn both_sides_may_connect_at_once_and_do_not_end_each_other() {
    let mut b = peer();
    b.name = "enb1".into();
    b.local_addresses = vec![address(2).ip()];
    b.local_identity = Some(fqdn("segw.example"));
    b.remote_addresses = Some(vec![address(1).ip()]);
    b.remote = RemotePeer::Identities(vec![fqdn("enb1.ran.example")]);
    b.vpns[0].selectors = vec![SelectorPair {
        local: ts("10.0.0.0/8"),
        remote: ts("172.16.1.0/24"),
    }];
    let mut w = World::new(19, config(peer()), config(b));
    w.run_for(MINUTE * 3);
    assert!((1..=2).contains(&w.a.up().len()), "{}", w.explain());
    assert_eq!(w.a.up().len(), w.b.up().len(), "{}", w.explain());
    assert!(w.a.plane.values().any(|p| p.active) && w.b.plane.values().any(|p| p.active));
    assert!(
        w.a.failures.is_empty() && w.b.failures.is_empty(),
        "{}",
        w.explain()
    );
}

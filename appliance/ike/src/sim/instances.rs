//! Routing instances: the same addresses in two of them are two places, and nothing of one gets into the other.

use std::collections::BTreeSet;
use std::time::Duration;

use super::world::Side;
use super::*;
use crate::event::{DownReason, EventKind};
use crate::msg::notify::kind;
use crate::msg::{ExchangeType, Message, Payload};
use crate::stats::Discard;
use crate::{Count, Reason};

const INSTANCES: [u16; 2] = [1, 2];

/// The gateway of an instance, as B has it: with a key, a VPN and networks of its own.
fn gateway_in(instance: u16) -> Gateway {
    let mut vpn = vpn();
    vpn.name = format!("ran-{instance}");
    vpn.selectors = vec![SelectorPair {
        local: ts(&format!("10.{instance}.0.0/16")),
        remote: ts("172.16.0.0/12"),
    }];
    Gateway {
        name: format!("enbs-{instance}"),
        vrf: VrfId(instance),
        keys: key(instance),
        vpns: vec![vpn],
        ..gateway()
    }
}

/// Its only peer, with the addresses and the name of the one in the other instance.
fn peer_in(instance: u16) -> Gateway {
    Gateway {
        name: format!("segw-{instance}"),
        vrf: VrfId(instance),
        keys: key(instance),
        ..peer()
    }
}

fn key(instance: u16) -> PreSharedKeys {
    let key = format!("the key of instance {instance}");
    PreSharedKeys::shared(SecretBytes::new(key.into_bytes()))
}

fn both(gateway: fn(u16) -> Gateway, limits: Limits) -> Arc<Config> {
    let gateways = INSTANCES.map(gateway).map(Arc::new);
    Arc::new(Config {
        gateways: gateways.into_iter().collect(),
        limits,
    })
}

fn two() -> World {
    let (a, b) = (peer_in as fn(u16) -> _, gateway_in as fn(u16) -> _);
    World::new(1, both(a, Limits::default()), both(b, Limits::default()))
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Each instance has its session and its pair at both ends, with its own gateway, VPN and networks.
fn check(w: &World) {
    for (node, names) in [(&w.a, "segw"), (&w.b, "enbs")] {
        let sessions: BTreeSet<_> = (node.up().into_iter())
            .map(|s| (s.vrf.0, s.gateway.unwrap().to_string()))
            .collect();
        let expected = INSTANCES.map(|n| (n, format!("{names}-{n}")));
        assert_eq!(sessions, expected.into(), "{}", w.explain());
        assert_eq!(node.plane.len(), 2, "{}", w.explain());
        for pair in node.plane.values() {
            let install = &pair.install;
            let instance = install.outer.vrf.0;
            assert_eq!(*install.gateway, format!("{names}-{instance}"));
            let network = [ts(&format!("10.{instance}.0.0/16"))];
            let (ours, theirs) = (&install.local_ts, &install.remote_ts);
            let core = if names == "enbs" { ours } else { theirs };
            assert_eq!(core[..], network, "{}", w.explain());
        }
    }
}

#[test]
fn one_peer_address_in_two_instances_is_two_peers() {
    let mut w = two();
    w.run_for(seconds(5));
    check(&w);
    assert!(w.b.failures.is_empty(), "{:?}", w.b.failures);
    // Rekeys, probes and restarts stay in their instances.
    for side in [Side::A, Side::B] {
        w.crash(side);
        w.run_for(seconds(30));
        check(&w);
        let now = w.now;
        let ikes: Vec<_> = w.node(side).up().into_iter().map(|s| s.ike).collect();
        for ike in ikes {
            assert!(w.node(side).endpoint.rekey_ike(ike, now));
        }
        w.pump();
        w.run_for(seconds(60));
        check(&w);
    }
    assert!(w.a.all_downs.is_empty() && w.b.all_downs.is_empty());
}

#[test]
fn a_message_in_another_instance_is_nothing_for_a_session() {
    let mut w = two();
    w.run_for(seconds(5));
    let sent = |w: &World| w.transcript.len();
    let session = w.a.up().into_iter().find(|s| s.vrf == VrfId(1)).unwrap();
    let before = sent(&w);
    w.a.endpoint.close(session.session, w.now);
    w.pump();
    let (_, delete) = w.transcript[before].clone();
    let ends = (address(1), address(2));
    let wrong = w.b.endpoint.stats().discarded(Discard::WrongInstance);
    w.inject_into(VrfId(2), Side::B, ends, &delete);
    assert_eq!(
        w.b.endpoint.stats().discarded(Discard::WrongInstance),
        wrong + 1
    );
    assert_eq!(w.b.up().len(), 2);
    // In its own it ends the session, and the answer is repeated there only.
    w.run_for(seconds(1));
    assert_eq!(w.b.all_downs, [DownReason::PeerDeleted], "{}", w.explain());
    let answered = w.b.count(Count::Repeated);
    w.inject_into(VrfId(2), Side::B, ends, &delete);
    assert_eq!(w.b.count(Count::Repeated), answered);
    w.inject_into(VrfId(1), Side::B, ends, &delete);
    assert_eq!(w.b.count(Count::Repeated), answered + 1);
}

/// The first message that A sends; it gets lost.
fn first_message(w: &mut World) -> Vec<u8> {
    w.link.cut = true;
    w.run_for(Duration::from_millis(1));
    w.transcript[0].1.clone()
}

#[test]
fn the_same_first_message_in_two_instances_is_two_set_ups() {
    let mut w = two();
    let data = first_message(&mut w);
    let ends = (address(1), address(2));
    for instance in [1, 2, 1, 2] {
        w.inject_into(VrfId(instance), Side::B, ends, &data);
    }
    assert_eq!(w.b.endpoint.ike_sas().count(), 2);
    let instances: BTreeSet<_> = w.b.endpoint.ike_sas().map(|s| s.vrf.0).collect();
    assert_eq!(instances, INSTANCES.into());
    // As before a restart, so after it.
    w.crash(Side::B);
    for instance in [1, 2] {
        w.inject_into(VrfId(instance), Side::B, ends, &data);
    }
    assert_eq!(w.b.endpoint.ike_sas().count(), 2);
    // An instance without a gateway for the peer tells where it failed.
    w.inject_into(VrfId(3), Side::B, ends, &data);
    let failure = w.b.failures.last().unwrap();
    assert_eq!(failure.vrf, VrfId(3));
    assert!(matches!(failure.reason, Reason::NoGateway(_)));
}

#[test]
fn a_cookie_is_good_in_its_instance_only() {
    let wary = Limits {
        cookie_threshold: 0,
        ..Limits::default()
    };
    let mut w = World::new(1, both(peer_in, Limits::default()), both(gateway_in, wary));
    let ends = (address(1), address(2));
    let data = first_message(&mut w);
    w.inject_into(VrfId(1), Side::B, ends, &data);
    let (_, answer) = w.transcript.last().unwrap();
    let message = Message::parse(answer).unwrap();
    let [Payload::Notify(cookie)] = &message.payloads[..] else {
        panic!("{message:?}");
    };
    assert_eq!(
        (message.header.exchange, cookie.kind),
        (ExchangeType::IkeSaInit, kind::COOKIE)
    );
    let mut again = Message::parse(&data).unwrap();
    again.payloads.insert(0, Payload::Notify(cookie.clone()));
    let again = again.emit();
    w.inject_into(VrfId(2), Side::B, ends, &again);
    assert_eq!(w.b.count(Count::CookieWrong), 1);
    assert_eq!(w.b.endpoint.ike_sas().count(), 0);
    w.inject_into(VrfId(1), Side::B, ends, &again);
    assert_eq!(w.b.endpoint.ike_sas().count(), 1);
}

#[test]
fn a_gateway_that_goes_to_another_instance_leaves_its_sessions() {
    let mut w = two();
    w.run_for(seconds(5));
    let mut moved = gateway_in(2);
    moved.vrf = VrfId(3);
    let gateways = [gateway_in(1), moved].map(Arc::new);
    let config = Arc::new(Config {
        gateways: gateways.into_iter().collect(),
        limits: Limits::default(),
    });
    let now = w.now;
    w.b.endpoint.set_config(config, now);
    w.pump();
    let down = |e: &EventKind| matches!(e, EventKind::IkeDown { vrf: VrfId(2), .. });
    assert_eq!(w.b.events.iter().filter(|e| down(e)).count(), 1);
    let left: Vec<_> = w.b.up().into_iter().map(|s| s.vrf.0).collect();
    assert_eq!(left, [1]);
}

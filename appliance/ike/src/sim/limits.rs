//! Limits of connections, and children that nobody uses.

use std::time::Duration;

use super::*;
use crate::config::ConnectionLimits;
use crate::event::EventKind;
use crate::{Count, DownReason};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A peer of another name at the same address, in a gateway of its own.
fn cell(n: u8) -> Gateway {
    Gateway {
        name: format!("cell{n}"),
        local_identity: Some(fqdn(&format!("cell{n}.ran.example"))),
        ..peer()
    }
}

/// Three cells of one address, of which the gateway takes so many.
fn three(limits: ConnectionLimits) -> World {
    let all = [cell(1), cell(2), cell(3)].map(Arc::new);
    let a = Arc::new(Config {
        gateways: all.into_iter().collect(),
        limits: Limits::default(),
    });
    let mut b = gateway();
    b.connections = limits;
    let mut w = World::new(1, a, config(b));
    w.run_for(seconds(30));
    w
}

#[test]
fn a_gateway_takes_no_more_peers_than_its_limit_and_says_so() {
    let all = ConnectionLimits {
        all: Some(2),
        per_address: None,
    };
    let per_address = ConnectionLimits {
        all: None,
        per_address: Some(2),
    };
    for (limits, text) in [
        (all, "gateway enbs has 2 connections already, its limit"),
        (
            per_address,
            "gateway enbs has 2 connections of 192.0.2.1 already, its limit",
        ),
    ] {
        let mut w = three(limits);
        assert_eq!(w.b.up().len(), 2);
        let told =
            |e: &EventKind| matches!(e, EventKind::Failure(f) if f.reason.to_string() == text);
        assert!(w.b.events.iter().any(told), "{}", w.explain());
        // When one goes, the third comes.
        let session = w.b.up()[0].session;
        let now = w.now;
        w.a.endpoint.set_config(
            Arc::new(Config {
                gateways: [cell(2), cell(3)].map(Arc::new).into_iter().collect(),
                limits: Limits::default(),
            }),
            now,
        );
        w.b.endpoint.close(session, now);
        w.pump();
        w.run_for(seconds(200));
        assert_eq!(w.b.up().len(), 2, "{}", w.explain());
    }
    let w = three(ConnectionLimits::default());
    assert_eq!(w.b.up().len(), 3);
}

#[test]
fn a_peer_that_comes_again_at_the_limit_takes_the_place_of_itself() {
    let (a, mut b) = (peer(), gateway());
    b.connections.all = Some(1);
    let mut w = World::new(2, config(a), config(b));
    w.establish();
    let old = w.b.up()[0].session;
    // It has lost everything, and does not say that this is its first contact.
    w.a = Node::new("A", 77, config(peer()));
    w.run_for(seconds(6));
    let up = w.b.up();
    assert_eq!(up.len(), 1, "{}", w.explain());
    assert_ne!(up[0].session, old);
    assert_eq!(w.b.count(Count::AuthFailed), 0);
}

#[test]
fn a_child_that_nobody_uses_ends_and_with_the_last_one_the_session() {
    let (mut a, mut b) = (peer(), gateway());
    a.vpns[0].establish_immediately = false;
    (a.dpd, b.dpd) = (None, None);
    b.vpns[0].idle = Some(seconds(60));
    let mut w = World::new(3, config(a), config(b));
    let now = w.now;
    assert!(w.a.endpoint.initiate("segw", None, now));
    w.pump();
    w.run_for(seconds(1));
    assert!(w.is_up());
    let child = [*w.b.plane.keys().next().unwrap()];
    for _ in 0..30 {
        w.run_for(seconds(20));
        let now = w.now;
        w.b.endpoint.children_alive(&child, now);
        w.run_for(seconds(35));
        let now = w.now;
        w.b.endpoint.children_sent(&child, now);
    }
    assert!(w.is_up(), "it is in use");
    w.run_for(seconds(59));
    assert!(w.is_up(), "{}", w.explain());
    w.run_for(seconds(3));
    assert!(w.b.up().is_empty() && w.b.plane.is_empty());
    assert_eq!(w.b.downs(), [DownReason::Idle]);
    assert_eq!(w.a.downs(), [DownReason::PeerDeleted]);
}

#[test]
fn a_rekey_is_no_use() {
    let (mut a, mut b) = (peer(), gateway());
    a.vpns[0].establish_immediately = false;
    b.vpns[0].idle = Some(seconds(60));
    let mut w = World::new(5, config(a), config(b));
    let now = w.now;
    w.a.endpoint.initiate("segw", None, now);
    w.pump();
    w.run_for(seconds(40));
    let child = *w.b.plane.keys().next().unwrap();
    let now = w.now;
    w.b.endpoint.rekey_child(child, now);
    w.pump();
    w.run_for(seconds(18));
    assert!(w.is_up() && !w.b.plane.contains_key(&child));
    w.run_for(seconds(4));
    assert_eq!(w.b.downs(), [DownReason::Idle]);
}

#[test]
fn neither_a_restart_nor_a_deaf_data_plane_is_taken_for_idleness() {
    let (mut a, mut b) = (peer(), gateway());
    a.vpns[0].establish_immediately = false;
    (a.dpd, b.dpd) = (None, None);
    b.vpns[0].idle = Some(seconds(60));
    let mut w = World::new(4, config(a), config(b));
    let now = w.now;
    w.a.endpoint.initiate("segw", None, now);
    w.pump();
    w.run_for(seconds(40));
    let now = w.now;
    w.b.endpoint.set_passable(false, now);
    w.run_for(seconds(300));
    assert!(w.b.downs().is_empty(), "nobody can tell");
    let now = w.now;
    w.b.endpoint.set_passable(true, now);
    w.run_for(seconds(55));
    assert!(w.b.downs().is_empty());
    w.crash(super::world::Side::B);
    w.run_for(seconds(55));
    assert!(w.b.downs().is_empty(), "{}", w.explain());
    w.run_for(seconds(10));
    assert_eq!(w.b.downs(), [DownReason::Idle]);
}

//! Reauthentication by either role, with losses, restarts and rekeys in the midst (RFC 7296 section 2.8.3, RFC 4478).

use std::time::Duration;

use super::node::Installed;
use super::world::Side;
use super::*;
use crate::config::ConnectionLimits;
use crate::msg::ExchangeType;
use crate::{Count, DownReason, SessionId};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A reauthenticates at each so many-th rekey, which its lifetime has it make after 160 to 180 s.
fn reauthenticating(frequency: u32) -> Gateway {
    let mut a = peer();
    a.reauth_frequency = frequency;
    a.proposals[0].lifetime_s = 200;
    a
}

fn established(seed: u64, a: Gateway, b: Gateway) -> World {
    let mut w = World::new(seed, config(a), config(b));
    w.establish();
    w
}

/// Whether what each side encrypts for each of A's selectors is decrypted by the other.
fn carries(w: &World) -> bool {
    let taken = |from: &Node, to: &Node, ours: fn(&Installed) -> &Vec<TrafficSelector>, of_a| {
        let fitting = from.plane.values().filter(|p| p.active && ours(p) == of_a);
        let last = fitting.max_by_key(|p| p.order);
        let spi = last.map(|p| p.install.outbound.spi);
        let mut inbound = to.plane.values().map(|p| p.install.inbound.spi);
        spi.is_some_and(|spi| inbound.any(|i| i == spi))
    };
    let mut selectors = w.a.plane.values().map(|p| &p.install.local_ts);
    !w.a.plane.is_empty()
        && selectors.all(|of_a| {
            taken(&w.a, &w.b, |p| &p.install.local_ts, of_a)
                && taken(&w.b, &w.a, |p| &p.install.remote_ts, of_a)
        })
}

/// Runs for so long; at no moment nothing is carried.
fn run_carrying(w: &mut World, time: Duration) {
    w.run_until(time, |w| {
        assert!(carries(w), "traffic is lost: {}", w.explain());
        false
    });
}

fn session(node: &Node) -> SessionId {
    let up = node.up();
    assert_eq!(up.len(), 1, "{}", node.name);
    up[0].session
}

fn reauthenticate(w: &mut World) {
    let (ike, now) = (w.a.up()[0].ike, w.now);
    assert!(w.a.endpoint.rekey_ike(ike, now));
    w.pump();
}

#[test]
fn the_initiator_makes_a_new_session_before_it_ends_the_old_one() {
    let mut w = established(1, reauthenticating(1), gateway());
    let before = (session(&w.a), session(&w.b));
    run_carrying(&mut w, seconds(155));
    assert_eq!((session(&w.a), session(&w.b)), before);
    run_carrying(&mut w, seconds(40));
    w.check_agreement();
    assert_ne!(session(&w.a), before.0);
    assert_ne!(session(&w.b), before.1);
    assert_eq!(w.a.downs(), [DownReason::Reauthenticated]);
    assert_eq!(w.b.downs(), [DownReason::PeerDeleted]);
    assert_eq!(w.a.count(Count::Reauthentication), 1);
    assert_eq!(w.a.count(Count::IkeRekeyed), 0);
    assert_eq!(
        w.b.journal.len(),
        2,
        "the endpoint's record and the session"
    );
    // And so on.
    run_carrying(&mut w, seconds(400));
    w.check_agreement();
    assert_eq!(w.a.count(Count::Reauthentication), 3, "{}", w.explain());
}

#[test]
fn each_third_rekey_is_a_reauthentication_whoever_rekeys() {
    let mut w = established(2, reauthenticating(3), gateway());
    for rekeys in 1..=2 {
        run_carrying(&mut w, seconds(180));
        assert_eq!(w.a.count(Count::IkeRekeyed), rekeys);
    }
    assert_eq!(w.a.count(Count::Reauthentication), 0);
    run_carrying(&mut w, seconds(180));
    assert_eq!(w.a.count(Count::IkeRekeyed), 2);
    assert_eq!(w.a.count(Count::Reauthentication), 1);
    // The peer's rekeys count, and its third is followed by a reauthentication.
    for rekeys in 3..=5 {
        let (ike, now) = (w.b.up()[0].ike, w.now);
        w.b.endpoint.rekey_ike(ike, now);
        w.pump();
        run_carrying(&mut w, seconds(10));
        assert_eq!(w.a.count(Count::IkeRekeyed), rekeys);
    }
    assert_eq!(w.a.count(Count::Reauthentication), 2);
    w.check_agreement();
}

#[test]
fn all_children_are_there_anew_also_one_that_came_in_between() {
    let pair = |n: u8| SelectorPair {
        local: ts(&format!("172.16.{n}.0/24")),
        remote: ts("10.0.0.0/8"),
    };
    let mut a = reauthenticating(1);
    a.vpns[0].selectors.push(pair(2));
    let mut other = a.vpns[0].clone();
    (other.name, other.establish_immediately) = ("more".into(), false);
    other.selectors = vec![pair(3)];
    a.vpns.push(other);
    let mut w = established(3, a, gateway());
    assert_eq!(w.a.plane.len(), 2);
    let old = session(&w.a);
    reauthenticate(&mut w);
    let now = w.now;
    assert!(w.a.endpoint.initiate("segw", Some("more"), now));
    w.pump();
    run_carrying(&mut w, seconds(10));
    w.check_agreement();
    assert_ne!(session(&w.a), old);
    assert_eq!(w.a.plane.len(), 3, "{}", w.explain());
}

#[test]
fn what_comes_to_nothing_leaves_the_old_session_and_is_tried_again() {
    let mut w = established(4, reauthenticating(1), gateway());
    let old = session(&w.a);
    w.filter = Some(Box::new(|_, m| m.header.exchange == ExchangeType::IkeAuth));
    reauthenticate(&mut w);
    run_carrying(&mut w, seconds(80));
    let stays = |node: &Node| node.up().len() == 1;
    assert!(stays(&w.a) && stays(&w.b));
    assert_eq!(session(&w.a), old);
    assert!(w.a.count(Count::Reauthentication) >= 2);
    w.filter = None;
    run_carrying(&mut w, seconds(60));
    w.check_agreement();
    assert_ne!(session(&w.a), old);
    // A peer that refuses the child keeps the old session up as well.
    let old = session(&w.a);
    let mut refusing = gateway();
    refusing.vpns[0].proposals[0].transform =
        EspTransform::new(ravelin_types::EspEncr::Aes128Gcm, None).unwrap();
    let now = w.now;
    w.b.endpoint.set_config(config(refusing), now);
    reauthenticate(&mut w);
    run_carrying(&mut w, seconds(20));
    assert!(w.a.up().iter().any(|s| s.session == old), "{}", w.explain());
}

#[test]
fn the_old_session_may_end_while_the_new_one_is_made() {
    let mut w = established(5, reauthenticating(1), gateway());
    let old = session(&w.b);
    reauthenticate(&mut w);
    let now = w.now;
    w.b.endpoint.close(old, now);
    w.pump();
    w.run_for(seconds(10));
    w.check_agreement();
    assert_eq!(w.a.downs(), [DownReason::PeerDeleted], "{}", w.explain());
    assert_eq!(
        w.a.count(Count::InitStarted),
        2,
        "no third session is begun"
    );
    run_carrying(&mut w, seconds(200));
    assert_eq!(w.a.count(Count::Reauthentication), 2);
}

#[test]
fn the_responder_says_how_long_and_the_initiator_heeds_it() {
    let mut b = gateway();
    b.reauth_frequency = 2;
    b.proposals[0].lifetime_s = 50;
    let mut w = established(6, peer(), b);
    run_carrying(&mut w, seconds(75));
    assert_eq!(w.a.count(Count::Reauthentication), 0);
    assert!(w.b.count(Count::IkeRekeyed) > 0);
    run_carrying(&mut w, seconds(20));
    assert_eq!(w.a.count(Count::Reauthentication), 1, "{}", w.explain());
    w.check_agreement();
    assert_eq!(w.b.downs(), [DownReason::PeerDeleted]);
}

#[test]
fn who_does_not_reauthenticate_in_time_is_deleted_whatever_was_rekeyed() {
    let mut b = gateway();
    b.reauth_frequency = 1;
    b.proposals[0].lifetime_s = 100;
    let mut w = established(7, peer(), b);
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::IkeSaInit
    }));
    let (ike, now) = (w.b.up()[0].ike, w.now);
    w.b.endpoint.rekey_ike(ike, now);
    w.pump();
    run_carrying(&mut w, seconds(30));
    // A restart does not forget it.
    w.crash(Side::B);
    run_carrying(&mut w, seconds(68));
    assert!(w.b.downs().is_empty());
    w.run_for(seconds(3));
    assert_eq!(w.b.downs(), [DownReason::AuthenticationExpired]);
    assert!(w.a.all_downs.contains(&DownReason::PeerDeleted));
    w.filter = None;
    assert!(w.run_until(seconds(60), World::is_up), "{}", w.explain());
}

#[test]
fn a_lifetime_of_nothing_does_not_make_a_peer_busy() {
    let mut b = gateway();
    b.reauth_frequency = 1;
    b.proposals[0].lifetime_s = 1;
    let mut w = World::new(8, config(peer()), config(b));
    w.run_for(seconds(100));
    assert!(w.a.count(Count::InitStarted) < 60, "{}", w.explain());
}

#[test]
fn the_responders_children_stand_by_until_used_or_until_the_peer_has_lost_the_others() {
    let mut w = established(9, reauthenticating(1), gateway());
    let old = *w.b.plane.keys().next().unwrap();
    // A never says that the old one is to go.
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::Informational
    }));
    reauthenticate(&mut w);
    w.run_for(seconds(1));
    let new = w.b.plane.keys().copied().find(|id| *id != old).unwrap();
    assert!(w.b.plane[&old].active && !w.b.plane[&new].active);
    w.run_for(seconds(5));
    assert!(w.b.plane[&new].active, "{}", w.explain());
    assert!(w.b.plane[&new].order > w.b.plane[&old].order);

    let mut w = established(10, reauthenticating(1), gateway());
    let old = *w.b.plane.keys().next().unwrap();
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::Informational
    }));
    reauthenticate(&mut w);
    w.run_for(seconds(1));
    let new = w.b.plane.keys().copied().find(|id| *id != old).unwrap();
    let now = w.now;
    w.b.endpoint.child_used(new, now);
    w.pump();
    let child = w.b.endpoint.child_sas().find(|c| c.child == new).unwrap();
    assert!(child.active);
}

#[test]
fn who_claims_to_be_a_peer_moves_none_of_its_traffic() {
    let mut w = established(11, reauthenticating(1), gateway());
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::Informational
    }));
    reauthenticate(&mut w);
    w.run_for(seconds(1));
    let standing_by = |w: &World| w.b.plane.values().filter(|p| !p.active).count();
    assert_eq!(standing_by(&w), 1);
    // Somebody without the key fails under its name.
    let mut forger = peer();
    forger.keys = PreSharedKeys::shared(ravelin_types::SecretBytes::new(b"another key".to_vec()));
    let kept = std::mem::replace(&mut w.a, Node::new("A", 1234, config(forger)));
    w.filter = None;
    w.run_for(seconds(2));
    assert_eq!(w.b.count(Count::AuthFailed), 1, "{}", w.explain());
    assert_eq!(standing_by(&w), 1);
    drop(kept);
}

#[test]
fn rekeys_on_both_sides_and_losses_in_the_midst() {
    for seed in 0..40 {
        let mut w = established(1000 + seed, reauthenticating(1), gateway());
        w.case = format!("seed {seed}");
        let old = session(&w.a);
        if seed % 2 == 1 {
            w.link = Link {
                loss_percent: 20,
                ..Link::BAD
            };
        }
        let now = w.now;
        if seed % 4 < 2 {
            let ike = w.b.up()[0].ike;
            w.b.endpoint.rekey_ike(ike, now);
        } else {
            let child = *w.b.plane.keys().next().unwrap();
            w.b.endpoint.rekey_child(child, now);
        }
        reauthenticate(&mut w);
        w.run_for(Duration::from_millis(seed * 7 % 60));
        let live = w.a.endpoint.child_sas().find(|c| c.live);
        if let Some(child) = live.map(|c| c.child) {
            let now = w.now;
            w.a.endpoint.rekey_child(child, now);
            w.pump();
        }
        w.run_for(seconds(60));
        w.link = Link::GOOD;
        w.run_for(seconds(100));
        w.check_agreement();
        w.check_no_divergence();
        assert_ne!(session(&w.a), old, "{}", w.explain());
    }
}

#[test]
fn at_the_limit_of_connections_a_peer_reauthenticates_all_the_same() {
    let mut b = gateway();
    b.connections = ConnectionLimits {
        all: Some(1),
        per_address: Some(1),
    };
    let mut w = established(12, reauthenticating(1), b);
    let old = session(&w.a);
    reauthenticate(&mut w);
    run_carrying(&mut w, seconds(100));
    w.check_agreement();
    assert_ne!(session(&w.a), old);
}

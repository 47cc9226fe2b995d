//! Deletion by either side, peers that die, expiry, configuration that goes.

use std::time::Duration;

use super::*;
use crate::{Count, DownReason};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn either_side_deletes_the_ike_sa() {
    for by_a in [true, false] {
        let mut w = world(1);
        w.establish();
        let now = w.now;
        if by_a {
            let session = w.a.up()[0].session;
            w.a.endpoint.close(session, now);
        } else {
            let session = w.b.up()[0].session;
            w.b.endpoint.close(session, now);
        }
        w.pump();
        w.run_for(Duration::from_millis(300));
        let (closer, other) = if by_a { (&w.a, &w.b) } else { (&w.b, &w.a) };
        assert_eq!(closer.downs(), [DownReason::Closed]);
        assert_eq!(other.downs(), [DownReason::PeerDeleted]);
        assert!(w.a.plane.is_empty() && w.b.plane.is_empty());
        assert_eq!(
            w.b.journal.len(),
            1,
            "only the endpoint's own record is left"
        );
        assert!(
            w.run_until(MINUTE, World::is_up),
            "the static peer connects again"
        );
    }
}

#[test]
fn a_lost_answer_to_a_delete_is_repeated_from_the_grave() {
    let mut w = world(2);
    w.establish();
    let mut lost = 0;
    w.filter = Some(Box::new(move |side, m| {
        let answer = side == super::world::Side::B && m.header.response && m.header.message_id == 2;
        lost += u32::from(answer);
        answer && lost <= 2
    }));
    let (session, now) = (w.a.up()[0].session, w.now);
    w.a.endpoint.close(session, now);
    w.pump();
    assert!(
        w.run_until(MINUTE, |w| !w.a.downs().is_empty()),
        "{}",
        w.explain()
    );
    assert_eq!(w.a.downs(), [DownReason::Closed]);
    assert_eq!(w.b.count(Count::Repeated), 2);
}

#[test]
fn either_side_deletes_a_child_and_the_static_peer_makes_it_again() {
    for by_a in [true, false] {
        let mut w = world(3);
        w.establish();
        let now = w.now;
        let node = if by_a { &mut w.a } else { &mut w.b };
        let child = *node.plane.keys().next().unwrap();
        assert!(node.endpoint.close_child(child, now));
        w.pump();
        w.run_for(Duration::from_millis(300));
        assert!(
            w.a.plane.is_empty() && w.b.plane.is_empty(),
            "{}",
            w.explain()
        );
        assert_eq!((w.a.up().len(), w.b.up().len()), (1, 1));
        w.run_for(MINUTE);
        w.check_agreement();
        assert_eq!(
            w.a.plane.len(),
            usize::from(!by_a),
            "what the operator closed stays closed"
        );
    }
}

#[test]
fn a_dead_peer_is_found_and_everything_of_it_removed() {
    let mut w = world(4);
    w.establish();
    w.run_for(MINUTE);
    assert!(w.a.count(Count::DpdSent) + w.b.count(Count::DpdSent) >= 5);
    assert!(w.b.downs().is_empty());
    w.link.cut = true;
    w.run_for(Duration::from_secs(75));
    assert_eq!(w.b.downs(), [DownReason::PeerDead]);
    assert!(w.b.plane.is_empty() && w.a.plane.is_empty());
    assert_eq!(w.b.journal.len(), 1);
    w.link.cut = false;
    assert!(w.run_until(MINUTE * 2, World::is_up), "{}", w.explain());
    w.check_nonces();
}

#[test]
fn traffic_is_proof_of_life() {
    let mut w = world(5);
    w.establish();
    let child = [
        *w.a.plane.keys().next().unwrap(),
        *w.b.plane.keys().next().unwrap(),
    ];
    for _ in 0..20 {
        w.run_for(Duration::from_secs(3));
        let now = w.now;
        w.a.endpoint.children_alive(&child[..1], now);
        w.b.endpoint.children_alive(&child[1..], now);
    }
    assert_eq!(w.a.count(Count::DpdSent) + w.b.count(Count::DpdSent), 0);
}

#[test]
fn a_gateway_that_leaves_the_configuration_is_closed() {
    let mut w = world(6);
    w.establish();
    let now = w.now;
    w.b.endpoint.set_config(Arc::new(Config::default()), now);
    w.pump();
    w.run_for(Duration::from_millis(300));
    assert_eq!(w.b.downs(), [DownReason::Closed]);
    assert_eq!(w.a.downs(), [DownReason::PeerDeleted]);
}

#[test]
fn a_session_whose_own_address_is_gone_ends_at_once_and_says_so() {
    let mut w = world(13);
    w.establish();
    let mut moved = gateway();
    let also = moved.local_addresses[0];
    moved.local_addresses = vec!["203.0.113.77".parse().unwrap(), also];
    w.b.endpoint.set_config(config(moved.clone()), w.now);
    w.pump();
    assert!(w.b.downs().is_empty(), "its address is still there");
    moved.local_addresses.pop();
    let now = w.now;
    w.b.endpoint.set_config(config(moved), now);
    assert_eq!(w.b.endpoint.child_sas().count(), 0, "at once");
    w.pump();
    w.run_for(Duration::from_millis(300));
    assert_eq!(w.b.downs(), [DownReason::Closed]);
    assert_eq!(w.a.downs(), [DownReason::PeerDeleted]);
    w.run_for(Duration::from_secs(10));
    assert!(w.b.plane.is_empty(), "{}", w.explain());
    w.check_nonces();
}

#[test]
fn an_ike_sa_that_cannot_be_rekeyed_expires() {
    let mut a = peer();
    a.proposals[0].lifetime_s = 100;
    let mut w = World::new(7, config(a), config(gateway()));
    w.establish();
    w.filter = Some(Box::new(|_, m| {
        m.header.exchange == crate::msg::ExchangeType::CreateChildSa
    }));
    w.run_for(Duration::from_secs(200));
    assert!(!w.a.downs().is_empty(), "{}", w.explain());
    w.filter = None;
    assert!(w.run_until(MINUTE * 2, World::is_up), "{}", w.explain());
}

#[test]
fn a_child_past_its_life_is_not_used_while_the_peer_is_silent() {
    let mut b = gateway();
    b.dpd = None;
    b.vpns[0].proposals[0].lifetime_s = 100;
    let mut w = World::new(8, config(peer()), config(b));
    w.establish();
    w.run_for(Duration::from_secs(70));
    w.link.cut = true;
    w.run_for(Duration::from_secs(25));
    assert!(!w.b.plane.is_empty(), "it lives until its time is over");
    w.run_for(Duration::from_secs(12));
    assert!(w.b.plane.is_empty(), "{}", w.explain());
    assert!(w.b.downs().is_empty(), "the rekey is still on its way");
    // It arrives after all: the peer hears of the new child and of the end of the old one, and neither end keeps it.
    w.link.cut = false;
    w.run_for(MINUTE);
    w.check_agreement();
    for node in [&w.a, &w.b] {
        assert_eq!(node.plane.len(), 1, "{}", w.explain());
    }
}

/// What the peers were told to end, by its number and its selectors.
fn forbidden(node: &Node) -> Vec<(usize, String)> {
    let told = node.events.iter().filter_map(|e| match e {
        crate::EventKind::ChildrenForbidden {
            children,
            local_ts,
            remote_ts,
            ..
        } => Some((*children, format!("{} === {}", local_ts[0], remote_ts[0]))),
        _ => None,
    });
    told.collect()
}

fn selectors_in_use(node: &Node) -> Vec<String> {
    let all = node.plane.values().map(|p| &p.install);
    let mut all: Vec<_> = all
        .map(|i| format!("{} === {}", i.local_ts[0], i.remote_ts[0]))
        .collect();
    all.sort();
    all
}

#[test]
fn a_responder_that_narrows_its_selectors_deletes_what_is_wider() {
    let mut w = world(20);
    w.establish();
    let now = w.now;
    w.b.endpoint.set_config(config(gateway()), now);
    w.pump();
    assert!(forbidden(&w.b).is_empty(), "what is allowed stays");
    let mut narrow = gateway();
    narrow.vpns[0].selectors[0].local = ts("10.1.0.0/16");
    w.b.endpoint.set_config(config(narrow), now);
    w.pump();
    assert_eq!(
        forbidden(&w.b),
        [(1, "10.0.0.0/8 === 172.16.1.0/24".into())]
    );
    w.run_for(MINUTE);
    w.check_agreement();
    assert!(w.a.downs().is_empty() && w.b.downs().is_empty());
    assert_eq!(selectors_in_use(&w.b), ["10.1.0.0/16 === 172.16.1.0/24"]);
    assert!(
        w.a.failures.is_empty() && w.b.failures.is_empty(),
        "{}",
        w.explain()
    );
}

#[test]
fn an_initiator_that_narrows_its_selectors_makes_the_new_child_first() {
    for immediately in [true, false] {
        let mut a = peer();
        a.vpns[0].establish_immediately = immediately;
        let mut w = World::new(21, config(a.clone()), config(gateway()));
        let now = w.now;
        w.a.endpoint.initiate("segw", None, now);
        w.pump();
        w.run_for(Duration::from_secs(1));
        let old = *w.a.plane.keys().next().unwrap();
        a.vpns[0].selectors[0].local = ts("172.16.1.128/25");
        let now = w.now;
        w.a.endpoint.set_config(config(a), now);
        w.pump();
        assert_eq!(forbidden(&w.a).len(), 1);
        let both = |w: &World| w.a.plane.len() == 2 && w.a.plane.contains_key(&old);
        assert!(w.run_until(Duration::from_secs(1), both), "{}", w.explain());
        w.run_for(Duration::from_secs(1));
        w.check_agreement();
        assert_eq!(selectors_in_use(&w.a), ["172.16.1.128/25 === 10.0.0.0/8"]);
        assert_eq!(w.a.up().len(), 1);
    }
}

#[test]
fn of_two_pairs_only_that_goes_which_is_removed() {
    let mut a = peer();
    a.vpns[0].selectors.push(SelectorPair {
        local: ts("172.16.2.0/24"),
        remote: ts("10.0.0.0/8"),
    });
    let mut w = World::new(22, config(a.clone()), config(gateway()));
    w.establish();
    let kept =
        w.a.plane
            .iter()
            .find(|(_, p)| p.install.local_ts[0] == ts("172.16.2.0/24"));
    let kept = *kept.unwrap().0;
    a.vpns[0].selectors.remove(0);
    let now = w.now;
    w.a.endpoint.set_config(config(a), now);
    w.pump();
    w.run_for(MINUTE);
    w.check_agreement();
    assert_eq!(w.a.plane.keys().collect::<Vec<_>>(), [&kept]);
}

#[test]
fn a_child_asked_for_before_a_commit_ends_when_it_comes_after_it() {
    let mut w = world(23);
    w.establish();
    let now = w.now;
    let live = *w.a.plane.keys().next().unwrap();
    w.a.endpoint.rekey_child(live, now);
    w.pump();
    let mut narrow = peer();
    narrow.vpns[0].selectors[0].local = ts("172.16.1.128/25");
    w.a.endpoint.set_config(config(narrow), now);
    w.pump();
    w.run_for(MINUTE);
    w.check_agreement();
    assert_eq!(selectors_in_use(&w.a), ["172.16.1.128/25 === 10.0.0.0/8"]);
    assert_eq!(forbidden(&w.a).len(), 2, "{}", w.explain());
}

#[test]
fn what_is_forbidden_is_not_used_while_the_peer_is_silent() {
    let mut w = world(24);
    w.establish();
    w.link.cut = true;
    let mut narrow = gateway();
    narrow.vpns[0].selectors[0].local = ts("10.1.0.0/16");
    let now = w.now;
    w.b.endpoint.set_config(config(narrow), now);
    w.pump();
    w.run_for(Duration::from_secs(6));
    assert!(w.b.plane.is_empty(), "{}", w.explain());
    assert!(w.b.downs().is_empty());
}

#[test]
fn a_vpn_that_leaves_the_configuration_takes_its_children_along_and_nothing_else() {
    let mut w = world(12);
    w.establish();
    let old = *w.b.plane.keys().next().unwrap();
    let mut changed = gateway();
    changed.vpns[0].linger = Duration::from_secs(7);
    w.b.endpoint.set_config(config(changed.clone()), w.now);
    w.pump();
    w.run_for(Duration::from_secs(1));
    assert!(w.b.plane.contains_key(&old), "its VPN is still there");
    changed.vpns[0].name = "other".into();
    w.b.endpoint.set_config(config(changed), w.now);
    w.pump();
    assert!(
        w.run_until(MINUTE, |w| w.is_up() && !w.b.plane.contains_key(&old)),
        "{}",
        w.explain()
    );
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert!(w.b.downs().is_empty(), "the IKE SA stays");
    assert!(w.b.endpoint.child_sas().all(|c| &*c.vpn == "other"));
}

//! Rekeys one at a time, by either side, with and without a fresh key exchange, on good and bad links; lifetimes.

use std::time::Duration;

use proptest::prelude::*;
use ravelin_types::{ChildId, DhGroup, Volume};

use super::*;
use crate::event::EventKind;
use crate::{Count, IkeId};

const MINUTE: Duration = Duration::from_secs(60);

fn child_of(n: &Node) -> ChildId {
    n.endpoint.child_sas().find(|c| c.live).unwrap().child
}

fn ike_of(n: &Node) -> IkeId {
    n.up()[0].ike
}

fn pair_with_pfs(a_pfs: Option<DhGroup>, b_pfs: Option<DhGroup>, seed: u64) -> World {
    let (mut a, mut b) = (peer(), gateway());
    a.vpns[0].pfs = a_pfs;
    b.vpns[0].pfs = b_pfs;
    let mut w = World::new(seed, config(a), config(b));
    w.establish();
    w
}

#[test]
fn children_are_rekeyed_make_before_break_by_either_side() {
    for (n, pfs) in [None, Some(DhGroup::Ecp256), Some(DhGroup::Curve25519)]
        .into_iter()
        .enumerate()
    {
        for by_a in [true, false] {
            let mut w = pair_with_pfs(pfs, pfs, n as u64);
            let old = [child_of(&w.a), child_of(&w.b)];
            let now = w.now;
            let started = if by_a {
                w.a.endpoint.rekey_child(old[0], now)
            } else {
                w.b.endpoint.rekey_child(old[1], now)
            };
            assert!(started);
            w.pump();
            w.run_for(Duration::from_secs(1));
            w.check_agreement();
            assert!(!w.a.plane.contains_key(&old[0]) && !w.b.plane.contains_key(&old[1]));
            for node in [&w.a, &w.b] {
                let at = |wanted: &dyn Fn(&EventKind) -> bool| {
                    node.events.iter().rposition(wanted).unwrap()
                };
                let install = at(&|e| matches!(e, EventKind::ChildInstall(_)));
                let remove = at(&|e| matches!(e, EventKind::ChildRemove { .. }));
                assert!(install < remove);
                assert!(
                    matches!(
                        node.events[remove],
                        EventKind::ChildRemove {
                            linger_ms: 5_000,
                            ..
                        }
                    ),
                    "the old inbound lingers"
                );
            }
        }
    }
}

#[test]
fn a_peer_may_insist_on_a_key_exchange_that_we_do_not_require() {
    let mut w = pair_with_pfs(Some(DhGroup::Ecp384), None, 5);
    let (child, now) = (child_of(&w.a), w.now);
    w.a.endpoint.rekey_child(child, now);
    w.pump();
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert_eq!(w.b.count(Count::ChildRekeyed), 1);
    // The other way the requirement is not met; the old child stays.
    let (child, now) = (child_of(&w.b), w.now);
    w.b.endpoint.rekey_child(child, now);
    w.pump();
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert_eq!(child_of(&w.b), child);
    let line = w.a.failures.last().unwrap().to_string();
    assert!(
        line.contains("key exchange group: offered none; accepted ECP_384"),
        "{line}"
    );
}

#[test]
fn the_responder_stands_by_until_the_peer_uses_the_new_pair() {
    let mut w = world(6);
    w.establish();
    // The delete of the old one does not arrive.
    w.filter = Some(Box::new(|side, m| {
        side == super::world::Side::A && m.header.message_id >= 3
    }));
    let (child, now) = (child_of(&w.a), w.now);
    w.a.endpoint.rekey_child(child, now);
    w.pump();
    w.run_for(Duration::from_millis(500));
    let standby =
        w.b.plane
            .iter()
            .find(|(_, p)| !p.active)
            .map(|(id, _)| *id)
            .unwrap();
    assert_eq!(w.b.plane.len(), 2);
    w.b.endpoint.child_used(standby, w.now);
    assert!(
        w.b.endpoint
            .child_sas()
            .any(|c| c.child == standby && c.active)
    );
    w.b.plane.get_mut(&standby).unwrap().active = true;
    w.filter = None;
    w.run_for(MINUTE);
    w.check_agreement();
}

#[test]
fn the_ike_sa_is_rekeyed_by_either_side_and_children_stay() {
    for by_a in [true, false] {
        let mut w = world(7);
        w.establish();
        let (children, old) = (
            w.a.plane.keys().copied().collect::<Vec<_>>(),
            w.a.up()[0].spi_i,
        );
        let (a, b, now) = (ike_of(&w.a), ike_of(&w.b), w.now);
        let started = if by_a {
            w.a.endpoint.rekey_ike(a, now)
        } else {
            w.b.endpoint.rekey_ike(b, now)
        };
        assert!(started);
        w.pump();
        w.run_for(Duration::from_secs(1));
        w.check_agreement();
        assert_ne!(w.a.up()[0].spi_i, old);
        assert_eq!(w.a.plane.keys().copied().collect::<Vec<_>>(), children);
        // The new one works for what comes next, both ways.
        for _ in 0..2 {
            let (child, now) = (child_of(&w.b), w.now);
            w.b.endpoint.rekey_child(child, now);
            w.pump();
            w.run_for(Duration::from_secs(1));
            w.check_agreement();
        }
        assert!(
            w.a.failures.is_empty() && w.b.failures.is_empty(),
            "{}",
            w.explain()
        );
    }
}

#[test]
fn another_group_can_be_asked_for_when_the_ike_sa_is_rekeyed() {
    let (mut a, mut b) = (peer(), gateway());
    a.proposals = vec![ike_proposal(DhGroup::Ecp256), ike_proposal(DhGroup::Ecp384)];
    b.proposals = vec![ike_proposal(DhGroup::Ecp256)];
    let mut w = World::new(8, config(a), config(b.clone()));
    w.establish();
    b.proposals = vec![ike_proposal(DhGroup::Ecp384)];
    w.b.endpoint.set_config(config(b), w.now);
    let (ike, now) = (ike_of(&w.a), w.now);
    w.a.endpoint.rekey_ike(ike, now);
    w.pump();
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert_eq!(w.b.up()[0].suite.unwrap().dh(), DhGroup::Ecp384);
}

#[test]
fn lifetimes_rekey_everything_in_time_and_nothing_expires() {
    let (mut a, mut b) = (peer(), gateway());
    for g in [&mut a, &mut b] {
        g.proposals[0].lifetime_s = 900;
        g.vpns[0].proposals[0].lifetime_s = 200;
    }
    let mut w = World::new(9, config(a), config(b));
    w.establish();
    w.run_for(MINUTE * 120);
    w.run_for(Duration::from_secs(3));
    assert!(
        w.a.downs().is_empty() && w.b.downs().is_empty(),
        "{}",
        w.explain()
    );
    assert!(w.b.count(Count::IkeRekeyed) >= 8 && w.b.count(Count::ChildRekeyed) >= 35);
    assert!(
        w.a.failures.is_empty() && w.b.failures.is_empty(),
        "{}",
        w.explain()
    );
    w.check_nonces();
}

#[test]
fn a_volume_is_rekeyed_at_its_soft_limit_and_replaced_at_its_hard_one() {
    let (mut a, mut b) = (peer(), gateway());
    let volume = Volume {
        octets: 1 << 20,
        packets: 5_000,
    };
    for g in [&mut a, &mut b] {
        g.vpns[0].proposals[0].volume = volume;
    }
    let mut w = World::new(10, config(a), config(b));
    w.establish();
    let lives = |node: &Node| -> Vec<_> { node.endpoint.child_sas().map(|c| c.life).collect() };
    for (node, percent) in [(&w.a, 80..=90), (&w.b, 90..=95)] {
        let life = lives(node)[0];
        assert_eq!(life.hard, volume);
        assert!(percent.contains(&(life.soft.packets * 100 / volume.packets)));
        assert!(percent.contains(&(life.soft.octets * 100 / volume.octets)));
    }
    let (old, now) = (child_of(&w.b), w.now);
    assert!(w.b.endpoint.child_lifetime_soft(old, now));
    w.pump();
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    let new = child_of(&w.b);
    assert_ne!(new, old);
    // Told again of one that is replaced, nothing happens.
    assert!(!w.b.endpoint.child_lifetime_hard(old, now));
    let (new, now) = (child_of(&w.a), w.now);
    assert!(w.a.endpoint.child_lifetime_hard(new, now));
    w.pump();
    w.run_for(Duration::from_secs(10));
    w.check_agreement();
    assert_ne!(child_of(&w.a), new, "the side that starts makes another");
    assert!(w.a.downs().is_empty() && w.b.downs().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rekeys_survive_bad_links(seed in 0u64..1_000_000, ike in any::<bool>(), by_a in any::<bool>(), pfs in any::<bool>()) {
        let dh = pfs.then_some(DhGroup::Curve25519);
        let mut w = pair_with_pfs(dh, dh, seed);
        // With less loss: of the exchanges of all cases, one in 8,000 of the worst link's would end its IKE SA.
        w.link = Link {
            loss_percent: 20,
            ..Link::BAD
        };
        let now = w.now;
        let node = if by_a { &mut w.a } else { &mut w.b };
        let before = (node.up()[0].ike, child_of(node));
        if ike { node.endpoint.rekey_ike(before.0, now) } else { node.endpoint.rekey_child(before.1, now) };
        w.pump();
        w.run_for(MINUTE * 2);
        w.link = Link::GOOD;
        w.run_for(MINUTE * 2);
        w.check_agreement();
        w.check_no_divergence();
        let node = if by_a { &w.a } else { &w.b };
        let after = (node.up()[0].ike, child_of(node));
        prop_assert!(if ike { after.0 != before.0 } else { after.1 != before.1 }, "{}", w.explain());
        prop_assert!(w.a.downs().is_empty() && w.b.downs().is_empty(), "{}", w.explain());
    }
}

#[test]
fn a_probe_that_falls_due_during_a_key_exchange_waits_for_it() {
    let pfs = Some(DhGroup::Ecp256);
    let mut w = pair_with_pfs(pfs, pfs, 20);
    let (old, now) = (child_of(&w.b), w.now);
    assert!(w.b.endpoint.rekey_child(old, now));
    let work = w.b.endpoint.poll_work().unwrap();
    let later = now + Duration::from_secs(11);
    w.now = later;
    w.b.endpoint.handle_timeout(later);
    assert!(w.b.endpoint.poll_timeout().is_none_or(|at| at > later));
    w.b.endpoint
        .complete(later, work.id, work.job.run(&crate::NoAuthority));
    w.pump();
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert_ne!(child_of(&w.b), old);
}

#[test]
fn a_rekey_that_finds_the_pool_full_is_tried_again() {
    let pfs = Some(DhGroup::Ecp256);
    let mut w = pair_with_pfs(pfs, pfs, 21);
    let (old, now) = (child_of(&w.b), w.now);
    w.b.endpoint.test_jobs(Some(crate::work::MAX_WORK as u64));
    assert!(w.b.endpoint.rekey_child(old, now));
    for _ in 0..10 {
        let at = w.b.endpoint.poll_timeout().unwrap();
        assert!(at > w.now, "the endpoint would spin");
        w.now = at;
        w.b.endpoint.handle_timeout(at);
    }
    assert!(w.b.endpoint.poll_work().is_none());
    w.b.endpoint.test_jobs(None);
    w.run_for(Duration::from_secs(1));
    w.check_agreement();
    assert_ne!(child_of(&w.b), old);
}

//! Exchanges of both sides that meet (RFC 7296 sections 2.8.1, 2.8.2 and 2.25).

use std::time::Duration;

use proptest::prelude::*;
use ravelin_types::ChildId;

use super::*;
use crate::{Count, IkeId};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    RekeyIke,
    RekeyChild,
    DeleteChild,
    DeleteIke,
    Nothing,
}

fn act(n: &mut Node, act: Act, now: ravelin_types::Time) {
    let live: Option<ChildId> = n.endpoint.child_sas().find(|c| c.live).map(|c| c.child);
    let up: Option<(IkeId, crate::SessionId)> = n.up().first().map(|s| (s.ike, s.session));
    match (act, live, up) {
        (Act::RekeyIke, _, Some((ike, _))) => n.endpoint.rekey_ike(ike, now),
        (Act::RekeyChild, Some(child), _) => n.endpoint.rekey_child(child, now),
        (Act::DeleteChild, Some(child), _) => n.endpoint.close_child(child, now),
        (Act::DeleteIke, _, Some((_, session))) => n.endpoint.close(session, now),
        _ => false,
    };
}

fn collide(w: &mut World, a: Act, b: Act) {
    let now = w.now;
    act(&mut w.a, a, now);
    act(&mut w.b, b, now);
    w.pump();
    w.run_for(Duration::from_secs(10));
}

#[test]
fn simultaneous_child_rekeys_leave_one_child() {
    for seed in 0..8 {
        let mut w = world(100 + seed);
        w.establish();
        collide(&mut w, Act::RekeyChild, Act::RekeyChild);
        w.check_agreement();
        assert_eq!(w.a.plane.len(), 1, "{}", w.explain());
        assert_eq!(
            (w.a.count(Count::Collision), w.b.count(Count::Collision)),
            (1, 1)
        );
        assert!(
            w.a.failures.is_empty() && w.b.failures.is_empty(),
            "{}",
            w.explain()
        );
    }
}

#[test]
fn simultaneous_ike_rekeys_leave_one_ike_sa() {
    for seed in 0..8 {
        let mut w = world(200 + seed);
        w.establish();
        collide(&mut w, Act::RekeyIke, Act::RekeyIke);
        w.check_agreement();
        assert_eq!(
            (w.a.count(Count::Collision), w.b.count(Count::Collision)),
            (1, 1)
        );
        assert!(
            w.a.failures.is_empty() && w.b.failures.is_empty(),
            "{}",
            w.explain()
        );
    }
}

#[test]
fn an_ike_rekey_and_a_child_rekey_put_each_other_off_and_both_happen() {
    for seed in 0..4 {
        let mut w = world(300 + seed);
        w.establish();
        let before = (w.a.up()[0].ike, *w.a.plane.keys().next().unwrap());
        collide(&mut w, Act::RekeyIke, Act::RekeyChild);
        w.check_agreement();
        assert_ne!(w.a.up()[0].ike, before.0, "{}", w.explain());
        assert_ne!(
            *w.a.plane.keys().next().unwrap(),
            before.1,
            "{}",
            w.explain()
        );
        assert!(w.a.count(Count::TemporaryFailure) + w.b.count(Count::TemporaryFailure) >= 1);
    }
}

#[test]
fn a_child_that_is_rekeyed_here_and_deleted_there() {
    let mut w = world(400);
    w.establish();
    // B deletes; A, which wants the child, makes it anew.
    collide(&mut w, Act::RekeyChild, Act::DeleteChild);
    w.check_agreement();
    assert_eq!(w.a.plane.len(), 1);
    // A deletes; B's rekey meets TEMPORARY_FAILURE, then the child is gone.
    collide(&mut w, Act::DeleteChild, Act::RekeyChild);
    w.check_agreement();
}

#[test]
fn both_delete_the_same_child_or_the_same_ike_sa() {
    let mut w = world(500);
    w.establish();
    collide(&mut w, Act::DeleteChild, Act::DeleteChild);
    w.check_agreement();
    let mut w = world(501);
    w.establish();
    collide(&mut w, Act::DeleteIke, Act::DeleteIke);
    assert_eq!(w.b.downs().len(), 1, "{}", w.explain());
    assert!(
        w.run_until(MINUTE, World::is_up),
        "the static peer connects again"
    );
}

#[test]
fn an_ike_sa_that_is_rekeyed_here_and_deleted_there() {
    for (a, b) in [
        (Act::RekeyIke, Act::DeleteIke),
        (Act::DeleteIke, Act::RekeyIke),
        (Act::RekeyChild, Act::DeleteIke),
    ] {
        let mut w = world(600);
        w.establish();
        collide(&mut w, a, b);
        assert!(
            w.run_until(MINUTE, World::is_up),
            "{a:?} {b:?} {}",
            w.explain()
        );
        w.run_for(MINUTE * 3);
        w.check_agreement();
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::RekeyIke),
        3 => Just(Act::RekeyChild),
        1 => Just(Act::DeleteChild),
        1 => Just(Act::DeleteIke),
        1 => Just(Act::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_meets_on_whatever_link_both_end_up_agreeing(
        seed in 0u64..1_000_000,
        acts in proptest::collection::vec((any_act(), any_act(), 0u64..900), 1..6),
        bad in any::<bool>(),
    ) {
        let mut w = world(seed);
        w.establish();
        if bad {
            w.link = Link::BAD;
        }
        for (a, b, apart_ms) in acts {
            let now = w.now;
            act(&mut w.a, a, now);
            w.pump();
            w.run_for(Duration::from_millis(apart_ms));
            let now = w.now;
            act(&mut w.b, b, now);
            w.pump();
            w.run_for(Duration::from_millis(apart_ms));
        }
        w.run_for(MINUTE * 2);
        w.link = Link::GOOD;
        w.run_for(MINUTE * 5);
        w.check_agreement();
        w.check_no_divergence();
    }
}

#[test]
fn a_session_that_is_closed_during_its_own_rekey_ends() {
    let mut w = world(700);
    w.establish();
    let now = w.now;
    act(&mut w.a, Act::RekeyIke, now);
    w.pump();
    act(&mut w.a, Act::DeleteIke, now);
    w.pump();
    w.run_for(Duration::from_millis(500));
    assert_eq!(w.a.downs(), [crate::DownReason::Closed], "{}", w.explain());
    assert_eq!(
        w.b.downs(),
        [crate::DownReason::PeerDeleted],
        "{}",
        w.explain()
    );
}

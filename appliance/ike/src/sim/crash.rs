//! The process dies at any record boundary and goes on from its journal: same octets, no IV twice, no tunnel lost.

use std::time::Duration;

use proptest::prelude::*;
use ravelin_crypto::DhGroup;

use super::world::Side;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Runs a scenario, killing one side after the `at`-th step of the pump.
fn scenario(seed: u64, pfs: bool, crash: impl Fn(&mut World, usize)) {
    let (mut a, mut b) = (peer(), gateway());
    if pfs {
        a.vpns[0].pfs = Some(DhGroup::Curve25519);
        b.vpns[0].pfs = Some(DhGroup::Curve25519);
    }
    let mut w = World::new(seed, config(a), config(b));
    let mut step = 0;
    let mut act = |w: &mut World, time: Duration| {
        let until = w.now + time;
        while w.now < until {
            w.run_for(Duration::from_millis(5));
            crash(w, step);
            step += 1;
        }
    };
    act(&mut w, Duration::from_millis(100));
    let now = w.now;
    if let Some(child) = w.a.plane.keys().next().copied() {
        w.a.endpoint.rekey_child(child, now);
    }
    w.pump();
    act(&mut w, Duration::from_millis(100));
    let now = w.now;
    if let Some(ike) = w.b.up().first().map(|s| s.ike) {
        w.b.endpoint.rekey_ike(ike, now);
    }
    w.pump();
    act(&mut w, Duration::from_millis(100));
    assert!(w.run_until(MINUTE * 2, World::is_up), "{}", w.explain());
    w.run_for(MINUTE * 4);
    w.check_agreement();
    w.check_no_divergence();
    let lost = |n: &Node| {
        n.downs()
            .iter()
            .any(|d| *d != crate::DownReason::InitialContact)
    };
    assert!(!lost(&w.a) && !lost(&w.b), "{}", w.explain());
}

#[test]
fn each_side_may_die_at_each_moment_of_each_exchange() {
    for pfs in [false, true] {
        for side in [Side::A, Side::B] {
            for at in 0..60 {
                scenario(1, pfs, |w, step| {
                    if step == at {
                        w.crash(side);
                    }
                });
            }
        }
    }
}

#[test]
fn a_restored_endpoint_repeats_its_outstanding_request_and_its_last_response() {
    let mut w = world(3);
    w.establish();
    let now = w.now;
    let child = *w.a.plane.keys().next().unwrap();
    w.link.cut = true;
    w.a.endpoint.rekey_child(child, now);
    w.pump();
    let (_, request) = w.transcript.last().cloned().unwrap();
    w.crash(Side::A);
    w.run_for(Duration::from_secs(5));
    let again: Vec<_> = w
        .transcript
        .iter()
        .filter(|(side, _)| *side == Side::A)
        .skip_while(|(_, d)| *d != request)
        .collect();
    assert!(again.len() >= 3 && again.iter().all(|(_, d)| *d == request));
    w.link.cut = false;
    w.inject(Side::B, address(1), address(2), &request);
    let (_, response) = w.transcript.last().cloned().unwrap();
    w.crash(Side::B);
    w.inject(Side::B, address(1), address(2), &request);
    assert_eq!(w.transcript.last().unwrap().1, response);
    w.run_for(MINUTE * 2);
    w.check_agreement();
}

#[test]
fn a_restored_endpoint_starts_what_waited_only_after_the_whole_journal_is_taken_up() {
    let mut w = world(5);
    w.establish();
    let (old, now) = (*w.a.plane.keys().next().unwrap(), w.now);
    w.link.cut = true;
    // A probe fills the window, so the rekey waits, and then the process dies.
    w.run_for(Duration::from_secs(11));
    assert!(w.a.count(crate::Count::DpdSent) > 0);
    w.a.endpoint.rekey_child(old, now);
    w.pump();
    w.crash(Side::A);
    w.link.cut = false;
    w.run_for(MINUTE);
    w.check_agreement();
    assert!(!w.a.plane.contains_key(&old));
}

#[test]
fn a_set_up_that_survives_a_crash_leaves_no_trace_of_its_first_message() {
    let mut w = world(6);
    w.pump();
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.run_for(Duration::from_millis(100));
    assert_eq!(w.b.endpoint.half_open(), 1);
    w.crash(Side::B);
    assert_eq!(w.b.endpoint.test_first_messages(), 1);
    w.filter = None;
    assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
    assert_eq!(w.b.endpoint.test_first_messages(), 0);
}

#[test]
fn a_pair_that_the_data_plane_lost_is_installed_under_a_new_epoch() {
    let mut w = world(4);
    w.establish();
    let (child, lost) = w.b.plane.pop_first().unwrap();
    let now = w.now;
    assert!(w.b.endpoint.reinstall(child, now));
    w.pump();
    assert_eq!(w.b.plane[&child].install.epoch, lost.install.epoch + 1);
    w.check_agreement();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn crashes_at_random_on_a_bad_link_never_repeat_an_iv_or_diverge(seed in 0u64..1_000_000) {
        let (mut a, mut b) = (peer(), gateway());
        for g in [&mut a, &mut b] {
            g.proposals[0].lifetime_s = 300;
            g.vpns[0].proposals[0].lifetime_s = 100;
            g.vpns[0].pfs = Some(DhGroup::Curve25519);
        }
        let mut w = World::new(seed, config(a), config(b));
        w.link = Link::BAD;
        w.crash_percent = 5;
        w.run_for(MINUTE * 10);
        prop_assert!(w.crashes > 5);
        w.crash_percent = 0;
        w.link = Link::GOOD;
        prop_assert!(w.run_until(MINUTE * 5, World::is_up), "{}", w.explain());
        w.check_nonces();
        w.check_no_divergence();
    }
}

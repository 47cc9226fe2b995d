//! The process dies and goes on from its journal: what it had under way, what waits, what is granted. [`super::cuts`] cuts it at
//! every moment of every exchange.

use std::time::Duration;

use proptest::prelude::*;
use ravelin_types::{DhGroup, Numbers, numbers};

use super::world::Side;
use super::*;
use crate::event::{EventKind, Outer};

const MINUTE: Duration = Duration::from_secs(60);

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
fn probes_are_written_behind_the_session_and_not_with_it() {
    let mut w = world(3);
    w.establish();
    w.run_for(Duration::from_secs(35));
    let size = |records: &[Vec<u8>]| records.iter().map(Vec::len).sum::<usize>();
    for node in [&w.a, &w.b] {
        let records = node.journal.values().last().unwrap();
        let (whole, steps) = records.split_first().unwrap();
        assert!(steps.len() >= 4, "{} has {}", node.name, steps.len());
        let octets = size(steps) / steps.len();
        assert!(
            octets < 120 && 8 * octets < whole.len(),
            "{octets}, {}",
            whole.len()
        );
    }
    for _ in 0..20 {
        w.run_for(Duration::from_secs(31));
        for side in [Side::A, Side::B] {
            let records = w.node(side).journal.values().last().unwrap();
            assert!(size(&records[1..]) < 2 * records[0].len());
            w.crash(side);
        }
    }
    assert!(w.is_up());
    w.check_agreement();
    w.check_nonces();
    // A step alone, or behind what is no session, is nothing to take up.
    w.run_for(Duration::from_secs(31));
    let records = w.a.journal.values().last().unwrap().clone();
    let other = [w.a.journal[&0][0].clone(), records[1].clone()];
    for damaged in [&records[1..], &other[..], &[]] {
        let env = super::node::Env::new(9);
        let mut endpoint = crate::Endpoint::new(Arc::clone(&w.configs[0]), env, w.now).unwrap();
        let report = endpoint.restore([damaged], w.now);
        assert_eq!((report.sessions, report.failed.len()), (0, 1));
    }
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
fn a_move_of_the_peer_takes_effect_after_its_record_and_survives() {
    let mut w = world(8);
    w.link.nat = Some((address(77), 1000));
    w.establish();
    let (child, now) = (*w.b.plane.keys().next().unwrap(), w.now);
    let elsewhere = Outer {
        udp: Some((4500, 6500)),
        ..w.b.plane[&child].install.outer
    };
    assert!(w.b.endpoint.peer_moved(child, elsewhere, now));
    let record = w.b.endpoint.poll_record().unwrap();
    let event = w.b.endpoint.poll_event().unwrap();
    assert_eq!(event.after, record.seq, "the move waits for its record");
    assert!(
        matches!(event.kind, EventKind::PeerMoved { ref children, outer } if *children == [child] && outer == elsewhere)
    );
    // Both were lost with the process: the peer is where it was. Told again, it has moved.
    w.crash(Side::B);
    assert!(w.b.endpoint.peer_moved(child, elsewhere, now));
    w.pump();
    w.crash(Side::B);
    assert!(w.b.endpoint.reinstall(&[child], now).is_empty());
    w.pump();
    assert_eq!(w.b.plane[&child].install.outer, elsewhere);
}

#[test]
fn a_pair_that_the_data_plane_lost_is_installed_under_a_new_epoch() {
    let mut w = world(4);
    w.establish();
    let (child, lost) = w.b.plane.pop_first().unwrap();
    let now = w.now;
    assert!(w.b.endpoint.reinstall(&[child], now).is_empty());
    w.pump();
    assert_eq!(w.b.plane[&child].install.epoch, lost.install.epoch + 1);
    w.check_agreement();
    // However many of a session are lost, it is recorded once; one that is gone comes back.
    let gone = ravelin_types::PairId(999);
    assert_eq!(w.b.endpoint.reinstall(&[child, gone, child], now), [gone]);
    assert!(w.b.endpoint.poll_record().is_some() && w.b.endpoint.poll_record().is_none());
}

#[test]
fn ceilings_are_granted_after_their_record_and_survive() {
    let mut w = world(7);
    w.establish();
    let (child, now) = (*w.a.plane.keys().next().unwrap(), w.now);
    let first = w.a.plane[&child].install.ceilings;
    assert_eq!(first, Numbers::FIRST);
    let used = Numbers {
        outbound: first.outbound - 1,
        inbound: 0,
    };
    w.a.endpoint.grant(&[(child, used)], now);
    let record = w.a.endpoint.poll_record().unwrap();
    let event = w.a.endpoint.poll_event().unwrap();
    assert_eq!(event.after, record.seq, "the grant waits for its record");
    let granted = first.granted(used, false);
    assert!(
        matches!(event.kind, EventKind::ChildGrant { child: c, ceilings } if c == child && ceilings == granted)
    );
    // Both were lost with the process: nothing was granted. Asked again, it is.
    w.crash(Side::A);
    w.a.endpoint.grant(&[(child, used)], now);
    w.pump();
    assert_eq!(w.a.plane[&child].install.ceilings, granted);
    w.crash(Side::A);
    assert!(w.a.endpoint.reinstall(&[child], now).is_empty());
    w.pump();
    assert_eq!(w.a.plane[&child].install.ceilings, granted);
    w.a.endpoint
        .grant(&[(ravelin_types::PairId(999), used)], now);
    assert!(w.a.endpoint.poll_record().is_none() && w.a.endpoint.poll_event().is_none());
}

#[test]
fn the_last_epochs_end_in_a_rekey() {
    let mut w = world(8);
    w.establish();
    let (child, now) = (*w.a.plane.keys().next().unwrap(), w.now);
    let near = numbers::LAST_EPOCH - numbers::EPOCHS_LEFT_SOFT;
    w.a.endpoint.test_epoch(child, near);
    assert!(w.a.endpoint.reinstall(&[child], now).is_empty());
    w.run_for(MINUTE);
    assert!(w.a.plane.contains_key(&child), "epochs are left");
    w.a.endpoint.test_epoch(child, numbers::LAST_EPOCH - 1);
    assert!(
        w.a.endpoint.reinstall(&[child], w.now).is_empty(),
        "the last epoch"
    );
    assert!(
        !w.a.endpoint.reinstall(&[child], w.now).is_empty(),
        "none is left"
    );
    w.run_for(MINUTE);
    w.check_agreement();
    assert!(!w.a.plane.contains_key(&child), "rekeyed");
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

#[test]
fn an_endpoint_that_cannot_read_the_sessions_goes_on_with_its_numbers() {
    let mut w = World::new(7, config(peer()), config(gateway()));
    w.establish();
    let known = w.b.up()[0].session.0;
    for record in w.b.journal.values_mut().flatten() {
        record[0] = record[0].wrapping_add(1);
    }
    let env = super::node::Env::new(9);
    let mut endpoint = crate::Endpoint::new(Arc::clone(&w.configs[1]), env, w.now).unwrap();
    let report = endpoint.restore(w.b.journal.values(), w.now);
    assert_eq!((report.sessions, report.failed.len()), (0, 1));
    assert!(endpoint.test_next_id() > known);
}

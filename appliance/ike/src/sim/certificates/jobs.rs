//! What comes between a job and its result: copies, deadlines, crashes, commits, a full pool. Nothing is done twice, nothing is stuck.

use super::*;
use crate::Discard;
use crate::work::MAX_WORK;

/// A world that has come to the point where this side's job waits.
fn held(side: Side, jobs_before: usize) -> World {
    let mut w = world_of(pair(), 9);
    w.node(side).hold = true;
    for _ in 0..jobs_before {
        wait_for_job(&mut w, side);
        let now = w.now;
        w.node(side).work(now);
        w.pump();
    }
    wait_for_job(&mut w, side);
    w
}

fn wait_for_job(w: &mut World, side: Side) {
    w.pump();
    let has = |w: &World| match side {
        Side::A => !w.a.held.is_empty(),
        Side::B => !w.b.held.is_empty(),
    };
    assert!(w.run_until(Duration::from_secs(1), has), "{}", w.explain());
}

fn release(w: &mut World, side: Side) {
    let now = w.now;
    w.node(side).hold = false;
    w.node(side).work(now);
    w.pump();
}

/// Each job of each side: A has a key pair, its secret, a signature, a verification; B a key pair and secret, a verification, a
/// signature.
const JOBS: [(Side, usize); 4] = [(Side::A, 2), (Side::A, 3), (Side::B, 1), (Side::B, 2)];

#[test]
fn copies_are_neither_answered_nor_worked_on_while_a_job_is_under_way() {
    for (side, before) in JOBS {
        let mut w = held(side, before);
        let (to, from) = match side {
            Side::A => (Side::B, address(2)),
            Side::B => (Side::A, address(1)),
        };
        let at = if side == Side::A {
            address(1)
        } else {
            address(2)
        };
        let (_, copy) = w
            .transcript
            .iter()
            .rfind(|(s, _)| *s == to)
            .cloned()
            .unwrap();
        let sent = w.transcript.len();
        for _ in 0..3 {
            w.inject(side, from, at, &copy);
        }
        let why = match side {
            Side::A => Discard::UnexpectedResponse,
            Side::B => Discard::BeingAnswered,
        };
        let node = w.node(side);
        assert_eq!(
            (node.endpoint.stats().discarded(why), node.held.len()),
            (3, 1)
        );
        assert_eq!(w.transcript.len(), sent);
        // What is being worked on is not asked for again.
        w.run_for(Duration::from_secs(7));
        let by = w.transcript.iter().skip(sent).filter(|(s, _)| *s == side);
        assert_eq!(by.count(), 0, "{side:?} {before}");
        release(&mut w, side);
        assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
        w.run_for(MINUTE);
        w.check_agreement();
        w.check_no_divergence();
    }
}

#[test]
fn a_result_that_comes_after_the_deadline_of_a_half_open_ike_sa_is_dropped() {
    for before in [1, 2] {
        let mut w = held(Side::B, before);
        w.link.cut = true;
        w.run_for(Duration::from_secs(31));
        assert_eq!(w.b.endpoint.half_open(), 0);
        assert_eq!(w.b.journal.len(), 1, "the endpoint itself");
        release(&mut w, Side::B);
        assert_eq!(w.b.endpoint.stats().discarded(Discard::StaleWork), 1);
        w.link.cut = false;
        assert!(w.run_until(MINUTE * 3, World::is_up), "{}", w.explain());
        w.run_for(MINUTE * 2);
        w.check_agreement();
    }
}

#[test]
fn a_crash_while_a_job_is_under_way_starts_it_over() {
    for (side, before) in JOBS {
        let mut w = held(side, before);
        w.node(side).hold = false;
        w.crash(side);
        assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
        w.run_for(MINUTE * 2);
        w.check_agreement();
        w.check_no_divergence();
        let signed = w.node(side).authority.signed();
        let hashes = signed.last().and_then(|s| s.peer_hashes.clone());
        assert_eq!(hashes.as_deref(), Some(&[2, 3, 4, 5][..]), "they survive");
    }
}

#[test]
fn a_commit_while_a_job_is_under_way_counts() {
    for (side, before) in JOBS {
        // Another gateway of the same name: what was worked on is of no use, what it says counts.
        let mut w = held(side, before);
        let (a, b) = pair();
        let mut other = if side == Side::A { a } else { b };
        other.vpns[0].name = "other".into();
        w.configs[side as usize] = config(other);
        let (config, now) = (w.configs[side as usize].clone(), w.now);
        w.node(side).endpoint.set_config(config, now);
        release(&mut w, side);
        assert!(
            w.run_until(MINUTE, World::is_up),
            "{side:?} {before}: {}",
            w.explain()
        );
        w.run_for(MINUTE);
        w.check_agreement();
        let vpn = w
            .node(side)
            .plane
            .values()
            .next()
            .unwrap()
            .install
            .vpn
            .clone();
        assert_eq!(&*vpn, "other", "{side:?} {before}");
    }
}

#[test]
fn a_commit_while_we_sign_has_us_sign_as_who_we_are_now() {
    let mut w = held(Side::A, 2);
    let (mut a, _) = pair();
    a.local_identity = Some(fqdn("enb2.ran.example"));
    a.local_proof = proof_of("ran-ca", "enb2.ran.example", 1, 0);
    w.configs[0] = config(a);
    let (config, now) = (w.configs[0].clone(), w.now);
    w.a.endpoint.set_config(config, now);
    release(&mut w, Side::A);
    assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
    let signed = w.a.authority.signed();
    let credentials: Vec<_> = signed.iter().map(|s| s.credential.as_str()).collect();
    assert_eq!(credentials, [A_NAME, "enb2.ran.example"]);
    assert_eq!(w.b.up()[0].peer, Some(fqdn("enb2.ran.example")));
}

#[test]
fn a_gateway_that_is_gone_while_a_job_is_under_way_leaves_nothing() {
    for (side, before) in JOBS {
        let mut w = held(side, before);
        let now = w.now;
        w.configs[side as usize] = Arc::default();
        w.node(side).endpoint.set_config(Arc::default(), now);
        release(&mut w, side);
        w.run_for(MINUTE * 3);
        let node = w.node(side);
        assert_eq!(node.endpoint.ike_sas().count(), 0, "{side:?} {before}");
        assert!(node.endpoint.environment_ref().in_use.is_empty());
        assert_eq!(node.journal.len(), 1, "the endpoint itself");
        assert!(node.plane.is_empty() && node.endpoint.poll_work().is_none());
        assert_eq!(w.b.endpoint.half_open(), 0);
    }
}

#[test]
fn a_full_pool_delays_a_job_and_nothing_is_stuck() {
    for (side, before) in JOBS {
        let mut w = held(side, before - 1);
        // The pool fills while the job before is under way.
        let now = w.now;
        w.node(side).endpoint.test_jobs(Some(MAX_WORK as u64));
        w.node(side).work(now);
        w.pump();
        w.run_for(Duration::from_secs(3));
        let node = w.node(side);
        assert!(
            node.endpoint.stats().discarded(Discard::WorkFull) > 0,
            "{side:?} {before}"
        );
        assert!(node.held.is_empty());
        node.endpoint.test_jobs(None);
        release(&mut w, side);
        assert!(
            w.run_until(MINUTE, World::is_up),
            "{side:?} {before}: {}",
            w.explain()
        );
        w.run_for(MINUTE);
        w.check_agreement();
        w.check_no_divergence();
    }
}

#[test]
fn jobs_of_peers_that_are_not_authenticated_are_not_urgent() {
    for (side, before) in JOBS {
        let mut w = held(side, before);
        assert!(w.node(side).held.iter().all(|work| !work.urgent));
    }
}

#[test]
fn fragments_of_what_is_being_worked_on_are_dropped() {
    let mut w = long(15);
    w.b.hold = true;
    wait_for_job(&mut w, Side::B);
    let now = w.now;
    w.b.work(now);
    w.pump();
    wait_for_job(&mut w, Side::B);
    let sent = w.transcript.iter().filter(|(side, _)| *side == Side::A);
    let fragments: Vec<_> = sent.skip(1).map(|(_, data)| data.clone()).collect();
    assert_eq!(fragments.len(), 6);
    for data in &fragments {
        w.inject(Side::B, address(1), address(2), data);
    }
    let dropped = w.b.endpoint.stats().discarded(Discard::BeingAnswered);
    assert_eq!((dropped, w.b.held.len()), (6, 1));
    release(&mut w, Side::B);
    assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
    w.run_for(MINUTE);
    w.check_agreement();
}

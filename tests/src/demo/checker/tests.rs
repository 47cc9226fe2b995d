//! The checker must be able to fail: each fault of a gateway is found for its own reason.

use super::*;
use crate::pcap::Captured;
use crate::site::V4;
use std::net::IpAddr;

fn ipv4(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Captured {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else {
        panic!("IPv4 only")
    };
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend(payload);
    Captured { time_ns: 0, frame }
}

fn esp(up: bool, number: u8) -> Captured {
    let body = [
        0,
        0,
        1,
        u8::from(up),
        0,
        0,
        0,
        number,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        number,
    ];
    let (from, to) = if up {
        (V4.enb_outer, V4.gateway_outer)
    } else {
        (V4.gateway_outer, V4.enb_outer)
    };
    ipv4(from, to, 50, &body)
}

fn clear(up: bool) -> Captured {
    let (from, to) = if up {
        (V4.enb_inner, V4.core)
    } else {
        (V4.core, V4.enb_inner)
    };
    ipv4(from, to, 1, &[8, 0])
}

/// One packet each way in `number`, on both links.
fn traffic() -> Links {
    let outer = (0..3).flat_map(|n| [esp(true, n), esp(false, n)]).collect();
    let inner = (0..3).flat_map(|_| [clear(true), clear(false)]).collect();
    links(outer, inner)
}

fn links(outer: Vec<Captured>, clear: Vec<Captured>) -> Links {
    Links {
        outer: Trace::from(outer),
        clear: Trace::from(clear),
    }
}

/// A packet of the probes' address.
fn probe(up: bool) -> Captured {
    if up {
        ipv4(ENB_PROBE, V4.core, 17, &[0; 8])
    } else {
        ipv4(V4.core, ENB_PROBE, 17, &[0; 8])
    }
}

/// A run in which everything was tried and nothing got through that must not.
fn good() -> Evidence {
    let round = Round {
        outer: V4,
        phases: vec![
            (Phase::Traffic, traffic()),
            (
                Phase::Replay,
                links(vec![esp(true, 1), esp(true, 2)], vec![]),
            ),
            (
                Phase::Children,
                links(vec![esp(true, 9)], vec![probe(true)]),
            ),
            (
                Phase::Selectors,
                links(vec![esp(true, 10)], vec![probe(false)]),
            ),
            (Phase::Closing, links(vec![], vec![])),
            (Phase::Gone, links(vec![], vec![clear(false)])),
        ],
        counters: (3, 3),
        routes_missing: vec![],
        routes_left: vec![],
    };
    Evidence {
        rounds: vec![round],
        tunnels: 1,
        peer_version: "6.0.1".into(),
        passed: Passed {
            inner_v4: Some(true),
            inner_v6: None,
            tcp: Some(true),
            udp: Some(true),
        },
    }
}

/// Replaces what the links saw in one phase.
fn set(evidence: &mut Evidence, phase: Phase, links: Links) {
    let phases = &mut evidence.rounds[0].phases;
    phases.iter_mut().find(|(p, _)| *p == phase).unwrap().1 = links;
}

/// The reasons after a change of a good run, without repetition.
fn reasons(change: impl Fn(&mut Evidence)) -> Vec<Reason> {
    let mut evidence = good();
    change(&mut evidence);
    let verdict = evidence.judge();
    if let Some(reason) = verdict.reason() {
        let head = format!("demo: FAILED reason={} ", reason.name());
        assert!(verdict.line.starts_with(&head), "{verdict:?}");
    }
    let mut reasons: Vec<Reason> = verdict.faults.iter().map(|f| f.reason).collect();
    reasons.dedup();
    reasons
}

#[test]
fn a_good_run() {
    let verdict = good().judge();
    assert_eq!(verdict.faults, []);
    assert_eq!(verdict.reason(), None);
    assert_eq!(
        verdict.line,
        "demo: ok tunnels=1 ike=strongswan-6.0.1 v4=ok v6=skipped tcp=ok udp=ok cleartext_packets=0 loss=0 replays_accepted=0 outside_selectors=0 after_delete=0"
    );
}

#[test]
fn cleartext_in_any_phase() {
    for phase in [Phase::Traffic, Phase::Replay, Phase::Closing, Phase::Gone] {
        let found = reasons(|run| {
            let kept = &mut run.rounds[0].phases;
            let links = &mut kept.iter_mut().find(|(p, _)| *p == phase).unwrap().1;
            let mut frames = links.outer.pick(|_| true);
            // In place of the tunnel's packet, which is not lost then.
            if phase == Phase::Traffic {
                frames.pop();
            }
            frames.push(clear(false));
            links.outer = Trace::from(frames);
        });
        assert_eq!(found, [Reason::Clear], "{phase:?}");
    }
}

#[test]
fn a_number_used_twice_even_in_different_phases() {
    let again = |run: &mut Evidence| {
        set(run, Phase::Closing, links(vec![esp(false, 1)], vec![]));
    };
    assert_eq!(reasons(again), [Reason::Nonce]);
    // The IV alone.
    let iv = |run: &mut Evidence| {
        let mut packet = esp(false, 77);
        *packet.frame.last_mut().unwrap() = 1;
        set(run, Phase::Closing, links(vec![packet], vec![]));
    };
    assert_eq!(reasons(iv), [Reason::Nonce]);
}

#[test]
fn a_replay_that_reaches_the_core() {
    let accepted = |run: &mut Evidence| {
        set(
            run,
            Phase::Replay,
            links(vec![esp(true, 1)], vec![clear(true)]),
        );
    };
    assert_eq!(reasons(accepted), [Reason::Replay]);
}

#[test]
fn packets_outside_the_selectors() {
    let up = |run: &mut Evidence| {
        let clear = vec![probe(false), probe(true)];
        set(run, Phase::Selectors, links(vec![esp(true, 10)], clear));
    };
    assert_eq!(reasons(up), [Reason::Selector]);
    let down = |run: &mut Evidence| {
        let outer = vec![esp(true, 10), esp(false, 40)];
        set(run, Phase::Selectors, links(outer, vec![probe(false)]));
    };
    assert_eq!(reasons(down), [Reason::Selector]);
}

#[test]
fn a_route_that_is_missing_or_stays() {
    let place = || vec!["10.45.0.1 in kernel".to_owned()];
    assert_eq!(
        reasons(|run| run.rounds[0].routes_missing = place()),
        [Reason::Route]
    );
    assert_eq!(
        reasons(|run| run.rounds[0].routes_left = place()),
        [Reason::Route]
    );
    let followed = |run: &mut Evidence| {
        set(
            run,
            Phase::Gone,
            links(vec![esp(false, 50)], vec![clear(false)]),
        );
    };
    assert_eq!(reasons(followed), [Reason::Route]);
}

#[test]
fn a_packet_lost_on_either_way() {
    let without = |outer: bool, nth: usize| {
        move |run: &mut Evidence| {
            let whole = traffic();
            let mut frames = [whole.outer.pick(|_| true), whole.clear.pick(|_| true)];
            frames[usize::from(!outer)].remove(nth);
            let [outer, clear] = frames;
            set(run, Phase::Traffic, links(outer, clear));
            // What the ends and the counters say follows from the loss.
            run.passed.udp = Some(false);
            run.rounds[0].counters = (2, 2);
        }
    };
    assert_eq!(reasons(without(true, 1)), [Reason::Loss], "downlink");
    assert_eq!(reasons(without(false, 0)), [Reason::Loss], "uplink");
}

#[test]
fn what_was_not_provoked_proves_nothing() {
    let probed = [
        Phase::Replay,
        Phase::Children,
        Phase::Selectors,
        Phase::Gone,
    ];
    for phase in probed {
        let nothing = |run: &mut Evidence| set(run, phase, links(vec![], vec![]));
        assert_eq!(reasons(nothing), [Reason::Unproven], "{phase:?}");
    }
    // Probes from one side only.
    for (outer, clear) in [(vec![esp(true, 10)], vec![]), (vec![], vec![probe(false)])] {
        let half = |run: &mut Evidence| {
            set(run, Phase::Selectors, links(outer.clone(), clear.clone()));
        };
        assert_eq!(reasons(half), [Reason::Unproven]);
    }
}

#[test]
fn the_gateway_is_not_believed() {
    assert_eq!(
        reasons(|run| run.rounds[0].counters.0 = 4),
        [Reason::Counters]
    );
    assert_eq!(
        reasons(|run| run.rounds[0].counters.1 = 4),
        [Reason::Counters]
    );
}

#[test]
fn incomplete_transfers_and_other_tunnels() {
    assert_eq!(
        reasons(|run| run.passed.tcp = Some(false)),
        [Reason::Traffic]
    );
    assert_eq!(
        reasons(|run| run.passed.inner_v4 = Some(false)),
        [Reason::Traffic]
    );
    assert_eq!(reasons(|run| run.tunnels = 2), [Reason::Traffic]);
}

#[test]
fn the_gravest_reason_is_the_one_that_is_named() {
    let found = reasons(|run| {
        run.rounds[0].routes_left = vec!["10.45.0.1 in kernel".to_owned()];
        set(
            run,
            Phase::Replay,
            links(vec![esp(true, 1)], vec![clear(true)]),
        );
    });
    assert_eq!(found, [Reason::Replay, Reason::Route]);
}

#[test]
fn breaks_have_names() {
    for reason in crate::demo::BREAKS {
        assert_eq!(Reason::of_break(reason.name()), Ok(reason));
    }
    let error = Reason::of_break("traffic").unwrap_err().to_string();
    assert!(error.contains("`traffic`") && error.ends_with("nonce, selector, route, loss"));
}

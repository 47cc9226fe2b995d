use std::net::Ipv4Addr;
use std::time::Duration;

use ravelin_ike::{Reason, Stage};
use ravelin_types::VrfId;

use super::*;

fn at(seconds: u64) -> Time {
    Time::default() + Duration::from_secs(seconds)
}

fn failure(host: u32, peer: Option<&str>, reason: Reason) -> Failure {
    Failure {
        vrf: VrfId::DEFAULT,
        remote: (Ipv4Addr::from(0x0a00_0000 + host), 500).into(),
        peer: peer.map(|name| Identity::Fqdn(name.to_owned())),
        gateway: Some("enb".to_owned()),
        stage: Stage::Auth,
        reason,
    }
}

#[test]
fn the_same_failure_is_counted_and_another_is_another_entry() {
    let mut log = FailureLog::default();
    log.note(
        &failure(1, Some("enb1"), Reason::WrongKey),
        None,
        None,
        at(10),
    );
    log.note(
        &failure(1, Some("enb1"), Reason::WrongKey),
        None,
        None,
        at(40),
    );
    let identity = Reason::Identity {
        offered: "enb1".to_owned(),
        accepted: "*.ran.example".to_owned(),
    };
    log.note(&failure(1, Some("enb1"), identity), None, None, at(20));
    let shown = log.list(None, at(50)).entries;
    let times: Vec<_> = (shown.iter())
        .map(|entry| (entry.times, entry.first_s, entry.last_s))
        .collect();
    assert_eq!(times, [(2, 40, 10), (1, 30, 30)], "{shown:?}");
    assert_eq!(shown[1].accepted.as_deref(), Some("*.ran.example"));
    log.note(
        &failure(1, Some("enb1"), Reason::WrongKey),
        None,
        Some("enb".to_owned()),
        at(45),
    );
    let accepted = log.list(None, at(50)).entries[0].accepted.clone();
    assert_eq!(accepted.as_deref(), Some("enb"));
    assert_eq!(log.clear(Some("10.0.0.2".parse().unwrap())), 0);
    assert_eq!(log.clear(Some("10.0.0.1".parse().unwrap())), 2);
    assert!(log.list(None, at(50)).entries.is_empty());
}

#[test]
fn a_flood_of_nameless_peers_pushes_out_the_oldest_of_them_and_nobody_else() {
    let mut log = FailureLog::default();
    log.note(
        &failure(0, Some("enb0"), Reason::WrongKey),
        None,
        None,
        at(0),
    );
    let count = 10 * MAX_NAMELESS as u32;
    for host in 1..=count {
        log.note(
            &failure(host, None, Reason::WrongKey),
            None,
            None,
            at(1 + u64::from(host)),
        );
        assert!(log.nameless.rows.len() <= MAX_NAMELESS);
    }
    let shown = log.list(None, at(10_000));
    assert_eq!(
        shown.entries.len() as u64 + shown.forgotten,
        u64::from(count) + 1
    );
    assert_eq!(
        shown.entries[0].remote.ip(),
        Ipv4Addr::from(0x0a00_0000 + count)
    );
    assert!(shown.entries.len() > MAX_NAMELESS / 2);
    let peer = log.list(Some("10.0.0.0".parse().unwrap()), at(10_000));
    assert_eq!(peer.entries.len(), 1);
}

#[test]
fn one_moment_may_fill_a_table() {
    let mut log = FailureLog::default();
    for host in 0..2 * MAX_NAMELESS as u32 {
        log.note(&failure(host, None, Reason::WrongKey), None, None, at(1));
    }
    assert!(log.nameless.rows.len() <= MAX_NAMELESS);
}

#[test]
fn what_a_peer_says_is_cut_to_what_is_read() {
    let mut log = FailureLog::default();
    let reason = Reason::Identity {
        offered: "ä".repeat(100_000),
        accepted: "anything else".to_owned(),
    };
    log.note(&failure(1, Some("enb"), reason), None, None, at(1));
    let offered = log.list(None, at(2)).entries[0].offered.clone().unwrap();
    assert_eq!(offered.chars().count(), MAX_TEXT + 4);
}

#[test]
fn peers_of_the_same_address_in_two_routing_instances_are_two() {
    let mut log = FailureLog::default();
    let same = failure(1, None, Reason::WrongKey);
    for instance in [None, Some("access"), Some("access")] {
        log.note(&same, instance.map(str::to_owned), None, at(1));
    }
    let shown = log.list(None, at(2)).entries;
    let mut found: Vec<_> = (shown.iter())
        .map(|entry| (entry.instance.as_deref(), entry.times))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(None, 1), (Some("access"), 2)]);
}

//! Peers with several addresses, and with addresses that become known and change.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::DownReason;

const MINUTE: Duration = Duration::from_secs(60);

fn host(number: u8) -> IpAddr {
    address(number).ip()
}

fn remote(node: &Node) -> Vec<IpAddr> {
    node.up().iter().map(|sa| sa.remote.ip()).collect()
}

/// The peer, whose gateway is at these addresses.
fn peer_of(gateway: &[u8]) -> Gateway {
    Gateway {
        remote_addresses: Some(gateway.iter().map(|n| host(*n)).collect()),
        ..peer()
    }
}

/// The gateway, which has one peer at these addresses.
fn gateway_of(peer: &[u8]) -> Gateway {
    Gateway {
        remote_addresses: Some(peer.iter().map(|n| host(*n)).collect()),
        ..gateway()
    }
}

#[test]
fn an_initiator_goes_from_address_to_address_until_one_answers() {
    let mut b = gateway();
    b.local_addresses = vec![host(7), host(2)];
    let mut w = World::new(1, config(peer_of(&[7, 2])), config(b));
    w.unreachable = Some(host(7));
    assert!(w.run_until(MINUTE * 2, World::is_up), "{}", w.explain());
    assert_eq!(remote(&w.a), [host(2)]);
    w.check_agreement();
    // The backup falls silent, and the primary is next.
    w.unreachable = Some(host(2));
    let moved = |w: &World| remote(&w.a) == [host(7)] && w.a.plane.values().any(|p| p.active);
    assert!(w.run_until(MINUTE * 3, moved), "{}", w.explain());
    assert_eq!(w.a.downs(), [DownReason::PeerDead; 2]);
    // One that was closed, and did not fail, begins with the primary again.
    let session = w.a.up()[0].session;
    let now = w.now;
    w.a.endpoint.close(session, now);
    w.unreachable = None;
    w.run_for(MINUTE);
    assert_eq!(remote(&w.a), [host(7)]);
}

#[test]
fn whoever_is_refused_at_one_address_tries_the_next_at_once() {
    let mut w = World::new(2, config(peer_of(&[7, 8, 2])), config(gateway()));
    w.establish();
    assert_eq!(remote(&w.a), [host(2)]);
    assert_eq!(w.a.failures.len(), 2, "{}", w.explain());
    // With no address left to try there are pauses.
    let mut w = World::new(3, config(peer_of(&[7, 8])), config(gateway()));
    w.run_for(MINUTE);
    assert!((6..=20).contains(&w.a.failures.len()), "{}", w.explain());
}

#[test]
fn a_peer_is_served_from_when_its_address_is_known() {
    let mut w = World::new(4, config(peer()), config(gateway_of(&[])));
    w.run_for(Duration::from_secs(5));
    let line = w.b.failures[0].to_string();
    assert!(line.contains("no gateway is configured"), "{line}");
    let now = w.now;
    let known = config(gateway_of(&[9, 1]));
    w.b.endpoint.set_config(known, now);
    assert!(w.run_until(MINUTE, World::is_up), "{}", w.explain());
    // Other addresses are for set-ups to come.
    let (now, refused) = (w.now, w.a.downs());
    w.b.endpoint.set_config(config(gateway_of(&[9])), now);
    w.a.endpoint.set_config(config(peer_of(&[7])), now);
    w.run_for(MINUTE * 5);
    assert!(w.is_up(), "{}", w.explain());
    assert_eq!((w.a.downs(), w.b.downs()), (refused, vec![]));
    w.check_agreement();
}

#[test]
fn an_initiator_begins_when_an_address_becomes_known() {
    let mut w = World::new(5, config(peer_of(&[])), config(gateway()));
    w.run_for(MINUTE);
    assert!(w.transcript.is_empty());
    let now = w.now;
    assert!(!w.a.endpoint.initiate("segw", None, now));
    w.a.endpoint.set_config(config(peer_of(&[2])), now);
    w.establish();
}

#[test]
fn an_address_without_one_of_ours_is_passed_over() {
    let mut a = peer_of(&[2]);
    let v6 = "2001:db8::2".parse().unwrap();
    a.remote_addresses.as_mut().unwrap().insert(0, v6);
    let mut w = World::new(6, config(a), config(gateway()));
    w.establish();
    assert_eq!(w.a.failures.len(), 0);
}

#[test]
fn of_several_default_identities_that_of_the_address_is_asked_for() {
    let of = |n| crate::identity::of_address(host(n));
    let mut a = peer_of(&[2, 7]);
    a.remote = RemotePeer::Identities(vec![of(7), of(2)]);
    let mut b = gateway();
    b.local_identity = None;
    let mut w = World::new(7, config(a.clone()), config(b.clone()));
    w.establish();
    // What is not in the list is not accepted.
    b.local_identity = Some(of(8));
    let mut w = World::new(8, config(a), config(b));
    w.run_for(Duration::from_secs(2));
    let line = w.a.failures[0].to_string();
    let wanted = format!("identity {} is not accepted: {}, {}", of(8), of(7), of(2));
    assert!(line.contains(&wanted), "{line}");
}

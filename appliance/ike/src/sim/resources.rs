//! Several child SAs with the same selectors, one for each resource of the peer (RFC 9611).

use std::time::Duration;

use ravelin_types::Spi;

use super::craft::{child, last, request};
use super::world::Side;
use super::*;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::sa::child::MAX_EQUAL_CHILDREN;
use crate::{ChildSummary, Reason};

const ROUND: Duration = Duration::from_secs(2);

fn info(resource: &[u8]) -> Payload {
    Payload::Notify(Notify::new(kind::SA_RESOURCE_INFO, resource))
}

/// A request of A for one more child SA, received on this SPI.
fn more(w: &mut World, id: u32, rekeys: Option<Spi>, resource: Option<&[u8]>) {
    let first = w.a.endpoint.child_sas().next().unwrap();
    let selectors = (&first.local_ts[..], &first.remote_ts[..]);
    let mut payloads = child(selectors, &[], rekeys);
    for payload in &mut payloads {
        if let Payload::Sa(sa) = payload {
            sa.proposals[0].spi = (0x7700_0000 + id).to_be_bytes().to_vec();
        }
    }
    payloads.extend(resource.map(info));
    request(ExchangeType::CreateChildSa, id).deliver(w, &payloads);
}

/// What B answered: whether with a child, and its notifications.
fn answer(w: &World) -> (bool, Vec<Notify>) {
    let (_, payloads) = last(w, Side::B);
    let made = payloads.iter().any(|p| matches!(p, Payload::Sa(_)));
    let notifies = payloads.into_iter().filter_map(|p| match p {
        Payload::Notify(n) => Some(n),
        _ => None,
    });
    (made, notifies.collect())
}

/// Identifiers of B's live child SAs, in the order in which they were made.
fn resources(w: &World) -> Vec<Option<String>> {
    let mut all: Vec<ChildSummary> = w.b.endpoint.child_sas().filter(|c| c.live).collect();
    all.sort_by_key(|c| c.child);
    all.into_iter().map(|c| c.resource).collect()
}

/// A and B with their first child SA, and A stopped.
fn established() -> World {
    let mut w = world(1);
    w.establish();
    w.filter = Some(Box::new(|_, _| true));
    w
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn equal_child_sas_are_made_up_to_a_limit_and_named() {
    let mut w = established();
    let used = 2;
    for at in 1..MAX_EQUAL_CHILDREN {
        let id = used + at as u32 - 1;
        more(&mut w, id, None, Some(format!("cpu-{at}").as_bytes()));
        let (made, notifies) = answer(&w);
        assert!(made, "{at}: {notifies:?}");
        assert_eq!(notifies, [Notify::new(kind::SA_RESOURCE_INFO, &[])]);
    }
    let all = resources(&w);
    assert_eq!(
        (all.len(), w.b.plane.len()),
        (MAX_EQUAL_CHILDREN, MAX_EQUAL_CHILDREN)
    );
    assert_eq!(all[..3], [None, named("cpu-1"), named("cpu-2")]);
    let active = w.b.endpoint.child_sas().filter(|c| c.active).count();
    assert_eq!(active, MAX_EQUAL_CHILDREN, "the newest of them is taken");

    let next = used + MAX_EQUAL_CHILDREN as u32 - 1;
    more(&mut w, next, None, Some(b"cpu-16"));
    let refusal = (false, vec![Notify::new(kind::TS_MAX_QUEUE, &[])]);
    assert_eq!(answer(&w), refusal);
    let reason = Reason::TooManyEqual(MAX_EQUAL_CHILDREN);
    assert_eq!(w.b.failures.last().unwrap().reason, reason);
    assert_eq!(resources(&w), all);
    // A rekey makes no more of them.
    let child = w.b.endpoint.child_sas().max_by_key(|c| c.child).unwrap();
    more(&mut w, next + 1, Some(child.spi_out), Some(b"cpu-15"));
    assert!(answer(&w).0);
    assert_eq!(resources(&w).len(), MAX_EQUAL_CHILDREN);
    // Nor does the limit hold for who says nothing of resources: a session has its own.
    more(&mut w, next + 2, None, None);
    assert_eq!(answer(&w), (true, vec![]));
    assert_eq!(resources(&w).last(), Some(&None));
}

#[test]
fn an_identifier_may_be_missing_or_long() {
    let mut w = established();
    more(&mut w, 2, None, Some(b""));
    more(&mut w, 3, None, Some(&[b'x'; 5000]));
    let wanted = [None, named("not named"), named(&"x".repeat(64))];
    assert_eq!(resources(&w), wanted);
}

#[test]
fn rekeys_by_either_side_and_restarts_keep_the_resource() {
    let mut w = established();
    more(&mut w, 2, None, Some(b"cpu-1"));
    let peer_spi = |w: &World| {
        w.b.endpoint
            .child_sas()
            .max_by_key(|c| c.child)
            .unwrap()
            .spi_out
    };
    // The peer rekeys without a word of it.
    let spi = peer_spi(&w);
    more(&mut w, 3, Some(spi), None);
    assert_eq!(answer(&w), (true, vec![]));
    assert_eq!(resources(&w), [None, named("cpu-1")]);
    w.crash(Side::B);
    assert_eq!(resources(&w), [None, named("cpu-1")]);
    // We rekey, and say that it is one of those.
    let child =
        w.b.endpoint
            .child_sas()
            .max_by_key(|c| c.child)
            .unwrap()
            .child;
    let now = w.now;
    assert!(w.b.endpoint.rekey_child(child, now));
    w.pump();
    w.run_for(ROUND);
    let (header, payloads) = last(&w, Side::B);
    assert_eq!(header.exchange, ExchangeType::CreateChildSa);
    assert!(!header.response && payloads.contains(&info(b"")));
}

#[test]
fn the_child_of_ike_auth_may_be_one_of_them() {
    let mut w = world(2);
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::IkeAuth
    }));
    w.pump();
    w.run_for(Duration::from_millis(100));
    let (_, mut payloads) = last(&w, Side::A);
    payloads.push(info(b"cpu-0"));
    request(ExchangeType::IkeAuth, 1).deliver(&mut w, &payloads);
    assert_eq!(resources(&w), [named("cpu-0")]);
    let (made, notifies) = answer(&w);
    assert!(made && notifies.contains(&Notify::new(kind::SA_RESOURCE_INFO, &[])));
}

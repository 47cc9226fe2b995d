//! Which message may come when, and what a refusal leads to (RFC 7296 sections 1.4.1, 2.1 to 2.3, 2.9, 2.25 and 4).

use std::time::Duration;

use ravelin_types::Spi;

use super::craft::{child, deliver, last, request, response, sent};
use super::world::Side;
use super::*;
use crate::msg::delete::Delete;
use crate::msg::ke::Ke;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::{Transform, transform};
use crate::msg::{ExchangeType, Message, Payload};
use crate::timers::{REPLACED_LIFETIME, RETRY_WAIT};
use crate::{Discard, DownReason, Reason};

const CREATE: ExchangeType = ExchangeType::CreateChildSa;
const INFORMATIONAL: ExchangeType = ExchangeType::Informational;
/// The message ID of A's first request after the set-up.
const NEXT: u32 = 2;

fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// The default pair without probes, set up; the gateway is changed first.
fn quiet(seed: u64, change: impl FnOnce(&mut Gateway)) -> World {
    let (mut a, mut b) = (peer(), gateway());
    (a.dpd, b.dpd) = (None, None);
    change(&mut b);
    let mut w = World::new(seed, config(a), config(b));
    w.establish();
    w
}

fn notify(kind: u16) -> Payload {
    Payload::Notify(Notify::new(kind, &[]))
}

fn notified(payloads: &[Payload]) -> Vec<(u16, Vec<u8>)> {
    let kinds = payloads.iter().filter_map(|p| match p {
        Payload::Notify(n) => Some((n.kind, n.data.clone())),
        _ => None,
    });
    kinds.collect()
}

fn deletes_ike(payloads: &[Payload]) -> bool {
    payloads.contains(&Payload::Delete(Delete::Ike))
}

/// The SPIs of child SAs that a message deletes.
fn deleted(payloads: &[Payload]) -> Vec<u32> {
    let lists = payloads.iter().filter_map(|p| match p {
        Payload::Delete(Delete::Children { spis, .. }) => Some(spis.clone()),
        _ => None,
    });
    lists.flatten().collect()
}

#[test]
fn nothing_but_ike_auth_follows_the_first_exchange() {
    let mut w = world(1);
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.pump();
    w.run_for(milliseconds(100));
    let (_, auth) = w.transcript.last().cloned().unwrap();
    let before = w.transcript.len();
    for exchange in [CREATE, INFORMATIONAL, ExchangeType::Other(99)] {
        request(exchange, 1).deliver(&mut w, &[]);
    }
    assert_eq!(w.transcript.len(), before);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::WrongExchange), 3);
    deliver(&mut w, Side::A, &auth);
    assert_eq!(w.b.up().len(), 1);
}

#[test]
fn a_response_leaves_once_for_each_copy_of_its_request() {
    let mut w = quiet(2, |_| ());
    let probe = request(INFORMATIONAL, NEXT).seal(&w, &[]);
    let before = sent(&w, Side::B);
    deliver(&mut w, Side::A, &probe);
    let answer = w.transcript.last().cloned();
    w.run_for(seconds(300));
    assert_eq!(sent(&w, Side::B), before + 1);
    deliver(&mut w, Side::A, &probe);
    assert_eq!(w.transcript.last().cloned(), answer);
    assert_eq!(sent(&w, Side::B), before + 2);
    // The next request makes it forgotten; neither it nor one too far ahead is answered.
    request(INFORMATIONAL, NEXT + 1).deliver(&mut w, &[]);
    deliver(&mut w, Side::A, &probe);
    request(INFORMATIONAL, NEXT + 9).deliver(&mut w, &[]);
    assert_eq!(sent(&w, Side::B), before + 3);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::OutsideWindow), 2);
}

#[test]
fn an_ike_sa_ends_before_its_message_ids() {
    let ids = |w: &mut World, ids| {
        w.a.endpoint.test_message_ids(ids);
        w.b.endpoint.test_message_ids(ids);
        w.run_for(seconds(30));
    };
    let mut w = world(3);
    w.establish();
    let old = w.a.up()[0].ike;
    ids(&mut w, u32::MAX - 100_000);
    assert_eq!(w.a.up()[0].ike, old, "not before its time");
    ids(&mut w, u32::MAX - 60_000);
    w.check_agreement();
    assert_ne!(w.a.up()[0].ike, old, "rekeyed");
    assert!(w.a.downs().is_empty() && w.b.downs().is_empty());
    let (header, _) = last(&w, Side::A);
    assert!(header.message_id < 20, "the new one counts from 0");
    ids(&mut w, u32::MAX - 10);
    assert!(
        w.a.downs().contains(&DownReason::Expired) || w.b.downs().contains(&DownReason::Expired)
    );
    w.run_for(seconds(30));
    w.check_agreement();
}

#[test]
fn a_temporary_failure_is_waited_for() {
    let mut w = quiet(4, |_| ());
    w.filter = Some(Box::new(|side, _| side == Side::A));
    let (now, old) = (w.now, *w.a.plane.keys().next().unwrap());
    assert!(w.a.endpoint.rekey_child(old, now));
    w.pump();
    response(CREATE, NEXT).deliver(&mut w, &[notify(kind::TEMPORARY_FAILURE)]);
    let before = sent(&w, Side::A);
    w.run_for(RETRY_WAIT - milliseconds(1));
    assert_eq!(sent(&w, Side::A), before);
    w.run_for(seconds(3));
    assert_eq!(last(&w, Side::A).0.message_id, NEXT + 1);
}

/// A peer that takes no CREATE_CHILD_SA at all: what is rekeyed is deleted and made anew, at last with another IKE SA.
#[test]
fn who_makes_no_further_sas_gets_new_ones_for_old_ones() {
    let refused = [notify(kind::NO_ADDITIONAL_SAS)];
    let alone = |seed| {
        let mut w = quiet(seed, |_| ());
        w.filter = Some(Box::new(|side, _| side == Side::A));
        w
    };
    let mut w = alone(5);
    let (now, old) = (w.now, *w.a.plane.keys().next().unwrap());
    let spi = w.a.plane[&old].install.inbound.spi;
    assert!(w.a.endpoint.rekey_child(old, now));
    w.pump();
    response(CREATE, NEXT).deliver(&mut w, &refused);
    assert_eq!(deleted(&last(&w, Side::A).1), [spi.0]);
    response(INFORMATIONAL, NEXT + 1).deliver(&mut w, &[]);
    let (header, payloads) = last(&w, Side::A);
    assert_eq!((header.exchange, header.message_id), (CREATE, NEXT + 2));
    assert_eq!(notified(&payloads), [], "it rekeys nothing");
    response(CREATE, NEXT + 2).deliver(&mut w, &refused);
    assert!(deletes_ike(&last(&w, Side::A).1));
    let mut w = alone(6);
    let (now, ike) = (w.now, w.a.up()[0].ike);
    assert!(w.a.endpoint.rekey_ike(ike, now));
    w.pump();
    response(CREATE, NEXT).deliver(&mut w, &refused);
    assert!(deletes_ike(&last(&w, Side::A).1));
}

#[test]
fn deletions_that_cross_are_answered_without_one() {
    let mut w = quiet(7, |_| ());
    for side in [Side::A, Side::B] {
        let now = w.now;
        let node = w.node(side);
        let id = *node.plane.keys().next().unwrap();
        assert!(node.endpoint.close_child(id, now));
    }
    w.pump();
    // The requests have come, the responses have not: nothing leaves by the pair any more.
    w.run_for(milliseconds(11));
    assert!(w.a.plane.is_empty() && w.b.plane.is_empty());
    for node in [&w.a, &w.b] {
        assert_eq!(node.endpoint.environment_ref().in_use.len(), 1);
    }
    for side in [Side::A, Side::B] {
        let (header, payloads) = last(&w, side);
        assert!(header.response && payloads.is_empty());
    }
    w.run_for(milliseconds(20));
    for node in [&w.a, &w.b] {
        assert!(node.endpoint.environment_ref().in_use.is_empty());
    }
}

#[test]
fn what_a_peer_replaces_and_forgets_is_deleted_by_us() {
    let mut w = quiet(8, |_| ());
    let old = w.b.plane.values().next().unwrap();
    let (ours, theirs) = (old.install.inbound.spi, old.install.outbound.spi);
    let selectors = ([ts("172.16.1.0/24")], [ts("10.0.0.0/8")]);
    let payloads = child((&selectors.0, &selectors.1), &[], Some(theirs));
    request(CREATE, NEXT).deliver(&mut w, &payloads);
    assert_eq!(w.b.plane.len(), 2);
    w.run_for(REPLACED_LIFETIME - seconds(1));
    assert_eq!(w.b.plane.len(), 2);
    w.run_for(milliseconds(1_005));
    let (header, payloads) = last(&w, Side::B);
    assert!(!header.response);
    assert_eq!(deleted(&payloads), [ours.0]);
    w.run_for(seconds(1));
    assert_eq!(w.b.plane.len(), 1);
}

/// Two pairs; the first child SA is of the second.
fn two_pairs(b: &mut Gateway) {
    b.vpns[0].selectors = vec![
        SelectorPair {
            local: ts("10.1.0.0/16"),
            remote: ts("172.16.2.0/24"),
        },
        SelectorPair {
            local: ts("10.2.0.0/16"),
            remote: ts("172.16.1.0/24"),
        },
    ];
}

const WIDE: [&str; 2] = ["172.16.0.0/12", "10.0.0.0/8"];

#[test]
fn a_rekey_keeps_what_is_in_use() {
    let mut w = quiet(9, |b| {
        two_pairs(b);
        b.vpns[0].selectors.swap(0, 1);
    });
    let mut changed = (*w.configs[1].gateways.iter().next().unwrap().clone()).clone();
    changed.vpns[0].selectors.swap(0, 1);
    w.b.endpoint.set_config(config(changed.clone()), w.now);
    let wide = (&[ts(WIDE[0])][..], &[ts(WIDE[1])][..]);
    let rekeyed = w.b.plane.values().next().unwrap().install.outbound.spi;
    request(CREATE, NEXT).deliver(&mut w, &child(wide, &[], Some(rekeyed)));
    let newest = &w.b.plane.values().last().unwrap().install;
    assert_eq!(newest.local_ts, [ts("10.2.0.0/16")]);
    assert_eq!(newest.remote_ts, [ts("172.16.1.0/24")]);
    // A new one, by contrast, gets the first pair, unless it begins with what another allows.
    request(CREATE, NEXT + 1).deliver(&mut w, &child(wide, &[], None));
    let newest = &w.b.plane.values().last().unwrap().install;
    assert_eq!(newest.local_ts, [ts("10.1.0.0/16")]);
    // Nor does a narrower configuration narrow it: the child SA is being deleted.
    changed.vpns[0].selectors[1].local = ts("10.2.0.0/24");
    w.b.endpoint.set_config(config(changed), w.now);
    let spi = Spi(0x7700_0001);
    let count = w.b.plane.len();
    request(CREATE, NEXT + 2).deliver(&mut w, &child(wide, &[], Some(spi)));
    let refused = (kind::TEMPORARY_FAILURE, Vec::new());
    assert_eq!(notified(&last(&w, Side::B).1), [refused]);
    assert_eq!(w.b.plane.len(), count);
}

#[test]
fn the_vpn_that_allows_the_first_choice_is_taken() {
    let mut w = quiet(10, |b| {
        two_pairs(b);
        let second = b.vpns[0].selectors.pop().unwrap();
        let other = Vpn {
            name: "other".into(),
            selectors: vec![second],
            ..b.vpns[0].clone()
        };
        b.vpns.push(other);
    });
    let remote = [ts("172.16.1.9/32"), ts(WIDE[0])];
    let local = [ts("10.2.0.7/32"), ts(WIDE[1])];
    request(CREATE, NEXT).deliver(&mut w, &child((&remote, &local), &[], None));
    let newest = &w.b.plane.values().last().unwrap().install;
    assert_eq!(&*newest.vpn, "other");
    assert_eq!(newest.local_ts, [ts("10.2.0.0/16")]);
}

const ONE: ([&str; 1], [&str; 1]) = (["172.16.1.0/24"], ["10.0.0.0/8"]);

fn with_value(groups: &[u16], value: u16) -> Vec<Payload> {
    let mut payloads = child((&ONE.0.map(ts), &ONE.1.map(ts)), groups, None);
    payloads.push(Payload::Ke(Ke {
        group: value,
        public: vec![4; 64],
    }));
    payloads
}

#[test]
fn without_a_group_the_value_is_passed_over() {
    let mut w = quiet(11, |_| ());
    request(CREATE, NEXT).deliver(&mut w, &with_value(&[19, 0], 19));
    let (_, answer) = last(&w, Side::B);
    assert!(!answer.iter().any(|p| matches!(p, Payload::Ke(_))));
    let none = Transform::plain(transform::DH, 0);
    let says_so =
        |p: &Payload| matches!(p, Payload::Sa(sa) if sa.proposals[0].transforms.contains(&none));
    assert!(answer.iter().any(says_so));
    assert_eq!(w.b.plane.len(), 2);
}

#[test]
fn a_value_of_another_group_is_refused_and_the_right_one_named() {
    let mut w = quiet(12, |b| b.vpns[0].pfs = Some(ravelin_types::DhGroup::Ecp384));
    request(CREATE, NEXT).deliver(&mut w, &with_value(&[19, 20], 19));
    let wanted = (kind::INVALID_KE_PAYLOAD, vec![0, 20]);
    assert_eq!(notified(&last(&w, Side::B).1), [wanted]);
    assert_eq!(w.b.plane.len(), 1);
}

#[test]
fn no_two_ike_sas_have_one_spi() {
    let mut w = quiet(13, |_| ());
    let up = w.a.up().remove(0);
    w.a.endpoint.environment().ike_spis = vec![up.spi_i];
    w.b.endpoint.environment().ike_spis = vec![up.spi_r];
    let now = w.now;
    assert!(w.a.endpoint.rekey_ike(up.ike, now));
    w.pump();
    w.run_for(seconds(1));
    w.check_agreement();
    let new = w.a.up().remove(0);
    assert!(new.spi_i != up.spi_i && new.spi_r != up.spi_r);
}

#[test]
fn an_answer_of_two_suites_ends_the_exchange() {
    let mut w = quiet(14, |_| ());
    w.filter = Some(Box::new(|side, _| side == Side::A));
    let (now, old) = (w.now, *w.a.plane.keys().next().unwrap());
    assert!(w.a.endpoint.rekey_child(old, now));
    w.pump();
    let (_, asked) = last(&w, Side::A);
    let mut answer: Vec<Payload> = asked
        .into_iter()
        .filter(|p| !matches!(p, Payload::Notify(_)))
        .collect();
    for p in &mut answer {
        if let Payload::Sa(sa) = p {
            let first = sa.proposals[0].transforms[0].clone();
            sa.proposals[0].transforms.push(first);
        }
    }
    response(CREATE, NEXT).deliver(&mut w, &answer);
    let reason = &w.a.failures[0].reason;
    assert!(matches!(reason, Reason::NotOffered(_)), "{reason:?}");
    assert_eq!(w.a.plane.len(), 1);
    assert!(deletes_ike(&last(&w, Side::A).1));
}

#[test]
fn a_wrong_cookie_is_as_good_as_none() {
    let mut b = config(gateway());
    Arc::get_mut(&mut b).unwrap().limits.cookie_threshold = 0;
    let mut w = World::new(15, config(peer()), b);
    w.filter = Some(Box::new(|_, _| true));
    w.run_for(milliseconds(1));
    let (_, first) = w.transcript[0].clone();
    let mut message = Message::parse(&first).unwrap();
    let made_up = Notify::new(kind::COOKIE, &[1; 33]);
    message.payloads.insert(0, Payload::Notify(made_up));
    deliver(&mut w, Side::A, &message.emit());
    let answer = last(&w, Side::B).1;
    assert!(
        matches!(&answer[..], [Payload::Notify(n)] if n.kind == kind::COOKIE && n.data.len() == 33)
    );
    assert_eq!(w.b.endpoint.half_open(), 0);
    message.payloads[0] = answer[0].clone();
    deliver(&mut w, Side::A, &message.emit());
    assert_eq!(w.b.endpoint.half_open(), 1);
}

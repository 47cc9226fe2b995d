//! Several key exchanges for one SA (RFC 9370): set-ups with IKE_INTERMEDIATE, rekeys with IKE_FOLLOWUP_KE, good and bad links, peers
//! that have other ideas.

use std::time::Duration;

use ravelin_types::{AdditionalKe, DhGroup};

use super::world::Side;
use super::*;
use crate::config::IkeProposal;
use crate::msg::ke::Ke;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Header, Message, Payload, sk};
use crate::{Count, Discard, Reason, Stage};

const ROUND: Duration = Duration::from_secs(2);

pub(super) fn methods(methods: &[DhGroup]) -> AdditionalKe {
    AdditionalKe::new(methods).unwrap()
}

fn hybrid(dh: DhGroup, additional: &[DhGroup]) -> IkeProposal {
    let mut proposal = ike_proposal(dh);
    proposal.suite = proposal.suite.with_additional(methods(additional)).unwrap();
    proposal
}

/// Both ends have these exchanges after Curve25519, for the IKE SA and its children.
pub(super) fn pair(additional: &[DhGroup]) -> (Gateway, Gateway) {
    let (mut a, mut b) = (peer(), gateway());
    for end in [&mut a, &mut b] {
        end.proposals = vec![hybrid(DhGroup::Curve25519, additional)];
        end.vpns[0].pfs = Some(DhGroup::Curve25519);
        end.vpns[0].additional = methods(additional);
    }
    (a, b)
}

fn between(seed: u64, additional: &[DhGroup]) -> World {
    let (a, b) = pair(additional);
    World::new(seed, config(a), config(b))
}

/// Messages of this exchange that a side sent, each counted once however it was cut or repeated.
fn messages(w: &World, of: Side, exchange: ExchangeType) -> usize {
    let sent = w.transcript.iter().filter(|(side, _)| *side == of);
    let headers = sent.map(|(_, data)| Message::parse(data).unwrap().header);
    let found = headers.filter(|h| h.exchange == exchange);
    let ids: std::collections::BTreeSet<_> = found.map(|h| (h.spi_i, h.message_id)).collect();
    ids.len()
}

#[test]
fn additional_key_exchanges_come_before_ike_auth() {
    for (seed, additional) in [
        &[DhGroup::MlKem768][..],
        &[DhGroup::Ecp384, DhGroup::MlKem1024],
        &[
            DhGroup::MlKem512,
            DhGroup::MlKem768,
            DhGroup::MlKem1024,
            DhGroup::Ecp256,
            DhGroup::Ecp384,
            DhGroup::Ecp521,
            DhGroup::Curve448,
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = between(seed as u64, additional);
        w.establish();
        w.check_agreement();
        let rounds = additional.len();
        for side in [Side::A, Side::B] {
            let exchange = ExchangeType::IkeIntermediate;
            assert_eq!(messages(&w, side, exchange), rounds, "{additional:?}");
        }
        let suite = w.a.up()[0].suite.unwrap();
        assert_eq!(suite.additional(), methods(additional));
    }
}

#[test]
fn ml_kem_may_be_the_only_key_exchange() {
    for group in [DhGroup::MlKem512, DhGroup::MlKem768, DhGroup::MlKem1024] {
        let (mut a, mut b) = (peer(), gateway());
        for end in [&mut a, &mut b] {
            end.proposals = vec![ike_proposal(group)];
            end.vpns[0].pfs = Some(group);
        }
        let mut w = World::new(1, config(a), config(b));
        w.establish();
        let (child, now) = (w.b.endpoint.child_sas().next().unwrap().child, w.now);
        assert!(w.b.endpoint.rekey_child(child, now));
        w.pump();
        w.run_for(ROUND);
        w.check_agreement();
    }
}

#[test]
fn rekeys_by_either_side_have_the_same_exchanges() {
    let additional = [DhGroup::MlKem768, DhGroup::Ecp384];
    for by in [Side::A, Side::B] {
        let mut w = between(3, &additional);
        w.establish();
        let now = w.now;
        let node = w.node(by);
        let child = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
        assert!(node.endpoint.rekey_child(child, now));
        w.pump();
        w.run_for(ROUND);
        w.check_agreement();
        assert_eq!(messages(&w, by, ExchangeType::IkeFollowupKe), 2);
        assert!(!w.a.plane.is_empty());
        let now = w.now;
        let node = w.node(by);
        let old = node.up()[0].ike;
        assert!(node.endpoint.rekey_ike(old, now));
        w.pump();
        w.run_for(ROUND);
        w.check_agreement();
        assert_eq!(messages(&w, by, ExchangeType::IkeFollowupKe), 4);
        assert_ne!(w.node(by).up()[0].ike, old);
        let suite = w.b.up()[0].suite.unwrap();
        assert_eq!(suite.additional(), methods(&additional));
    }
}

#[test]
fn a_peer_may_insist_on_additional_exchanges_of_a_child() {
    let (mut a, b) = (peer(), gateway());
    a.vpns[0].pfs = Some(DhGroup::Ecp256);
    a.vpns[0].additional = methods(&[DhGroup::MlKem512]);
    let mut w = World::new(4, config(a), config(b));
    w.establish();
    let (child, now) = (w.a.endpoint.child_sas().next().unwrap().child, w.now);
    assert!(w.a.endpoint.rekey_child(child, now));
    w.pump();
    w.run_for(ROUND);
    w.check_agreement();
    assert_eq!(messages(&w, Side::B, ExchangeType::IkeFollowupKe), 1);
}

#[test]
fn of_simultaneous_rekeys_one_is_followed_up() {
    for seed in 0..12 {
        let mut w = between(seed, &[DhGroup::MlKem768]);
        w.establish();
        let now = w.now;
        for side in [Side::A, Side::B] {
            let node = w.node(side);
            let child = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
            node.endpoint.rekey_child(child, now);
        }
        w.pump();
        let both = |w: &World, what| (w.a.count(what), w.b.count(what));
        let followed = |w: &World| {
            let followed = |by| messages(w, by, ExchangeType::IkeFollowupKe);
            followed(Side::A) + followed(Side::B)
        };
        w.run_for(ROUND);
        w.check_agreement();
        assert_eq!(both(&w, Count::Collision), (1, 1), "seed {seed}");
        assert_eq!(both(&w, Count::ChildRekeyed), (1, 1));
        assert_eq!(followed(&w), 2, "a request and a response");
        let now = w.now;
        let old = w.a.up()[0].ike;
        for side in [Side::A, Side::B] {
            let node = w.node(side);
            let ike = node.up()[0].ike;
            node.endpoint.rekey_ike(ike, now);
        }
        w.pump();
        w.run_for(ROUND);
        w.check_agreement();
        assert_ne!(w.a.up()[0].ike, old);
        assert_eq!(both(&w, Count::Collision), (2, 2), "seed {seed}");
        assert_eq!(both(&w, Count::IkeRekeyed), (1, 1));
        assert_eq!(followed(&w), 4);
        assert_eq!(both(&w, Count::TemporaryFailure), (0, 0));
        w.run_for(Duration::from_secs(120));
        w.check_agreement();
    }
}

#[test]
fn simultaneous_rekeys_agree_on_bad_links_and_over_restarts() {
    for seed in 0..30 {
        let mut w = between(100 + seed, &[DhGroup::MlKem768]);
        w.establish();
        w.case = format!("seed {seed}");
        w.link = Link::BAD;
        w.crash_percent = if seed % 3 == 0 { 2 } else { 0 };
        let now = w.now;
        for side in [Side::A, Side::B] {
            let node = w.node(side);
            if seed % 2 == 0 {
                let child = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
                node.endpoint.rekey_child(child, now);
            } else {
                let ike = node.up()[0].ike;
                node.endpoint.rekey_ike(ike, now);
            }
        }
        w.pump();
        w.run_for(Duration::from_secs(90));
        w.crash_percent = 0;
        w.link = Link::GOOD;
        w.run_for(Duration::from_secs(240));
        w.check_agreement();
        w.check_no_divergence();
    }
}

#[test]
fn whose_peer_won_and_does_not_go_on_rekeys_after_all() {
    for seed in 0..6 {
        let mut w = between(200 + seed, &[DhGroup::MlKem768]);
        w.establish();
        let now = w.now;
        let old = *w.a.plane.keys().next().unwrap();
        for side in [Side::A, Side::B] {
            let node = w.node(side);
            let child = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
            node.endpoint.rekey_child(child, now);
        }
        let mut dropped = 0;
        w.filter = Some(Box::new(move |_, m| {
            let first = m.header.exchange == ExchangeType::IkeFollowupKe && !m.header.response;
            dropped += u32::from(first);
            first && dropped < 8
        }));
        w.pump();
        w.run_for(Duration::from_secs(150));
        w.check_agreement();
        assert!(!w.a.plane.contains_key(&old), "{}", w.explain());
    }
}

#[test]
fn they_survive_loss_duplication_reordering_and_crashes() {
    for seed in 0..10 {
        let mut w = between(seed, &[DhGroup::MlKem1024, DhGroup::Ecp256]);
        w.link = Link::BAD;
        w.crash_percent = if seed % 2 == 0 { 0 } else { 3 };
        w.pump();
        let up = w.run_until(Duration::from_secs(600), World::is_up);
        assert!(up, "seed {seed}: {}", w.explain());
        let now = w.now;
        if let Some(ike) = w.b.up().first().map(|up| up.ike) {
            w.b.endpoint.rekey_ike(ike, now);
        }
        w.pump();
        w.run_for(Duration::from_secs(60));
        w.crash_percent = 0;
        w.link = Link::GOOD;
        w.run_for(Duration::from_secs(240));
        w.check_nonces();
        w.check_no_divergence();
        assert!(w.is_up(), "seed {seed}: {}", w.explain());
    }
}

#[test]
fn certificates_cover_what_was_said_before() {
    let (mut a, mut b) = super::certificates::pair();
    for end in [&mut a, &mut b] {
        end.proposals = vec![hybrid(DhGroup::Ecp256, &[DhGroup::MlKem768])];
    }
    let mut w = World::new(6, config(a), config(b));
    w.establish();
    w.check_agreement();
}

#[test]
fn whoever_has_no_additional_exchange_gets_what_both_have() {
    // The initiator prefers two, the responder has one proposal without.
    let (mut a, mut b) = pair(&[DhGroup::MlKem768]);
    a.proposals.push(ike_proposal(DhGroup::Curve25519));
    b.proposals = vec![ike_proposal(DhGroup::Curve25519)];
    a.vpns[0].pfs = None;
    b.vpns[0].pfs = None;
    (a.vpns[0].additional, b.vpns[0].additional) = (AdditionalKe::NONE, AdditionalKe::NONE);
    let mut w = World::new(7, config(a.clone()), config(b));
    w.establish();
    assert!(w.a.up()[0].suite.unwrap().additional().is_empty());
    // The responder wants them and the initiator does not: the line says what is missing.
    a.proposals.remove(0);
    let mut w = World::new(8, config(a), config(pair(&[DhGroup::MlKem768]).1));
    w.pump();
    w.run_for(ROUND);
    assert!(w.a.up().is_empty());
    let line = w.b.failures[0].to_string();
    assert!(
        line.ends_with(
            "no proposal chosen: additional key exchange: offered none; accepted ML_KEM_768"
        ),
        "{line}"
    );
}

/// A is stopped before this exchange; what it would have sent, and its keys.
fn stopped_at(exchange: ExchangeType) -> (World, Vec<u8>, Header) {
    let mut w = between(9, &[DhGroup::MlKem768]);
    w.filter = Some(Box::new(move |side, m| {
        side == Side::A && m.header.exchange == exchange
    }));
    w.pump();
    w.run_for(Duration::from_millis(500));
    let sent = w.transcript.iter().filter(|(side, _)| *side == Side::A);
    let mut stopped = sent.filter_map(|(_, data)| {
        let header = Message::parse(data).unwrap().header;
        (header.exchange == exchange).then(|| (data.clone(), header))
    });
    let (data, header) = stopped.next_back().unwrap();
    w.filter = None;
    (w, data, header)
}

/// Puts these payloads under A's keys in place of its message.
fn inject(w: &mut World, header: &Header, payloads: &[Payload]) {
    let ciphers = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
    let forged = sk::seal(header, payloads, &ciphers.0, &[9; 8]).unwrap();
    w.inject(Side::B, address(1), address(2), &forged);
}

#[test]
fn a_set_up_that_leaves_an_exchange_out_or_adds_one_is_refused() {
    let (mut w, _, header) = stopped_at(ExchangeType::IkeIntermediate);
    let auth = Header {
        exchange: ExchangeType::IkeAuth,
        ..header
    };
    inject(&mut w, &auth, &[]);
    let failure = &w.b.failures[0];
    let reason = Reason::KeyExchanges { done: 0, agreed: 1 };
    assert_eq!((failure.stage, &failure.reason), (Stage::Auth, &reason));
    assert!(w.b.up().is_empty());

    let (mut w, _, header) = stopped_at(ExchangeType::IkeAuth);
    let more = Header {
        exchange: ExchangeType::IkeIntermediate,
        ..header
    };
    let again = Payload::Ke(Ke {
        group: DhGroup::MlKem768.iana(),
        public: vec![0; DhGroup::MlKem768.public_octets()],
    });
    inject(&mut w, &more, &[again]);
    let failure = &w.b.failures[0];
    let reason = Reason::KeyExchanges { done: 1, agreed: 1 };
    assert_eq!(
        (failure.stage, &failure.reason),
        (Stage::Intermediate, &reason)
    );
}

#[test]
fn wrong_key_exchange_values_are_refused_by_name() {
    let ke = |group: DhGroup, octets: usize| {
        Payload::Ke(Ke {
            group: group.iana(),
            public: vec![0xff; octets],
        })
    };
    let wanted = DhGroup::MlKem768;
    for (payloads, text) in [
        (vec![], "has no key exchange value of ml-kem-768"),
        (
            vec![ke(DhGroup::Ecp256, 64)],
            "has no key exchange value of ml-kem-768",
        ),
        (
            vec![ke(wanted, 1183)],
            "public value for ml-kem-768 has 1183 octets, expected 1184",
        ),
        (
            vec![ke(wanted, 1184)],
            "public value for ml-kem-768 is not a valid element (RFC 6989)",
        ),
    ] {
        let (mut w, _, header) = stopped_at(ExchangeType::IkeIntermediate);
        inject(&mut w, &header, &payloads);
        w.run_for(Duration::from_millis(100));
        let line = w.b.failures[0].to_string();
        assert!(line.ends_with(text), "{line}");
        assert!(w.b.up().is_empty());
    }
}

#[test]
fn a_repeated_exchange_is_answered_bit_by_bit_under_the_keys_before_it() {
    let (mut w, _, _) = stopped_at(ExchangeType::IkeAuth);
    let exchange = ExchangeType::IkeIntermediate;
    let all = |w: &World, of: Side| -> Vec<Vec<u8>> {
        let sent = w.transcript.iter().filter(|(side, _)| *side == of);
        sent.map(|(_, data)| data.clone())
            .filter(|data| Message::parse(data).unwrap().header.exchange == exchange)
            .collect()
    };
    let (requests, answers) = (all(&w, Side::A), all(&w, Side::B));
    for request in &requests {
        w.inject(Side::B, address(1), address(2), request);
    }
    let again = all(&w, Side::B);
    assert_eq!(again, [answers.clone(), answers].concat());
    // Under other keys it is nobody's.
    let mut other = requests[0].clone();
    *other.last_mut().unwrap() ^= 1;
    w.inject(Side::B, address(1), address(2), &other);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::Integrity), 1);
    w.run_for(ROUND);
    w.check_agreement();
}

#[test]
fn a_follow_up_that_nobody_waits_for_is_not_found() {
    let mut w = between(10, &[DhGroup::MlKem768]);
    w.establish();
    let up = &w.a.up()[0];
    let header = Header {
        spi_i: up.spi_i,
        spi_r: up.spi_r,
        exchange: ExchangeType::IkeFollowupKe,
        initiator: true,
        response: false,
        message_id: 3,
    };
    let ke = Payload::Ke(Ke {
        group: DhGroup::MlKem768.iana(),
        public: vec![0; 1184],
    });
    let link = Payload::Notify(Notify::new(kind::ADDITIONAL_KEY_EXCHANGE, &[1; 8]));
    inject(&mut w, &header, &[ke, link]);
    let (_, answer) = w.transcript.last().cloned().unwrap();
    let message = Message::parse(&answer).unwrap();
    let ciphers = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
    let payloads = message.sk().unwrap().open(&answer, &ciphers.1).unwrap();
    let wanted = Notify::new(kind::STATE_NOT_FOUND, &[]);
    assert_eq!(payloads, vec![Payload::Notify(wanted)]);
    assert_eq!(w.b.up().len(), 1);
}

#[test]
fn what_the_peer_does_not_follow_up_is_given_up() {
    let mut w = between(11, &[DhGroup::MlKem768]);
    w.establish();
    let (child, now) = (w.a.endpoint.child_sas().next().unwrap().child, w.now);
    assert!(w.a.endpoint.rekey_child(child, now));
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == ExchangeType::IkeFollowupKe
    }));
    w.pump();
    w.run_for(crate::timers::FOLLOWUP_LIFETIME + ROUND);
    // The repetition comes too late; the rekey starts over.
    w.filter = None;
    w.run_for(Duration::from_secs(90));
    w.check_agreement();
    let failure = w.a.failures.last().unwrap();
    assert!(
        failure.to_string().contains("STATE_NOT_FOUND (47)"),
        "{failure}"
    );
    assert!(w.is_up());
}

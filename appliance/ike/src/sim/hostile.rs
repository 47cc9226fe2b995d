//! What attackers send: nothing they send disturbs an established tunnel, and nothing panics.

use std::time::Duration;

use proptest::prelude::*;
use ravelin_crypto::SkCipher;

use super::world::Side;
use super::*;
use crate::msg::auth::Auth;
use crate::msg::notify::{Notify, kind};
use crate::msg::{Message, Payload, sk};
use crate::{Count, Discard, Reason};

/// Rewrites the AUTH payload of A's IKE_AUTH on its way, with A's keys.
fn with_auth(data: Vec<u8>) -> World {
    let mut w = world(1);
    w.pump();
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.run_for(Duration::from_millis(200));
    let (_, raw) = w
        .transcript
        .iter()
        .rfind(|(side, _)| *side == Side::A)
        .cloned()
        .unwrap();
    let message = Message::parse(&raw).unwrap();
    let ciphers = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let mut payloads = message.sk().unwrap().open(&raw, &ciphers.0).unwrap();
    for p in &mut payloads {
        if let Payload::Auth(auth) = p {
            *auth = Auth {
                method: auth.method,
                data: data.clone(),
            };
        }
    }
    let forged = sk::seal(&message.header, &payloads, &ciphers.0, &[9; 8]).unwrap();
    w.inject(Side::B, address(1), address(2), &forged);
    w
}

#[test]
fn empty_short_and_long_authentication_data_is_refused() {
    for len in [0usize, 1, 16, 31, 33, 64] {
        let w = with_auth(vec![0; len]);
        assert!(w.b.up().is_empty() && w.b.plane.is_empty());
        assert_eq!(
            w.b.failures[0].reason,
            Reason::AuthLength {
                got: len,
                expected: 32
            }
        );
    }
    let w = with_auth(vec![0; 32]);
    assert!(w.b.up().is_empty());
    assert_eq!(w.b.failures[0].reason, Reason::WrongKey);
    assert_eq!(w.b.count(Count::AuthFailed), 1);
}

/// A message of A to B under the keys of their IKE SA.
fn from_a(
    w: &World,
    chain: &[u8],
    first: u8,
    message_id: u32,
    exchange: crate::msg::ExchangeType,
) -> Vec<u8> {
    let up = &w.a.up()[0];
    let ciphers: (SkCipher, SkCipher) = w.a.endpoint.test_ciphers(up.spi_i).unwrap();
    let header = crate::msg::Header {
        spi_i: up.spi_i,
        spi_r: up.spi_r,
        exchange,
        initiator: true,
        response: false,
        message_id,
    };
    sk::seal_raw(&header, first, chain, &ciphers.0, &[0xaa; 8]).unwrap()
}

#[test]
fn an_unknown_critical_payload_is_named_and_the_tunnel_stays() {
    let mut w = world(2);
    w.establish();
    let chain = [0u8, 0x80, 0, 4];
    let data = from_a(&w, &chain, 200, 2, crate::msg::ExchangeType::Informational);
    w.inject(Side::B, address(1), address(2), &data);
    let (_, answer) = w.transcript.last().cloned().unwrap();
    let message = Message::parse(&answer).unwrap();
    let ciphers = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let payloads = message.sk().unwrap().open(&answer, &ciphers.1).unwrap();
    let wanted = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[200]);
    assert_eq!(payloads, vec![Payload::Notify(wanted)]);
    assert_eq!(w.b.up().len(), 1);
}

#[test]
fn malformed_content_from_the_peer_itself_ends_only_its_own_ike_sa() {
    let mut w = world(3);
    w.establish();
    let data = from_a(
        &w,
        &[0, 0, 0, 3],
        41,
        2,
        crate::msg::ExchangeType::Informational,
    );
    w.inject(Side::B, address(1), address(2), &data);
    assert_eq!(w.b.downs(), [crate::DownReason::Protocol]);
}

#[test]
fn forged_replayed_and_foreign_messages_are_counted_and_change_nothing() {
    let mut w = world(4);
    w.establish();
    let seen: Vec<_> = w.transcript.clone();
    for (side, data) in &seen {
        let (to, from, at) = match side {
            Side::A => (Side::B, address(1), address(2)),
            Side::B => (Side::A, address(2), address(1)),
        };
        w.inject(to, from, at, data);
        let mut forged = data.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        w.inject(to, from, at, &forged);
        w.inject(to, address(66), at, &data[..last]);
    }
    assert!(w.b.endpoint.stats().discarded(Discard::Integrity) > 0);
    assert!(w.b.endpoint.stats().discarded(Discard::Malformed) > 0);
    w.run_for(Duration::from_secs(60));
    w.check_agreement();
    assert_eq!(w.b.endpoint.half_open(), 0);
}

#[test]
fn a_flood_of_first_messages_stays_within_bounds_and_set_ups_go_on() {
    let mut b = config(gateway());
    Arc::get_mut(&mut b).unwrap().limits = Limits {
        half_open_max: 20,
        cookie_threshold: 10,
    };
    let mut w = World::new(5, config(peer()), b);
    let (first, mut attacker) = {
        let mut other = world(6);
        other.pump();
        other.run_for(Duration::from_millis(1));
        (other.transcript[0].1.clone(), super::Rng::new(5))
    };
    for n in 0..500u32 {
        let mut data = first.clone();
        data[..8].copy_from_slice(&attacker.next().to_be_bytes());
        let from = std::net::SocketAddr::new([198, 51, (n >> 8) as u8, n as u8].into(), 500);
        w.inject(Side::B, from, address(2), &data);
        assert!(w.b.endpoint.half_open() <= 20);
    }
    assert!(w.b.count(Count::CookieSent) >= 400);
    w.pump();
    assert!(
        w.run_until(Duration::from_secs(10), World::is_up),
        "{}",
        w.explain()
    );
    w.run_for(Duration::from_secs(60));
    assert_eq!(w.b.endpoint.half_open(), 0);
}

#[test]
fn a_first_message_of_excessive_length_is_not_kept() {
    let mut w = world(9);
    w.pump();
    w.run_for(Duration::from_millis(1));
    let first = w.transcript[0].1.clone();
    let padded = |octets: usize| {
        let mut message = Message::parse(&first).unwrap();
        message.header.spi_i ^= octets as u64;
        message
            .payloads
            .push(Payload::Notify(Notify::new(40_000, &vec![0; octets])));
        message.emit()
    };
    w.inject(Side::B, address(3), address(2), &padded(9_000));
    assert_eq!(w.b.endpoint.half_open(), 0);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::FirstTooLong), 1);
    w.inject(Side::B, address(3), address(2), &padded(4_000));
    assert_eq!(w.b.endpoint.half_open(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn decrypted_nonsense_never_panics_and_never_touches_another_peer(
        chain in proptest::collection::vec(any::<u8>(), 0..200), first in 33u8..54, create in any::<bool>(),
    ) {
        let mut w = world(7);
        w.establish();
        let exchange = if create { crate::msg::ExchangeType::CreateChildSa } else { crate::msg::ExchangeType::Informational };
        let data = from_a(&w, &chain, first, 2, exchange);
        w.inject(Side::B, address(1), address(2), &data);
        w.run_for(Duration::from_secs(200));
        prop_assert!(w.is_up(), "{}", w.explain());
    }

    #[test]
    fn random_datagrams_never_panic(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut w = world(8);
        w.inject(Side::B, address(1), address(2), &data);
        prop_assert_eq!(w.b.endpoint.half_open(), 0);
    }
}

//! Quick crash detection (RFC 6290).

use std::time::Duration;

use super::world::Side;
use super::*;
use crate::Count;
use crate::event::DownReason;
use crate::msg::notify::kind;
use crate::msg::{Message, Payload};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn with_tokens(gateway: Gateway) -> Gateway {
    let quick_crash_detection = true;
    Gateway {
        quick_crash_detection,
        ..gateway
    }
}

fn configs() -> (Arc<Config>, Arc<Config>) {
    (config(with_tokens(peer())), config(with_tokens(gateway())))
}

fn established(seed: u64) -> World {
    let (a, b) = configs();
    let mut w = World::new(seed, a, b);
    w.establish();
    w
}

/// The machine begins anew: it has lost all but what its environment keeps.
fn reboot(w: &mut World, side: Side) {
    w.node(side).lose_memory();
    w.crash(side);
}

/// Payloads of the last message of B, which is unprotected.
fn last_of_b(w: &World) -> Vec<Payload> {
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == Side::B).unwrap();
    Message::parse(data).unwrap().payloads
}

#[test]
fn a_peer_learns_at_once_that_the_gateway_has_lost_its_session() {
    for rekeyed_by in [None, Some(Side::A), Some(Side::B)] {
        let mut w = established(1);
        if let Some(side) = rekeyed_by {
            let (now, ike) = (w.now, w.node(side).up()[0].ike);
            assert!(w.node(side).endpoint.rekey_ike(ike, now));
            w.pump();
            w.run_for(seconds(5));
            w.check_agreement();
        }
        reboot(&mut w, Side::B);
        // The next probe asks, and the set-up begins anew with nothing to wait for.
        w.run_for(seconds(14));
        assert_eq!(
            w.a.downs(),
            [DownReason::PeerCrashed],
            "{rekeyed_by:?} {}",
            w.explain()
        );
        assert_eq!((w.a.count(Count::PeerCrashed), w.a.up().len()), (1, 1));
        w.check_agreement();
    }
}

#[test]
fn the_gateway_learns_it_of_a_peer() {
    for rekeyed_by in [None, Some(Side::A), Some(Side::B)] {
        let mut w = established(2);
        if let Some(side) = rekeyed_by {
            let (now, ike) = (w.now, w.node(side).up()[0].ike);
            assert!(w.node(side).endpoint.rekey_ike(ike, now));
            w.pump();
            w.run_for(seconds(5));
        }
        // It does not come back by itself.
        let mut quiet = with_tokens(peer());
        quiet.vpns[0].establish_immediately = false;
        w.configs[0] = config(quiet);
        reboot(&mut w, Side::A);
        w.run_for(seconds(14));
        assert_eq!(w.b.downs(), [DownReason::PeerCrashed], "{rekeyed_by:?}");
        assert!(w.b.plane.is_empty());
    }
}

#[test]
fn the_token_is_of_one_ike_sa_and_one_secret() {
    let mut w = established(3);
    let up = &w.b.up()[0];
    let (spi_i, spi_r) = (up.spi_i, up.spi_r);
    let mut stranger = established(4);
    reboot(&mut stranger, Side::B);
    stranger.run_for(seconds(11));
    // Another secret, another IKE SA: neither is taken.
    let mut other = stranger.b.endpoint.test_lost(spi_i, spi_r);
    w.inject(Side::A, address(2), address(1), &other);
    other = w.b.endpoint.test_lost(spi_i, spi_r ^ 1);
    let mut message = Message::parse(&other).unwrap();
    message.header.spi_r = spi_r;
    w.inject(Side::A, address(2), address(1), &message.emit());
    // INVALID_IKE_SPI alone proves nothing, nor does the token alone.
    let right = Message::parse(&w.b.endpoint.test_lost(spi_i, spi_r)).unwrap();
    for only in 0..2 {
        let mut half = right.clone();
        half.payloads = vec![half.payloads[only].clone()];
        w.inject(Side::A, address(2), address(1), &half.emit());
    }
    assert!(w.a.downs().is_empty());
    w.inject(Side::A, address(2), address(1), &right.emit());
    assert_eq!(w.a.downs(), [DownReason::PeerCrashed]);
}

#[test]
fn no_token_leaves_while_the_ike_sa_is_known() {
    let mut w = established(5);
    let up = w.b.up().remove(0);
    let before = w.b.count(Count::TokenSent);
    for exchange in [
        crate::msg::ExchangeType::Informational,
        crate::msg::ExchangeType::IkeAuth,
    ] {
        let header = crate::msg::Header {
            spi_i: up.spi_i,
            spi_r: up.spi_r,
            exchange,
            initiator: true,
            response: false,
            message_id: 9,
        };
        let payloads = Vec::new();
        let data = Message { header, payloads }.emit();
        w.inject(Side::B, address(9), address(2), &data);
    }
    assert_eq!(w.b.count(Count::TokenSent), before);
}

#[test]
fn without_the_statement_there_is_no_token() {
    let mut w = World::new(6, config(with_tokens(peer())), config(gateway()));
    w.establish();
    reboot(&mut w, Side::B);
    w.run_for(seconds(11));
    let kinds: Vec<_> = last_of_b(&w)
        .iter()
        .map(|p| match p {
            Payload::Notify(n) => n.kind,
            _ => 0,
        })
        .collect();
    assert_eq!(kinds, [kind::INVALID_IKE_SPI]);
    assert!(w.a.downs().is_empty());
}

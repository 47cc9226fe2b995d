//! Peers that are sent to another gateway (RFC 5685).

use std::time::Duration;

use super::world::Side;
use super::*;
use crate::config::{Redirect, RedirectAt};
use crate::event::DownReason;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Message, Payload};
use crate::{Count, SessionId};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn redirecting(at: RedirectAt) -> Gateway {
    let to = "198.51.100.7".parse().unwrap();
    let redirect = Some(Redirect { to, at });
    Gateway {
        redirect,
        ..gateway()
    }
}

/// `type | length | 198.51.100.7`
const TARGET: [u8; 6] = [1, 4, 198, 51, 100, 7];

/// A's first message with these notifications besides.
fn first_message(w: &World, notifies: &[Notify]) -> Vec<u8> {
    let (_, data) = &w.transcript[0];
    let mut message = Message::parse(data).unwrap();
    let more = notifies.iter().cloned().map(Payload::Notify);
    message.payloads.extend(more);
    message.emit()
}

fn supported() -> Notify {
    Notify::new(kind::REDIRECT_SUPPORTED, &[])
}

/// A world whose peer says that it knows redirects; both have sent nothing to each other yet.
fn before(at: RedirectAt) -> World {
    let mut w = World::new(1, config(peer()), config(redirecting(at)));
    w.link.cut = true;
    w.run_for(Duration::from_millis(50));
    w
}

fn last_of_b(w: &World) -> Vec<Payload> {
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == Side::B).unwrap();
    Message::parse(data).unwrap().payloads
}

#[test]
fn the_first_message_is_answered_without_memory() {
    let mut w = before(RedirectAt::Init);
    let data = first_message(&w, &[supported()]);
    w.inject(Side::B, address(1), address(2), &data);
    let nonce = Message::parse(&data)
        .unwrap()
        .payloads
        .into_iter()
        .find_map(|p| match p {
            Payload::Nonce(n) => Some(n.0),
            _ => None,
        });
    let wanted = Notify::new(kind::REDIRECT, &[&TARGET[..], &nonce.unwrap()].concat());
    assert_eq!(last_of_b(&w), [Payload::Notify(wanted)]);
    assert_eq!(w.b.count(Count::Redirected), 1);
    assert_eq!((w.b.endpoint.half_open(), w.b.journal.len()), (0, 0));
}

#[test]
fn who_does_not_know_redirects_or_comes_from_there_is_served() {
    let from = Notify::new(kind::REDIRECTED_FROM, &TARGET);
    for (notifies, sent) in [
        (vec![], 0),
        (vec![from.clone()], 0),
        (vec![supported(), from], 0),
        (
            vec![Notify::new(kind::REDIRECTED_FROM, &[1, 4, 192, 0, 2, 99])],
            1,
        ),
    ] {
        let mut w = before(RedirectAt::Init);
        let data = first_message(&w, &notifies);
        w.inject(Side::B, address(1), address(2), &data);
        assert_eq!(w.b.count(Count::Redirected), sent, "{notifies:?}");
        assert_eq!(w.b.endpoint.half_open() as u64, 1 - sent);
    }
}

#[test]
fn a_gateway_that_stays_at_the_same_address_keeps_its_peers() {
    let mut stays = gateway();
    stays.name = "stays".into();
    let both = Config {
        gateways: [redirecting(RedirectAt::Init), stays]
            .map(Arc::new)
            .into_iter()
            .collect(),
        limits: Limits::default(),
    };
    let mut w = World::new(2, config(peer()), Arc::new(both));
    w.link.cut = true;
    w.run_for(Duration::from_millis(50));
    let data = first_message(&w, &[supported()]);
    w.inject(Side::B, address(1), address(2), &data);
    assert_eq!(w.b.count(Count::Redirected), 0, "it may be meant");
}

/// B takes A for one that has said that it knows redirects; A would not say it.
fn knowing(seed: u64, at: RedirectAt) -> World {
    let mut w = World::new(seed, config(peer()), config(redirecting(at)));
    w.pump();
    assert!(w.run_until(seconds(1), |w| w.b.endpoint.half_open() == 1));
    w.b.endpoint.test_redirectable();
    w
}

#[test]
fn an_authenticated_peer_gets_no_child() {
    let mut w = knowing(3, RedirectAt::Auth);
    assert!(w.run_until(seconds(1), |w| w.b.count(Count::Redirected) == 1));
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == Side::B).unwrap();
    let message = Message::parse(data).unwrap();
    let (_, cipher) = w.b.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let payloads = message.sk().unwrap().open(data, &cipher).unwrap();
    let redirect = Payload::Notify(Notify::new(kind::REDIRECT, &TARGET));
    assert!(
        matches!(payloads.as_slice(), [Payload::IdR(_), Payload::Auth(_), last] if *last == redirect)
    );
    assert!(
        w.b.plane.is_empty() && w.b.up().len() == 1,
        "{}",
        w.explain()
    );
    // Ours has not said that it would follow, and takes it for an answer without a child.
    w.run_for(seconds(1));
    assert_eq!(w.b.downs()[0], DownReason::PeerDeleted);
}

#[test]
fn an_order_sends_an_established_peer() {
    for at in [RedirectAt::Order, RedirectAt::Init] {
        let mut w = World::new(4, config(peer()), config(redirecting(at)));
        w.establish();
        let (session, now) = (w.b.up()[0].session, w.now);
        assert!(
            !w.b.endpoint.redirect(session, now),
            "it has not said that it knows redirects"
        );
        assert!(!w.b.endpoint.redirect(SessionId(99), now));
    }
    let mut w = knowing(5, RedirectAt::Order);
    assert!(w.run_until(seconds(5), World::is_up));
    let (session, now) = (w.b.up()[0].session, w.now);
    assert!(w.b.endpoint.redirect(session, now));
    w.pump();
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == Side::B).unwrap();
    let message = Message::parse(data).unwrap();
    assert_eq!(message.header.exchange, ExchangeType::Informational);
    let (_, cipher) = w.b.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let payloads = message.sk().unwrap().open(data, &cipher).unwrap();
    assert_eq!(
        payloads,
        [Payload::Notify(Notify::new(kind::REDIRECT, &TARGET))]
    );
    w.run_for(seconds(30));
    assert!(w.is_up(), "until it has gone, or for a minute");
    w.run_for(seconds(35));
    assert_eq!(w.b.downs(), [DownReason::Expired]);
}

//! Peers that get their addresses from a pool (RFC 7296 section 2.19).

use std::net::IpAddr;
use std::time::Duration;

use super::world::Side;
use super::*;
use crate::Reason;
use crate::config::AddressPool;
use crate::msg::cp::{Attribute, Cp, attribute, cfg};
use crate::msg::notify::kind;
use crate::msg::payload::number;
use crate::msg::{ExchangeType, Message, Payload, sk};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn giving(inet: &str) -> Gateway {
    let pool = Some(AddressPool {
        name: "ran".into(),
        inet: Some(inet.parse().unwrap()),
        inet6: None,
        dns: vec![ip("10.0.0.53"), ip("2001:db8::53")],
    });
    Gateway { pool, ..gateway() }
}

fn asking(kinds: &[u16]) -> Cp {
    let asked = kinds.iter().map(|kind| Attribute {
        kind: *kind,
        value: Vec::new(),
    });
    let (kind, attributes) = (cfg::REQUEST, asked.collect());
    Cp { kind, attributes }
}

/// Runs A's set-up; its IKE_AUTH asks for this besides, which A itself does not.
fn ask(w: &mut World, cp: &Cp) -> Vec<Payload> {
    let begun = w.transcript.len();
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.pump();
    let sent = |w: &World| {
        let own = w
            .transcript
            .iter()
            .skip(begun)
            .filter(|(s, _)| *s == Side::A);
        let mut auth = own.filter(|(_, d)| Message::parse(d).unwrap().sk().is_some());
        auth.next().map(|(_, d)| d.clone())
    };
    assert!(
        w.run_until(seconds(5), |w| sent(w).is_some()),
        "{}",
        w.explain()
    );
    let raw = sent(w).unwrap();
    let message = Message::parse(&raw).unwrap();
    let (ours, theirs) = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let mut payloads = message.sk().unwrap().open(&raw, &ours).unwrap();
    payloads.push(Payload::Cp(cp.clone()));
    let data = sk::seal(&message.header, &payloads, &ours, &[9; 8]).unwrap();
    w.filter = None;
    w.inject(Side::B, address(1), address(2), &data);
    let (_, answer) = w.transcript.iter().rfind(|(s, _)| *s == Side::B).unwrap();
    let message = Message::parse(answer).unwrap();
    message.sk().unwrap().open(answer, &theirs).unwrap()
}

fn reply(payloads: &[Payload]) -> Option<&Cp> {
    payloads.iter().find_map(|p| match p {
        Payload::Cp(cp) => Some(cp),
        _ => None,
    })
}

fn notified(payloads: &[Payload]) -> Vec<u16> {
    let kinds = payloads.iter().filter_map(|p| match p {
        Payload::Notify(n) => Some(n.kind),
        _ => None,
    });
    kinds.collect()
}

fn leases(w: &World) -> Vec<IpAddr> {
    w.b.endpoint.ike_sas().flat_map(|s| s.leases).collect()
}

const BOTH: [u16; 4] = [
    attribute::INTERNAL_IP4_ADDRESS,
    attribute::INTERNAL_IP4_DNS,
    attribute::INTERNAL_IP6_ADDRESS,
    attribute::INTERNAL_IP6_DNS,
];

#[test]
fn an_address_bounds_the_child_and_outlives_rekeys_and_restarts() {
    let mut w = World::new(1, config(peer()), config(giving("172.16.1.0/29")));
    let answer = ask(&mut w, &asking(&BOTH));
    let attributes = |kind, value: &[u8]| Attribute {
        kind,
        value: value.to_vec(),
    };
    let given = vec![
        attributes(attribute::INTERNAL_IP4_ADDRESS, &[172, 16, 1, 1]),
        attributes(attribute::INTERNAL_IP4_DNS, &[10, 0, 0, 53]),
        attributes(
            attribute::INTERNAL_IP6_DNS,
            &"2001:db8::53"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        ),
    ];
    let (kind, attributes) = (cfg::REPLY, given);
    assert_eq!(reply(&answer), Some(&Cp { kind, attributes }));
    assert!(w.run_until(seconds(5), World::is_up), "{}", w.explain());
    let own = ts("172.16.1.1/32");
    for round in 0..3 {
        let pairs: Vec<_> =
            w.b.plane
                .values()
                .map(|p| p.install.remote_ts.clone())
                .collect();
        assert_eq!(pairs, [vec![own]], "round {round}");
        assert_eq!(leases(&w), [ip("172.16.1.1")]);
        let (now, child, ike) = (w.now, *w.a.plane.keys().next().unwrap(), w.b.up()[0].ike);
        match round {
            0 => w.a.endpoint.rekey_child(child, now),
            _ => w.b.endpoint.rekey_ike(ike, now),
        };
        w.pump();
        w.run_for(seconds(10));
        w.crash(Side::B);
        w.run_for(seconds(1));
    }
    w.check_agreement();
    let (session, now) = (w.b.up()[0].session, w.now);
    w.b.endpoint.close(session, now);
    w.pump();
    w.run_for(Duration::from_millis(100));
    assert!(leases(&w).is_empty());
}

#[test]
fn who_gets_none_gets_no_child() {
    let none = |seed| World::new(seed, config(peer()), config(giving("172.16.1.0/29")));
    let mut w = none(2);
    let answer = ask(&mut w, &asking(&[attribute::INTERNAL_IP6_ADDRESS]));
    assert_eq!(notified(&answer), [kind::INTERNAL_ADDRESS_FAILURE]);
    assert_eq!(w.b.failures[0].reason, Reason::NoAddress("ran".into()));
    assert_eq!((w.b.up().len(), w.b.plane.len()), (1, 0));
    let mut w = none(3);
    w.pump();
    w.run_for(seconds(1));
    assert_eq!(w.b.failures[0].reason, Reason::NoAddressAsked("ran".into()));
    assert_eq!((w.b.up().len(), w.b.plane.len()), (1, 0));
    // A request of another type asks for nothing.
    let mut w = none(4);
    let set = Cp {
        kind: cfg::SET,
        ..asking(&BOTH)
    };
    assert_eq!(notified(&ask(&mut w, &set)), [kind::FAILED_CP_REQUIRED]);
}

#[test]
fn attributes_that_are_not_known_are_left_out_and_a_version_is_empty() {
    let mut w = World::new(7, config(peer()), config(giving("172.16.1.0/29")));
    // Netmask, the former expiry (section 1.7), version, supported attributes, subnet, and what nobody knows.
    let asked = asking(&[2, 5, attribute::APPLICATION_VERSION, 14, 13, 0x7abc, 1]);
    let answer = ask(&mut w, &asked);
    let at = |kind| answer.iter().position(|p| p.kind() == kind).unwrap();
    assert!(at(number::AUTH) < at(number::CP) && at(number::CP) < at(number::SA));
    let Cp { kind, attributes } = reply(&answer).unwrap();
    let kinds: Vec<u16> = attributes.iter().map(|a| a.kind).collect();
    assert_eq!((*kind, kinds), (cfg::REPLY, vec![1, 7]));
    assert!(attributes[1].value.is_empty());
}

#[test]
fn an_established_peer_is_told_nothing_and_sets_nothing() {
    let mut w = World::new(8, config(peer()), config(gateway()));
    w.establish();
    let version = Attribute {
        kind: attribute::APPLICATION_VERSION,
        value: Vec::new(),
    };
    let questions = [
        (cfg::REQUEST, cfg::REPLY, vec![version]),
        (cfg::SET, cfg::ACK, Vec::new()),
    ];
    for (id, (kind, answered, attributes)) in (2..).zip(questions) {
        let cp = Cp {
            kind,
            ..asking(&[attribute::APPLICATION_VERSION, 9, 0x7abc])
        };
        let question = craft::request(ExchangeType::Informational, id);
        question.deliver(&mut w, &[Payload::Cp(cp)]);
        let kind = answered;
        let wanted = Payload::Cp(Cp { kind, attributes });
        assert_eq!(craft::last(&w, Side::B).1, [wanted]);
    }
}

#[test]
fn a_peer_that_comes_anew_takes_over_what_it_had() {
    let mut w = World::new(5, config(peer()), config(giving("172.16.1.9/32")));
    ask(&mut w, &asking(&BOTH));
    assert!(w.run_until(seconds(5), World::is_up));
    // A loses everything, and B does not know: the only address of the pool is in use.
    w.a.journal.retain(|subject, _| *subject == 0);
    w.crash(Side::A);
    let answer = ask(&mut w, &asking(&BOTH));
    assert!(reply(&answer).is_some(), "{}", w.explain());
    w.run_for(seconds(1));
    assert_eq!((leases(&w), w.b.up().len()), (vec![ip("172.16.1.9")], 1));
}

#[test]
fn without_a_pool_nothing_is_answered() {
    let mut w = World::new(6, config(peer()), config(gateway()));
    let answer = ask(&mut w, &asking(&BOTH));
    assert_eq!(reply(&answer), None);
    assert!(w.run_until(seconds(5), World::is_up));
}

//! What a trace tells of a negotiation.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::Datagram;
use crate::trace::{Direction, MAX_ENTRIES, TraceEntry, TraceFilter};

const MINUTE: Duration = Duration::from_secs(60);

fn heads(entries: &[TraceEntry]) -> Vec<String> {
    let head = |entry: &TraceEntry| {
        let text = entry.lines[0].split(", SPIs").next().unwrap();
        match entry.direction {
            Direction::Received => format!("< {text}"),
            Direction::Sent => format!("> {text}"),
            Direction::Note => text.to_owned(),
        }
    };
    entries.iter().map(head).collect()
}

fn traced(w: &World) -> Vec<TraceEntry> {
    let trace = w.b.endpoint.trace().unwrap();
    trace.entries.iter().cloned().collect()
}

#[test]
fn a_set_up_is_told_message_by_message() {
    let mut w = world(1);
    let (peer, now) = (address(1).ip(), w.now);
    w.b.endpoint.trace_start(peer, false, now, now + MINUTE);
    w.establish();
    let entries = traced(&w);
    assert_eq!(
        heads(&entries),
        [
            "< IKE_SA_INIT request 0",
            "> IKE_SA_INIT response 0",
            "< IKE_AUTH request 1",
            "> IKE_AUTH response 1",
        ]
    );
    let auth = entries[2].lines.join("\n");
    for part in [
        "IDi: enb1.ran.example",
        "AUTH: pre-shared key, 32 octets",
        "SA: 1 ESP SPI ",
        "TSi: 172.16.1.0-172.16.1.255",
        "Notify: INITIAL_CONTACT",
    ] {
        assert!(auth.contains(part), "{part} in:\n{auth}");
    }
    let init = entries[0].lines.join("\n");
    assert!(
        init.contains("Notify: NAT_DETECTION_SOURCE_IP, 20 octets"),
        "{init}"
    );
    assert!(init.contains("KE: "), "{init}");
}

#[test]
fn another_peer_is_not_traced_and_a_trace_ends() {
    let mut w = world(2);
    let (peer, now) = (address(1).ip(), w.now);
    let other = "203.0.113.77".parse().unwrap();
    w.b.endpoint.trace_start(other, false, now, now + MINUTE);
    w.establish();
    assert_eq!(heads(&traced(&w)), Vec::<String>::new());
    let now = w.now;
    w.b.endpoint.trace_start(peer, false, now, now + MINUTE);
    assert!(w.b.endpoint.trace_stop(now));
    assert!(!w.b.endpoint.trace_stop(now), "it had ended");
    let ike = w.b.up()[0].ike;
    assert!(w.b.endpoint.rekey_ike(ike, now));
    w.pump();
    w.run_for(Duration::from_secs(2));
    assert_eq!(heads(&traced(&w)), Vec::<String>::new());
}

#[test]
fn what_failed_is_told() {
    let (mut a, b) = (peer(), gateway());
    a.keys = crate::config::PreSharedKeys::shared(SecretBytes::new(b"another".to_vec()));
    let mut w = World::new(3, config(a), config(b));
    let (from, now) = (address(1).ip(), w.now);
    w.b.endpoint.trace_start(from, false, now, now + MINUTE);
    w.pump();
    w.run_for(MINUTE);
    let told = heads(&traced(&w)).join("\n");
    assert!(told.contains("IKE_AUTH: authentication failed"), "{told}");
}

#[test]
fn keys_are_gathered_when_asked_for_and_are_gone_with_the_trace() {
    let mut w = world(4);
    let (peer, now) = (address(1).ip(), w.now);
    w.b.endpoint.trace_start(peer, true, now, now + MINUTE);
    w.establish();
    let ike = w.b.up()[0].ike;
    let now = w.now;
    assert!(w.b.endpoint.rekey_ike(ike, now));
    w.pump();
    w.run_for(Duration::from_secs(5));
    let keys = |w: &World| -> Option<Vec<crate::TraceKeys>> {
        let trace = w.b.endpoint.trace()?;
        Some(trace.keys(w.now)?.cloned().collect())
    };
    let all = keys(&w).unwrap();
    assert_eq!(all.len(), 2, "the IKE SA and what it was rekeyed to");
    let up = &w.b.up()[0];
    assert_eq!((all[1].spi_i, all[1].spi_r), (up.spi_i, up.spi_r));
    // They open what was on the wire.
    let first = &all[0];
    let (encr, integ) = (first.suite.encr(), first.suite.integ());
    let keys_r = (first.er.expose(), first.ar.expose());
    let cipher = ravelin_crypto::SkCipher::new(encr, integ, keys_r.0, keys_r.1).unwrap();
    let opened = w.transcript.iter().rev().find_map(|(_, data)| {
        let message = crate::msg::Message::parse(data).ok()?;
        let ours = message.header.spi_r == first.spi_r && !message.header.initiator;
        let [crate::msg::Payload::Sk(sk)] = &message.payloads[..] else {
            return None;
        };
        ours.then(|| sk.open(data, &cipher).is_ok())
    });
    assert_eq!(opened, Some(true));
    // Whoever comes later finds those that are there.
    let now = w.now;
    w.b.endpoint.trace_start(peer, true, now, now + MINUTE);
    assert_eq!(keys(&w).unwrap(), all[1..]);
    assert!(w.b.endpoint.trace_stop(now));
    assert_eq!(keys(&w), None);
    w.b.endpoint.trace_start(peer, false, now, now + MINUTE);
    assert_eq!(keys(&w), None, "not without being asked");
}

#[test]
fn a_standing_trace_has_the_peers_of_its_filter_and_no_secrets() {
    let filter = TraceFilter {
        local: None,
        remote: None,
        messages: true,
        notes: true,
    };
    let host = |address: SocketAddr| Some(Prefix::host(address.ip()));
    let elsewhere = "203.0.113.0/24".parse().ok();
    let cases = [
        (filter, 4),
        (
            TraceFilter {
                remote: host(address(1)),
                ..filter
            },
            4,
        ),
        (
            TraceFilter {
                remote: elsewhere,
                ..filter
            },
            0,
        ),
        (
            TraceFilter {
                local: Some(address(2).ip()),
                ..filter
            },
            4,
        ),
        (
            TraceFilter {
                local: Some(address(1).ip()),
                ..filter
            },
            0,
        ),
        (
            TraceFilter {
                messages: false,
                ..filter
            },
            0,
        ),
    ];
    for (filter, wanted) in cases {
        let mut w = world(1);
        w.b.endpoint.trace_always(Some(filter));
        w.establish();
        let (entries, lost) = w.b.endpoint.take_traced();
        let heads: Vec<_> = entries.iter().map(|entry| &entry.lines[0]).collect();
        assert_eq!((entries.len(), lost), (wanted, 0), "{filter:?}: {heads:?}");
        assert_eq!(w.b.endpoint.take_traced().0.len(), 0, "taken once");
    }
}

#[test]
fn a_standing_trace_that_nobody_takes_is_bounded() {
    let mut w = world(1);
    w.b.endpoint.trace_always(Some(TraceFilter {
        local: None,
        remote: None,
        messages: true,
        notes: true,
    }));
    let mut datagram = [0; 28];
    (datagram[0], datagram[17], datagram[18]) = (1, 0x20, 37);
    datagram[27] = 28;
    for _ in 0..MAX_ENTRIES + 5 {
        w.b.endpoint.handle(
            w.now,
            &Datagram {
                vrf: VrfId::DEFAULT,
                local: address(2),
                remote: address(1),
                data: &datagram,
            },
        );
    }
    let (entries, lost) = w.b.endpoint.take_traced();
    assert_eq!(entries.len(), MAX_ENTRIES);
    assert!(lost >= 5, "{lost}");
}

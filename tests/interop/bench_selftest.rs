//! Proves the bench itself: two strongSwans talk, and captures and traffic accounting tell the truth about it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::netns::{Netns, veth};
use ravelin_tests::strongswan::{Child, Connection, StrongSwan};
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use std::time::Duration;

fn connection(local: &str, remote: &str, ids: (&str, &str), ts: (&str, &str)) -> Connection {
    Connection {
        name: "peer".into(),
        local: local.into(),
        remote: remote.into(),
        local_id: ids.0.into(),
        remote_id: ids.1.into(),
        psk: "bench-secret".into(),
        proposals: "aes256gcm16-prfsha256-ecp256".into(),
        options: vec![],
        ppks: vec![],
        children: vec![Child::new("net", ts.0, ts.1)],
    }
}

#[test]
fn strongswan_to_strongswan_is_seen_as_tunnel_only() {
    let folder = ravelin_tests::artifacts("bench_selftest").unwrap();
    let (a, b) = (Netns::new("bsa").unwrap(), Netns::new("bsb").unwrap());
    veth(&a, "a0", &b, "b0").unwrap();
    a.sh("ip addr add 10.1.0.1/24 dev a0; ip addr add 10.2.0.1/32 dev lo")
        .unwrap();
    b.sh("ip addr add 10.1.0.2/24 dev b0; ip addr add 10.3.0.1/32 dev lo")
        .unwrap();
    let capture = Capture::start(&b, "b0", &folder, "link").unwrap();

    // Cleartext is seen as such.
    assert_eq!(
        ping(
            &a,
            "10.1.0.1".parse().unwrap(),
            "10.1.0.2".parse().unwrap(),
            1,
            56
        )
        .unwrap(),
        1
    );
    assert_eq!(
        capture.finish().unwrap().kinds().get(&Kind::Cleartext),
        Some(&2)
    );

    let capture = Capture::start(&b, "b0", &folder, "tunnel").unwrap();
    let (folder_a, folder_b) = (folder.join("a"), folder.join("b"));
    let (ids, back) = (("a.test", "b.test"), ("b.test", "a.test"));
    let _responder = StrongSwan::start(
        &b,
        &folder_b,
        &[connection(
            "10.1.0.2",
            "10.1.0.1",
            back,
            ("10.3.0.1/32", "10.2.0.1/32"),
        )],
    )
    .unwrap();
    let initiator = StrongSwan::start(
        &a,
        &folder_a,
        &[connection(
            "10.1.0.1",
            "10.1.0.2",
            ids,
            ("10.2.0.1/32", "10.3.0.1/32"),
        )],
    )
    .unwrap();
    initiator.initiate("net").unwrap();
    assert_eq!(
        (
            initiator.established().unwrap(),
            initiator.children().unwrap()
        ),
        (1, 1)
    );
    assert_eq!(initiator.version().unwrap().split('.').next(), Some("6"));

    let (from, to) = ("10.2.0.1".parse().unwrap(), "10.3.0.1".parse().unwrap());
    assert_eq!(ping(&a, from, to, 3, 56).unwrap(), 3);
    let spec = StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: 200,
        count: 200,
        octets: 200,
    };
    let tally = Stream::start(&a, &b, spec)
        .unwrap()
        .finish(Duration::from_millis(500))
        .unwrap();
    assert_eq!(
        (tally.sent, tally.received, tally.missing.len()),
        (200, 200, 0)
    );

    let trace = capture.finish().unwrap();
    let kinds = trace.kinds();
    assert_eq!(kinds.get(&Kind::Cleartext), None, "{kinds:?}");
    let forward = trace.esp_between("10.1.0.1".parse().unwrap(), "10.1.0.2".parse().unwrap());
    assert_eq!(forward, 203, "{kinds:?}");
    assert!(kinds.get(&Kind::Ike).is_some_and(|n| *n >= 4), "{kinds:?}");
    assert!(
        trace
            .repeated_nonces("10.1.0.1".parse().unwrap())
            .is_empty()
    );
}

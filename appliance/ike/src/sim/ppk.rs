//! Post-quantum pre-shared keys (RFC 8784): every case of section 3, with the other ways of a set-up, wrong keys, and what is told.

use std::time::Duration;

use super::world::Side;
use super::*;
use crate::config::{Ppk, Ppks};
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Message, Payload};
use crate::{Reason, Stage};

const ROUND: Duration = Duration::from_secs(2);

/// Keys of these names.
pub(super) fn ppks(ids: &[&str], required: bool) -> Ppks {
    let ppk = |id: &&str| Ppk {
        id: id.as_bytes().to_vec(),
        key: SecretBytes::new(format!("the secret of {id}").into_bytes()),
    };
    let keys = ids.iter().map(ppk).collect();
    Ppks { keys, required }
}

fn psk() -> (Gateway, Gateway) {
    (peer(), gateway())
}

fn hybrid() -> (Gateway, Gateway) {
    super::hybrid::pair(&[DhGroup::Ecp256, DhGroup::MlKem512])
}

fn between((mut a, mut b): (Gateway, Gateway), a_ppks: Ppks, b_ppks: Ppks) -> World {
    (a.ppks, b.ppks) = (a_ppks, b_ppks);
    let mut w = World::new(1, config(a), config(b));
    w.pump();
    w.run_for(ROUND);
    w
}

/// What both ends say that they use.
fn shown(w: &World) -> [Option<String>; 2] {
    [&w.a, &w.b].map(|node| node.up().first().and_then(|up| up.ppk.clone()))
}

/// The payloads of a protected message.
fn payloads(w: &World, of: Side, exchange: ExchangeType) -> Vec<Payload> {
    let sent = w.transcript.iter().filter(|(side, _)| *side == of);
    let mut opened = sent.filter_map(|(_, data)| {
        let message = Message::parse(data).unwrap();
        let ciphers = w.a.endpoint.test_ciphers(message.header.spi_i)?;
        let cipher = match message.header.initiator {
            true => ciphers.0,
            false => ciphers.1,
        };
        let right = message.header.exchange == exchange;
        right.then(|| message.sk().unwrap().open(data, &cipher).unwrap())
    });
    opened.next_back().unwrap()
}

fn notified(payloads: &[Payload], kind: u16) -> Option<&Notify> {
    payloads.iter().find_map(|p| match p {
        Payload::Notify(n) if n.kind == kind => Some(n),
        _ => None,
    })
}

/// What becomes of a set-up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Mixed(&'static str),
    Plain,
    /// Refused by this side.
    Refused(Side),
}

/// The keys of an end, and whether it requires one.
type End = (&'static [&'static str], bool);

const CASES: [(End, End, Fate); 18] = [
    ((&[], false), (&[], false), Fate::Plain),
    // The initiator says nothing of USE_PPK.
    ((&[], false), (&["one"], false), Fate::Plain),
    ((&[], false), (&["one"], true), Fate::Refused(Side::B)),
    // The responder does not.
    ((&["one"], false), (&[], false), Fate::Plain),
    ((&["one"], true), (&[], false), Fate::Refused(Side::A)),
    // Both do, and have the key.
    ((&["one"], false), (&["one"], false), Fate::Mixed("one")),
    ((&["one"], true), (&["one"], false), Fate::Mixed("one")),
    ((&["one"], false), (&["one"], true), Fate::Mixed("one")),
    ((&["one"], true), (&["one"], true), Fate::Mixed("one")),
    (
        (&["one"], true),
        (&["two", "one"], true),
        Fate::Mixed("one"),
    ),
    (
        (&["two", "one"], true),
        (&["two", "one"], false),
        Fate::Mixed("two"),
    ),
    // The responder has others: NO_PPK_AUTH is there, and it may do without.
    ((&["one"], false), (&["two"], false), Fate::Plain),
    ((&["one", "two"], false), (&["two"], false), Fate::Plain),
    // It is there, and the responder may not.
    ((&["one"], false), (&["two"], true), Fate::Refused(Side::B)),
    // It is not there.
    ((&["one"], true), (&["two"], false), Fate::Refused(Side::B)),
    ((&["one"], true), (&["two"], true), Fate::Refused(Side::B)),
    // Who requires one and has none agrees with nobody.
    ((&[], true), (&["one"], false), Fate::Refused(Side::A)),
    ((&["one"], false), (&[], true), Fate::Refused(Side::B)),
];

#[test]
fn every_case_of_the_rfc_with_keys_certificates_and_several_key_exchanges() {
    for pair in [psk, hybrid, super::certificates::pair] {
        for ((a, a_required), (b, b_required), fate) in CASES {
            let case = format!("{a:?} {a_required}, {b:?} {b_required}");
            let mut w = between(pair(), ppks(a, a_required), ppks(b, b_required));
            let used = match fate {
                Fate::Refused(side) => {
                    assert!(w.a.up().is_empty() && w.b.up().is_empty(), "{case}");
                    assert!(w.a.plane.is_empty() && w.b.plane.is_empty(), "{case}");
                    assert!(!w.node(side).failures.is_empty(), "{case}");
                    continue;
                }
                Fate::Mixed(id) => Some(id.to_owned()),
                Fate::Plain => None,
            };
            assert!(w.is_up(), "{case}: {}", w.explain());
            assert_eq!(shown(&w), [used.clone(), used.clone()], "{case}");
            w.check_agreement();
            let answer = payloads(&w, Side::B, ExchangeType::IkeAuth);
            let said = notified(&answer, kind::PPK_IDENTITY).map(|n| n.data.len());
            assert_eq!(said, used.as_ref().map(|_| 0), "{case}");
            // Whoever rekeys, it stays.
            for by in [Side::A, Side::B] {
                let now = w.now;
                let ike = w.node(by).up()[0].ike;
                assert!(w.node(by).endpoint.rekey_ike(ike, now));
                w.pump();
                w.run_for(ROUND);
                let child = w.node(by).endpoint.child_sas().find(|c| c.live);
                let now = w.now;
                assert!(w.node(by).endpoint.rekey_child(child.unwrap().child, now));
                w.pump();
                w.run_for(ROUND);
                w.check_agreement();
            }
            assert_eq!(shown(&w), [used.clone(), used], "{case}");
        }
    }
}

#[test]
fn a_request_names_the_key_and_has_the_other_proof_only_if_it_may_do_without() {
    for pair in [psk, super::certificates::pair] {
        for required in [false, true] {
            let w = between(pair(), ppks(&["one"], required), ppks(&["one"], false));
            let request = payloads(&w, Side::A, ExchangeType::IkeAuth);
            let named = notified(&request, kind::PPK_IDENTITY).unwrap();
            assert_eq!(named.data, b"\x02one");
            let plain = notified(&request, kind::NO_PPK_AUTH);
            assert_eq!(plain.is_some(), !required);
            let auth = request.iter().find_map(|p| match p {
                Payload::Auth(auth) => Some(&auth.data),
                _ => None,
            });
            if let Some(plain) = plain {
                assert_eq!(plain.data.len(), auth.unwrap().len());
                assert_ne!(Some(&plain.data), auth);
            }
        }
    }
}

fn wrong() -> Ppks {
    let mut wrong = ppks(&["one"], false);
    wrong.keys[0].key = SecretBytes::new(b"something else".to_vec());
    wrong
}

#[test]
fn another_key_of_the_same_name_is_told_from_another_pre_shared_key() {
    let reason = |w: &World| {
        assert!(w.a.up().is_empty() && w.b.up().is_empty());
        let failure = &w.b.failures[0];
        assert_eq!(failure.stage, Stage::Auth);
        failure.reason.clone()
    };
    let w = between(psk(), ppks(&["one"], false), wrong());
    assert_eq!(reason(&w), Reason::WrongPpk("one".into()));
    let told = w.a.failures[0].to_string();
    let wanted = "AUTHENTICATION_FAILED (24) to post-quantum pre-shared key one";
    assert!(told.ends_with(wanted), "{told}");
    // Without NO_PPK_AUTH either may be wrong.
    let w = between(psk(), ppks(&["one"], true), wrong());
    assert_eq!(reason(&w), Reason::WrongKeyOrPpk("one".into()));
    let (mut a, b) = psk();
    a.keys = crate::config::PreSharedKeys::shared(SecretBytes::new(b"another".to_vec()));
    let w = between((a, b), ppks(&["one"], false), ppks(&["one"], false));
    assert_eq!(reason(&w), Reason::WrongKey);
    let certificates = super::certificates::pair();
    let w = between(certificates, ppks(&["one"], false), wrong());
    let line = w.b.failures[0].to_string();
    let wanted = "authentication failed with post-quantum pre-shared key one: ";
    assert!(line.contains(wanted), "{line}");
}

#[test]
fn a_line_tells_who_lacks_which_key() {
    let w = between(psk(), ppks(&["one"], false), ppks(&["two", "three"], true));
    let failure = &w.b.failures[0];
    let line = failure.to_string();
    let wanted = "(enb1.ran.example) IKE_AUTH: post-quantum pre-shared key one of the peer is not known: two, three";
    assert!(line.ends_with(wanted), "{line}");
    let sides = failure.reason.sides();
    assert_eq!(sides.offered.as_deref(), Some("one"));
    assert_eq!(sides.accepted.as_deref(), Some("two, three"));
    let w = between(psk(), ppks(&["one"], true), Ppks::default());
    let line = w.a.failures[0].to_string();
    let wanted =
        "IKE_SA_INIT: gateway segw requires a post-quantum pre-shared key, and the peer uses none";
    assert!(line.ends_with(wanted), "{line}");
    let w = between(psk(), Ppks::default(), ppks(&["one"], true));
    let line = w.b.failures[0].to_string();
    let wanted =
        "IKE_AUTH: gateway enbs requires a post-quantum pre-shared key, and the peer uses none";
    assert!(line.ends_with(wanted), "{line}");
}

#[test]
fn the_key_is_in_what_is_derived_and_in_nothing_that_is_sent_or_traced() {
    let inbound = |w: &World| {
        let child = w.a.plane.values().next().unwrap();
        child.install.inbound.encr_key.as_bytes().to_vec()
    };
    let plain = between(psk(), Ppks::default(), Ppks::default());
    let (mut a, mut b) = psk();
    (a.ppks, b.ppks) = (ppks(&["one"], false), ppks(&["one"], false));
    let mut w = World::new(1, config(a), config(b));
    let (from, now) = (address(1).ip(), w.now);
    w.b.endpoint.trace_start(from, false, now, now + ROUND);
    w.establish();
    assert_ne!(inbound(&plain), inbound(&w));
    for (_, data) in &w.transcript {
        assert!(!data.windows(10).any(|octets| octets == b"the secret"));
        // The identifier is protected.
        let clear = Message::parse(data).unwrap().payloads;
        assert_eq!(notified(&clear, kind::PPK_IDENTITY), None);
    }
    let entries = &w.b.endpoint.trace().unwrap().entries;
    let lines: Vec<_> = entries.iter().flat_map(|e| e.lines.clone()).collect();
    for (line, times) in [
        ("Notify: USE_PPK", 2),
        ("Notify: PPK_IDENTITY one", 1),
        ("Notify: PPK_IDENTITY", 1),
        ("Notify: NO_PPK_AUTH, 32 octets", 1),
    ] {
        let found = lines.iter().filter(|told| *told == line).count();
        assert_eq!(found, times, "{line} in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("secret")));
}

#[test]
fn a_commit_that_begins_to_require_a_key_counts_at_once() {
    let (mut a, mut b) = psk();
    (a.ppks, b.ppks) = (ppks(&["one"], false), ppks(&["two"], false));
    let mut w = World::new(2, config(a.clone()), config(b));
    // IKE_AUTH is on its way, with the proof without.
    w.filter = Some(Box::new(|side, m| {
        side == Side::B && m.header.exchange == ExchangeType::IkeAuth
    }));
    w.pump();
    w.run_for(Duration::from_millis(100));
    a.ppks.required = true;
    let now = w.now;
    w.configs[0] = config(a);
    let changed = Arc::clone(&w.configs[0]);
    w.a.endpoint.set_config(changed, now);
    w.filter = None;
    w.pump();
    w.run_for(ROUND);
    assert!(w.a.up().is_empty());
    let line = w.a.failures[0].to_string();
    assert!(line.contains("gateway segw requires"), "{line}");
}

#[test]
fn malformed_identifiers_are_keys_that_nobody_has() {
    for (data, offered) in [
        (&[][..], "nothing"),
        (b"\x01one", "type 1"),
        (b"\x02", "0x"),
        (b"\x02one\0", "0x6f6e6500"),
    ] {
        let (mut a, mut b) = psk();
        (a.ppks, b.ppks) = (ppks(&["one"], true), ppks(&["one"], false));
        let mut w = World::new(3, config(a), config(b));
        w.filter = Some(Box::new(|side, m| {
            side == Side::A && m.header.exchange == ExchangeType::IkeAuth
        }));
        w.pump();
        w.run_for(Duration::from_millis(100));
        let mut request = payloads(&w, Side::A, ExchangeType::IkeAuth);
        for payload in &mut request {
            if let Payload::Notify(n) = payload {
                if n.kind == kind::PPK_IDENTITY {
                    n.data = data.to_vec();
                }
            }
        }
        let sent = w.transcript.iter().rev().find(|(side, _)| *side == Side::A);
        let header = Message::parse(&sent.unwrap().1).unwrap().header;
        let ciphers = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
        let forged = crate::msg::sk::seal(&header, &request, &ciphers.0, &[9; 8]).unwrap();
        w.inject(Side::B, address(1), address(2), &forged);
        let reason = &w.b.failures[0].reason;
        let (offered, accepted) = (offered.to_owned(), "one".to_owned());
        assert_eq!(*reason, Reason::UnknownPpk { offered, accepted });
    }
}

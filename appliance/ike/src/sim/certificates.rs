//! Authentication by certificates, each direction by itself: what is signed and what is sent. [`refused`]: who is not accepted and what
//! is said of it; [`jobs`]: what comes between a job and its result.

mod jobs;
mod refused;

use std::time::Duration;

use proptest::prelude::*;
use ravelin_crypto::{prf, sha1};

use super::authority::{TestAuthority, certificate, proof_of, trust_in};
use super::world::Side;
use super::*;
use crate::Count;
use crate::authority::MAX_STAPLED_OCTETS;
use crate::config::Trust;
use crate::fragment::MAX_DATAGRAM_OCTETS;
use crate::msg::cert::{Cert, encoding};
use crate::msg::certreq::CertReq;
use crate::msg::notify::kind;
use crate::msg::payload::number;
use crate::msg::{ExchangeType, Message, Payload, sk};

const MINUTE: Duration = Duration::from_secs(60);
const A_NAME: &str = "enb1.ran.example";
const B_NAME: &str = "segw.example";

/// Each has a certificate and trusts the other's CA.
pub(super) fn pair() -> (Gateway, Gateway) {
    let (mut a, mut b) = (peer(), gateway());
    a.local_proof = proof_of("ran-ca", A_NAME, 1, 300);
    a.peer_proof = trust_in("core-ca");
    b.local_proof = proof_of("core-ca", B_NAME, 1, 300);
    b.peer_proof = trust_in("ran-ca");
    (a, b)
}

fn world_of((a, b): (Gateway, Gateway), seed: u64) -> World {
    World::new(seed, config(a), config(b))
}

/// The payloads of each protected message, decrypted by the keys that A has at the end.
fn protected(w: &World, of: Side) -> Vec<(ExchangeType, Vec<Payload>)> {
    let sent = w.transcript.iter().filter(|(side, _)| *side == of);
    sent.filter_map(|(_, data)| {
        let message = Message::parse(data).unwrap();
        let (i, r) = w.a.endpoint.test_ciphers(message.header.spi_i)?;
        let cipher = if message.header.initiator { i } else { r };
        let payloads = message.sk()?.open(data, &cipher).unwrap();
        Some((message.header.exchange, payloads))
    })
    .collect()
}

fn clear(w: &World, of: Side) -> (Vec<u8>, Message) {
    let (_, data) = w.transcript.iter().find(|(side, _)| *side == of).unwrap();
    (data.clone(), Message::parse(data).unwrap())
}

fn nonce(message: &Message) -> Vec<u8> {
    let found = message.payloads.iter().find_map(|p| match p {
        Payload::Nonce(n) => Some(n.0.clone()),
        _ => None,
    });
    found.unwrap()
}

fn kinds(payloads: &[Payload]) -> Vec<u8> {
    payloads.iter().map(Payload::kind).collect()
}

fn auth_method(w: &World, of: Side) -> u8 {
    let (_, payloads) = protected(w, of).remove(0);
    let method = payloads.iter().find_map(|p| match p {
        Payload::Auth(auth) => Some(auth.method),
        _ => None,
    });
    method.unwrap()
}

#[test]
fn both_sides_sign_what_the_rfc_says() {
    let mut w = world_of(pair(), 1);
    w.establish();
    let (first, second) = (clear(&w, Side::A), clear(&w, Side::B));
    let (sk_pi, sk_pr) = w.a.endpoint.test_sk_p(first.1.header.spi_i).unwrap();
    let alg = ravelin_types::Prf::HmacSha256;
    // RFC 7296 section 2.15: RealMessage1 | NonceRData | prf(SK_pi, RestOfInitIDPayload), and the responder's accordingly.
    let octets = |message: &[u8], nonce: Vec<u8>, sk_p: &[u8], name: &str| {
        let id = [&[2, 0, 0, 0], name.as_bytes()].concat();
        let maced = prf(alg, sk_p, &[&id]).unwrap();
        [message, &nonce, maced.as_bytes()].concat()
    };
    let by_a = octets(&first.0, nonce(&second.1), &sk_pi, A_NAME);
    let by_b = octets(&second.0, nonce(&first.1), &sk_pr, B_NAME);
    let (a, b) = (&w.a.authority, &w.b.authority);
    for (own, theirs, name, octets) in [(a, b, A_NAME, by_a), (b, a, B_NAME, by_b)] {
        let [signed] = &own.signed()[..] else {
            panic!("one signature each");
        };
        assert_eq!(signed.credential, name);
        assert_eq!(signed.peer_hashes.as_deref(), Some(&[2, 3, 4, 5][..]));
        assert_eq!(signed.octets, octets);
        let [verified] = &theirs.verified()[..] else {
            panic!("one verification each");
        };
        assert_eq!(verified.octets, octets);
        assert_eq!((verified.method, verified.signature.len()), (14, 32));
        assert_eq!(verified.identity.data, name.as_bytes());
        assert_eq!(verified.ocsp, None);
    }
    assert_eq!(b.verified()[0].trust, "ran-ca");
    assert_eq!(
        b.verified()[0].certificates,
        [certificate("ran-ca", A_NAME, 300)]
    );
}

#[test]
fn messages_carry_certificates_requests_and_hash_algorithms() {
    let mut w = world_of(pair(), 2);
    w.establish();
    let says = |m: &Message| {
        let hashes = |p: &Payload| match p {
            Payload::Notify(n) if n.kind == kind::SIGNATURE_HASH_ALGORITHMS => {
                n.data == [0, 2, 0, 3, 0, 4, 0, 5]
            }
            _ => false,
        };
        m.payloads.iter().filter(|p| hashes(p)).count()
    };
    let (first, second) = (clear(&w, Side::A).1, clear(&w, Side::B).1);
    assert_eq!((says(&first), says(&second)), (1, 1));
    let asks = |ca: &str| {
        let hash = sha1(&[ca.as_bytes()]).unwrap();
        [CertReq::x509(&[hash]), CertReq::ocsp()].map(Payload::CertReq)
    };
    // RFC 7296 section 1.2: the responder asks in IKE_SA_INIT, the initiator in IKE_AUTH.
    assert!(second.payloads.ends_with(&asks("ran-ca")));
    let (_, request) = protected(&w, Side::A).remove(0);
    let cert = Payload::Cert(Cert::x509(certificate("ran-ca", A_NAME, 300)));
    assert_eq!(request[2], cert);
    assert_eq!(request[3..5], asks("core-ca"));
    let order = [number::ID_I, number::NOTIFY, number::CERT, number::CERTREQ];
    assert_eq!(kinds(&request)[..4], order);
    assert_eq!(kinds(&request)[5..7], [number::ID_R, number::AUTH]);
    let (_, answer) = protected(&w, Side::B).remove(0);
    let order = [number::ID_R, number::CERT, number::AUTH, number::SA];
    assert_eq!(kinds(&answer)[..4], order);
}

#[test]
fn an_ocsp_response_goes_to_who_asks_for_it() {
    let none = |gateway: &mut Gateway, ca: &str| {
        let hash = sha1(&[ca.as_bytes()]).unwrap();
        let trust = Trust::new(ca, vec![hash], false).unwrap();
        gateway.peer_proof = PeerProof::Certificate(Arc::new(trust));
    };
    // Which of A and B asks, and how many octets the responses have.
    for (asks, octets) in [
        ([true, true], 900),
        ([true, false], 900),
        ([true, true], 5000),
    ] {
        let (mut a, mut b) = pair();
        if !asks[0] {
            none(&mut a, "core-ca");
        }
        if !asks[1] {
            none(&mut b, "ran-ca");
        }
        let mut w = world_of((a, b), 4);
        let [of_a, of_b] = [1, 2].map(|octet| vec![octet; octets]);
        *w.a.authority.stapled.lock().unwrap() = Some(of_a.clone());
        *w.b.authority.stapled.lock().unwrap() = Some(of_b.clone());
        w.establish();
        let fits = octets <= MAX_STAPLED_OCTETS;
        let got = |side: &TestAuthority| side.verified()[0].ocsp.clone();
        assert_eq!(got(&w.a.authority), (asks[0] && fits).then_some(of_b));
        assert_eq!(got(&w.b.authority), (asks[1] && fits).then_some(of_a));
        assert_eq!(w.a.authority.signed()[0].ocsp, asks[1]);
    }
}

#[test]
fn those_with_keys_say_nothing_of_certificates() {
    let mut w = world(3);
    w.establish();
    for (_, data) in &w.transcript {
        let about = |p: &Payload| match p {
            Payload::Notify(n) => n.kind == kind::SIGNATURE_HASH_ALGORITHMS,
            other => matches!(other, Payload::Cert(_) | Payload::CertReq(_)),
        };
        assert!(!Message::parse(data).unwrap().payloads.iter().any(about));
    }
    for (_, payloads) in protected(&w, Side::A) {
        assert!(!kinds(&payloads).contains(&number::CERTREQ));
    }
    assert!(w.a.authority.signed().is_empty() && w.b.authority.verified().is_empty());
}

/// One direction by a pre-shared key, the other by certificates.
pub(super) fn mixed(a_certified: bool) -> (Gateway, Gateway) {
    let (mut a, mut b) = pair();
    if a_certified {
        (a.peer_proof, b.local_proof) = (PeerProof::PreSharedKey, LocalProof::PreSharedKey);
    } else {
        (a.local_proof, b.peer_proof) = (LocalProof::PreSharedKey, PeerProof::PreSharedKey);
    }
    (a, b)
}

#[test]
fn each_direction_has_its_own_method() {
    for (a_certified, methods) in [(true, (14, 2)), (false, (2, 14))] {
        let mut w = world_of(mixed(a_certified), 4);
        w.establish();
        assert_eq!(
            (auth_method(&w, Side::A), auth_method(&w, Side::B)),
            methods
        );
        let asked = |node: &Node| {
            (
                node.authority.signed().len(),
                node.authority.verified().len(),
            )
        };
        let (signs, verifies) = ((1, 0), (0, 1));
        let wanted = if a_certified {
            (signs, verifies)
        } else {
            (verifies, signs)
        };
        assert_eq!((asked(&w.a), asked(&w.b)), wanted);
    }
}

#[test]
fn a_request_for_other_authorities_gets_the_certificate_all_the_same() {
    let (a, mut b) = pair();
    let trust = crate::config::Trust::new("ran-ca", vec![[9; 20]], false).unwrap();
    b.peer_proof = PeerProof::Certificate(Arc::new(trust));
    let mut w = world_of((a, b), 5);
    w.establish();
}

/// Accepts names that start with its text.
#[derive(Debug)]
struct Begins(&'static str);

impl std::fmt::Display for Begins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}...", self.0)
    }
}

impl crate::config::IdentityPattern for Begins {
    fn accepts(&self, identity: &Identity) -> bool {
        matches!(identity, Identity::Fqdn(name) if name.starts_with(self.0))
    }
}

#[test]
fn a_pattern_picks_the_gateway_and_an_initiator_names_nobody() {
    let pattern = |begin| RemotePeer::Pattern(Arc::new(Begins(begin)));
    let (mut a, b) = pair();
    a.remote = pattern("segw");
    let mut both = config(b);
    let gateways = &mut Arc::get_mut(&mut both).unwrap().gateways;
    let named = |name: &str, begin| {
        let mut gateway = (*gateways[0]).clone();
        (gateway.name, gateway.remote) = (name.into(), pattern(begin));
        Arc::new(gateway)
    };
    *gateways = [named("macro", "macro"), named("enb", "enb")]
        .into_iter()
        .collect();
    let mut w = World::new(13, config(a), both);
    w.establish();
    let chosen = w.b.endpoint.ike_sas().next().unwrap().gateway;
    assert_eq!(chosen.as_deref(), Some("enb"));
    let (_, request) = protected(&w, Side::A).remove(0);
    assert!(!kinds(&request).contains(&number::ID_R));
    let ours = &w.configs[0].gateways[0];
    assert_eq!(ours.accepted_text(), "segw...");
    let mut other = (**ours).clone();
    assert_eq!(other, **ours);
    other.remote = pattern("other");
    assert_ne!(other, **ours);
}

#[test]
fn gateways_at_one_address_ask_for_all_they_trust_within_a_bound() {
    let (a, b) = pair();
    let many = |first: u8| (first..first + 20).map(|n| [n; 20]).collect::<Vec<_>>();
    let other = |name: &str, hashes| {
        let trust = crate::config::Trust::new(name, hashes, false).unwrap();
        Arc::new(Gateway {
            name: name.into(),
            remote: RemotePeer::Identities(vec![fqdn(name)]),
            peer_proof: PeerProof::Certificate(Arc::new(trust)),
            ..gateway()
        })
    };
    let mut both = config(b);
    let gateways = &mut Arc::get_mut(&mut both).unwrap().gateways;
    gateways.push(other("x", many(1)));
    gateways.push(other("y", many(15)));
    let mut w = World::new(6, config(a), both);
    w.establish();
    let (_, answer) = clear(&w, Side::B);
    let asked = answer.payloads.iter().find_map(|p| match p {
        Payload::CertReq(r) if r.encoding == encoding::X509_SIGNATURE => Some(&r.authorities),
        _ => None,
    });
    let mut wanted = sha1(&[b"ran-ca"]).unwrap().to_vec();
    wanted.extend((1..=31).flat_map(|n| [n; 20]));
    assert_eq!(asked, Some(&wanted));
}

/// A's first IKE_AUTH reaches B with other payloads, under A's keys.
fn rewritten(seed: u64, rewrite: impl FnOnce(&mut Vec<Payload>)) -> World {
    let mut w = world_of(pair(), seed);
    w.pump();
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.run_for(Duration::from_millis(200));
    let raw = last(&w, Side::A);
    let message = Message::parse(&raw).unwrap();
    let (cipher, _) = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let mut payloads = message.sk().unwrap().open(&raw, &cipher).unwrap();
    rewrite(&mut payloads);
    let forged = sk::seal(&message.header, &payloads, &cipher, &[9; 8]).unwrap();
    w.inject(Side::B, address(1), address(2), &forged);
    w
}

/// The last datagram of a side.
fn last(w: &World, of: Side) -> Vec<u8> {
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == of).unwrap();
    data.clone()
}

/// The request with these certificates and without a request for any.
fn with_certs(certs: Vec<Cert>) -> World {
    rewritten(8, |payloads| {
        payloads.retain(|p| !matches!(p, Payload::Cert(_) | Payload::CertReq(_)));
        payloads.extend(certs.into_iter().map(Payload::Cert));
    })
}

#[test]
fn other_encodings_are_passed_over_and_an_ocsp_response_is_passed_on() {
    let other = |encoding, data: &[u8]| Cert {
        encoding,
        data: data.to_vec(),
    };
    let own = || Cert::x509(certificate("ran-ca", A_NAME, 0));
    let w = with_certs(vec![
        other(encoding::HASH_AND_URL, b"hash and url"),
        other(201, b"whatever"),
        own(),
        other(encoding::OCSP_CONTENT, b"good"),
        Cert::x509(b"ca".to_vec()),
        other(encoding::OCSP_CONTENT, b"second"),
    ]);
    assert_eq!(w.b.up().len(), 1, "{}", w.explain());
    let request = &w.b.authority.verified()[0];
    assert_eq!(request.certificates, [own().data, b"ca".to_vec()]);
    assert_eq!(request.ocsp.as_deref(), Some(&b"good"[..]));
}

#[test]
fn a_peer_that_names_no_hash_algorithms_gets_a_signature_of_its_time() {
    // A has a certificate only after its first message is out, which therefore says nothing of it.
    let (a, b) = pair();
    let mut w = World::new(10, config(peer()), config(b));
    w.run_for(Duration::from_millis(5));
    w.configs[0] = config(a);
    let (config, now) = (w.configs[0].clone(), w.now);
    w.a.endpoint.set_config(config, now);
    w.establish();
    assert_eq!(w.b.authority.signed()[0].peer_hashes, None);
    assert_eq!(
        (auth_method(&w, Side::A), auth_method(&w, Side::B)),
        (14, 9)
    );
}

/// Both chains take several fragments.
fn long(seed: u64) -> World {
    let (mut a, mut b) = pair();
    a.local_proof = proof_of("ran-ca", A_NAME, 3, 2_000);
    b.local_proof = proof_of("core-ca", B_NAME, 8, 1_500);
    world_of((a, b), seed)
}

#[test]
fn long_chains_travel_in_fragments() {
    let mut w = long(11);
    w.establish();
    let count = |of| {
        let sent = w.transcript.iter().filter(|(side, _)| *side == of);
        sent.filter(|(_, data)| {
            assert!(data.len() <= MAX_DATAGRAM_OCTETS);
            let message = Message::parse(data).unwrap();
            matches!(message.payloads.last(), Some(Payload::Skf(_)))
        })
        .count()
    };
    assert_eq!((count(Side::A), count(Side::B)), (6, 11));
    assert_eq!((w.a.count(Count::Joined), w.b.count(Count::Joined)), (1, 1));
    assert_eq!(w.b.authority.verified()[0].certificates.len(), 3);
    assert_eq!(w.a.authority.verified()[0].certificates.len(), 8);
    assert_eq!(w.a.authority.verified()[0].certificates[7].len(), 1_500);
}

#[test]
fn the_longest_chain_is_taken_by_another_of_us() {
    use crate::config::MAX_CHAIN_OCTETS;
    let (mut a, mut b) = pair();
    a.local_proof = proof_of("ran-ca", A_NAME, 16, MAX_CHAIN_OCTETS / 16);
    b.local_proof = proof_of("core-ca", B_NAME, 1, MAX_CHAIN_OCTETS);
    world_of((a, b), 12).establish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bad_links_and_crashes_only_delay(seed in 0u64..1_000_000, crashes in any::<bool>()) {
        let mut w = long(seed);
        w.link = Link::BAD;
        w.crash_percent = if crashes { 3 } else { 0 };
        w.pump();
        let up = w.run_until(MINUTE * 20, World::is_up);
        prop_assert!(up, "{}", w.explain());
        w.crash_percent = 0;
        w.link = Link::GOOD;
        w.run_for(MINUTE * 3);
        prop_assert!(w.run_until(MINUTE * 5, World::is_up), "{}", w.explain());
        w.check_nonces();
        w.check_no_divergence();
    }
}

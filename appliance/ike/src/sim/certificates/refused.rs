//! Who is not accepted, what is said of it at both ends, and that nothing is left of it.

use super::*;
use crate::DownReason;
use crate::msg::auth::Auth;
use crate::msg::cert::MAX_CERTIFICATES;

/// The last failure line of a set-up that must fail, and that nothing is left of it.
fn refused(pair: (Gateway, Gateway), by: Side) -> (String, World) {
    let mut w = world_of(pair, 7);
    w.pump();
    w.run_for(Duration::from_millis(500));
    let node = w.node(by);
    assert_eq!(node.count(Count::AuthFailed), 1);
    let line = node.failures[0].to_string();
    w.run_for(Duration::from_millis(400));
    assert!(w.a.plane.is_empty() && w.b.plane.is_empty(), "{line}");
    assert!(w.a.up().is_empty() && w.b.up().is_empty(), "{line}");
    w.configs = [config(peer()), config(gateway())];
    let (a, b, now) = (w.configs[0].clone(), w.configs[1].clone(), w.now);
    w.a.endpoint.set_config(a, now);
    w.b.endpoint.set_config(b, now);
    w.pump();
    assert!(
        w.run_until(MINUTE * 2, World::is_up),
        "{line}: {}",
        w.explain()
    );
    w.run_for(MINUTE);
    w.check_agreement();
    (line, w)
}

#[test]
fn a_responder_that_is_not_convinced_says_why_and_tells_the_peer() {
    let (mut a, b) = pair();
    a.local_proof = proof_of("other-ca", A_NAME, 1, 0);
    let (line, w) = refused((a, b), Side::B);
    assert_eq!(
        line,
        "192.0.2.1:500 (enb1.ran.example) IKE_AUTH: authentication failed: enb1.ran.example is certified by other-ca, not ran-ca"
    );
    let told = w.a.failures[0].to_string();
    let wanted = "IKE_AUTH: the peer answered AUTHENTICATION_FAILED (24)";
    assert!(told.ends_with(wanted), "{told}");
    let (mut a, b) = pair();
    a.local_proof = proof_of("ran-ca", "enb2.ran.example", 1, 0);
    let (line, _) = refused((a, b), Side::B);
    assert!(
        line.ends_with("the certificate is of enb2.ran.example"),
        "{line}"
    );
    let (mut a, b) = pair();
    let credential =
        crate::config::Credential::new("mallory", vec![certificate("ran-ca", A_NAME, 0)]);
    a.local_proof = LocalProof::Certificate(Arc::new(credential.unwrap()));
    let (line, _) = refused((a, b), Side::B);
    let wanted = "the signature is not by the key of enb1.ran.example";
    assert!(line.ends_with(wanted), "{line}");
}

#[test]
fn an_initiator_that_is_not_convinced_says_why_and_ends_it_at_both_ends() {
    let (a, mut b) = pair();
    b.local_proof = proof_of("other-ca", B_NAME, 1, 0);
    let (line, w) = refused((a, b), Side::A);
    assert_eq!(
        line,
        "192.0.2.2:500 (segw.example) IKE_AUTH: authentication failed: segw.example is certified by other-ca, not core-ca"
    );
    assert!(
        w.b.all_downs.contains(&DownReason::PeerDeleted),
        "{}",
        w.explain()
    );
    let (a, mut b) = pair();
    b.local_proof = proof_of("core-ca", "other.example", 1, 0);
    let (line, _) = refused((a, b), Side::A);
    assert!(
        line.ends_with("the certificate is of other.example"),
        "{line}"
    );
}

#[test]
fn a_method_that_the_gateway_does_not_accept_is_refused_before_any_work() {
    let ((certified, _), (_, trusting)) = (pair(), pair());
    let (line, w) = refused((peer(), trusting), Side::B);
    let wanted = "IKE_AUTH: authentication method pre-shared key (2) is not accepted: signatures (1, 9, 10, 11, 14) with a certificate are";
    assert!(line.ends_with(wanted), "{line}");
    assert!(w.b.authority.verified().is_empty());
    let (line, w) = refused((certified, gateway()), Side::B);
    let wanted = "authentication method ECDSA-256 (9) is not accepted: pre-shared key (2) is";
    assert!(line.ends_with(wanted), "{line}");
    assert!(w.b.authority.verified().is_empty());
    // The responder proves itself otherwise than the initiator wants.
    let (a, mut b) = pair();
    b.local_proof = LocalProof::PreSharedKey;
    let (line, w) = refused((a, b), Side::A);
    assert!(line.contains("(segw.example) IKE_AUTH: authentication method pre-shared key (2)"));
    assert!(w.a.authority.verified().is_empty());
}

#[test]
fn a_key_of_ours_that_is_lost_fails_with_our_name() {
    let lost = || {
        let credential = crate::config::Credential::new("lost", vec![vec![1]]).unwrap();
        LocalProof::Certificate(Arc::new(credential))
    };
    let (a, mut b) = pair();
    b.local_proof = lost();
    let (line, _) = refused((a, b), Side::B);
    let wanted = "IKE_AUTH: gateway enbs cannot sign: the key of lost cannot be read";
    assert!(line.ends_with(wanted), "{line}");
    let (mut a, b) = pair();
    a.local_proof = lost();
    let (line, _) = refused((a, b), Side::A);
    let wanted = "IKE_AUTH: gateway segw cannot sign: the key of lost cannot be read";
    assert!(line.ends_with(wanted), "{line}");
}

#[test]
fn no_certificate_and_too_many_are_refused_before_any_work() {
    let cert = || Cert::x509(certificate("ran-ca", A_NAME, 0));
    assert_eq!(with_certs(vec![cert(); MAX_CERTIFICATES]).b.up().len(), 1);
    let url = Cert {
        encoding: encoding::HASH_AND_URL,
        data: vec![7; 60],
    };
    let none = "the peer's message has no usable CERT (X.509 certificate) payload";
    let many = "the peer sent 17 certificates: 16 at most are taken";
    let cases = [
        (vec![], none),
        (vec![url], none),
        (vec![cert(); MAX_CERTIFICATES + 1], many),
    ];
    for (certs, wanted) in cases {
        let w = with_certs(certs);
        let line = w.b.failures[0].to_string();
        assert!(line.ends_with(wanted), "{line}");
        assert!(w.b.up().is_empty() && w.b.authority.verified().is_empty());
        assert_eq!(w.b.count(Count::AuthFailed), 1);
    }
}

#[test]
fn an_answer_that_makes_no_sense_gives_the_spi_of_its_child_back() {
    for chain in [&[0u8, 0, 0, 3][..], &[0, 0x80, 0, 4]] {
        let mut w = world_of(pair(), 13);
        w.pump();
        w.filter = Some(Box::new(|side, m| side == Side::B && m.sk().is_some()));
        w.run_for(Duration::from_millis(200));
        let (_, raw) = w
            .transcript
            .iter()
            .rfind(|(s, _)| *s == Side::B)
            .cloned()
            .unwrap();
        let header = Message::parse(&raw).unwrap().header;
        let (_, cipher) = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
        assert_eq!(w.a.endpoint.environment_ref().in_use.len(), 1);
        let first = if chain[1] == 0 { number::AUTH } else { 200 };
        let forged = sk::seal_raw(&header, first, chain, &cipher, &[9; 8]).unwrap();
        w.inject(Side::A, address(2), address(1), &forged);
        assert_eq!(w.a.count(Count::AuthFailed), 1);
        assert!(w.a.endpoint.environment_ref().in_use.is_empty());
    }
}

#[test]
fn an_auth_payload_without_data_reaches_the_authority_as_it_is() {
    let empty = Auth {
        method: 14,
        data: Vec::new(),
    };
    let w = rewritten(14, |payloads| {
        payloads.retain(|p| !matches!(p, Payload::Auth(_)));
        payloads.push(Payload::Auth(empty));
    });
    assert!(w.b.authority.verified()[0].signature.is_empty());
    assert!(w.b.up().is_empty() && w.b.count(Count::AuthFailed) == 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn decrypted_nonsense_in_ike_auth_leaves_nothing(
        chain in proptest::collection::vec(any::<u8>(), 0..200), first in 33u8..54, genuine in any::<bool>(),
    ) {
        let mut w = world_of(pair(), 16);
        w.pump();
        w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
        w.run_for(Duration::from_millis(200));
        let raw = last(&w, Side::A);
        let message = Message::parse(&raw).unwrap();
        let (cipher, _) = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
        let payloads = message.sk().unwrap().open(&raw, &cipher).unwrap();
        let (own, octets) = crate::msg::payload::emit_chain(&payloads);
        // Alone, or before what A says.
        let (first, chain) = match genuine {
            true => {
                let length = (chain.len() as u16 + 4).to_be_bytes();
                (first, [&[own, 0][..], &length, &chain, &octets].concat())
            }
            false => (first, chain),
        };
        let forged = sk::seal_raw(&message.header, first, &chain, &cipher, &[9; 8]).unwrap();
        w.inject(Side::B, address(1), address(2), &forged);
        w.filter = None;
        w.link.cut = true;
        w.run_for(MINUTE * 5);
        prop_assert_eq!(w.b.endpoint.half_open(), 0);
        w.link.cut = false;
        prop_assert!(w.run_until(MINUTE * 3, World::is_up), "{}", w.explain());
    }
}

#[test]
fn a_gateway_that_lacks_its_certificate_refuses_its_peers_by_name() {
    let (a, mut b) = pair();
    let why = crate::Denial::new("there is no local certificate `gw`");
    b.local_proof = LocalProof::Unable(why);
    let name = b.name.clone();
    let (line, _) = refused((a, b), Side::B);
    let wanted = format!("gateway {name} cannot sign: there is no local certificate `gw`");
    assert!(line.ends_with(&wanted), "{line}");
}

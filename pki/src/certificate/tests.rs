use super::*;
use crate::algorithm::Curve;
use crate::der;
use crate::key::PrivateKey;
use crate::sample::{self, Extension, self_signed};
use proptest::prelude::*;
use std::sync::LazyLock;

const ALT_NAMES: &str = "2.5.29.17";
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";

static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::Ecdsa(Curve::P256)).unwrap());

fn made(extensions: &[Extension<'_>]) -> Result<Certificate, Error> {
    Certificate::from_der(&self_signed(KEY.openssl(), "CN=gw1,O=Example", extensions))
}

fn names(names: &[(u8, &[u8])]) -> Extension<'static> {
    let parts: Vec<u8> = names
        .iter()
        .flat_map(|(form, octets)| der::element(*form, octets))
        .collect();
    (ALT_NAMES, false, der::element(der::SEQUENCE, &parts))
}

#[test]
fn every_part_is_read() {
    let directory = DistinguishedName::from_text("CN=x").unwrap();
    let ike = [0x2b, 6, 1, 5, 5, 7, 3, 17];
    let certificate = made(&[
        names(&[
            (0x82, b"gw1.example.net"),
            (0x81, b"gw1@example.net"),
            (0x87, &[192, 0, 2, 1]),
            (0x87, &[0x20; 16]),
            (0xa4, directory.der()),
            (0x86, b"http://example.net/"),
        ]),
        (KEY_USAGE, true, vec![3, 2, 6, 0xc0]),
        (
            EXTENDED_KEY_USAGE,
            false,
            der::element(der::SEQUENCE, &der::element(der::OID, &ike)),
        ),
        (BASIC_CONSTRAINTS, true, vec![0x30, 3, 1, 1, 0xff]),
    ])
    .unwrap();
    assert_eq!(certificate.to_string(), "CN=gw1,O=Example");
    assert!(certificate.subject().matches(certificate.issuer()));
    assert_eq!(certificate.serial(), [1, 2, 3]);
    assert_eq!(
        (certificate.not_before().0, certificate.not_after().0),
        sample::VALIDITY
    );
    assert_eq!(certificate.key_algorithm(), KEY.algorithm());
    let names: Vec<String> = certificate
        .alt_names()
        .iter()
        .map(AltName::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "gw1.example.net",
            "gw1@example.net",
            "192.0.2.1",
            "2020:2020:2020:2020:2020:2020:2020:2020",
            "CN=x"
        ]
    );
    assert_eq!(
        certificate.key_usage(),
        Some(KeyUsage {
            digital_signature: true,
            non_repudiation: true,
            key_cert_sign: false,
            crl_sign: false
        })
    );
    assert_eq!(
        certificate.extended_key_usage().unwrap(),
        ["1.3.6.1.5.5.7.3.17"]
    );
    assert!(certificate.is_ca());
    assert_eq!(certificate.weak_signature(), None);
}

#[test]
fn what_is_not_said_is_absent() {
    let certificate = made(&[]).unwrap();
    assert!(certificate.alt_names().is_empty());
    assert_eq!(certificate.key_usage(), None);
    assert_eq!(certificate.extended_key_usage(), None);
    assert!(!certificate.is_ca());
}

#[test]
fn the_hash_of_the_key_is_that_of_openssl() {
    let certificate = made(&[]).unwrap();
    let spki = KEY.openssl().public_key_to_der().unwrap();
    let hash = openssl::hash::hash(openssl::hash::MessageDigest::sha1(), &spki).unwrap();
    assert_eq!(certificate.spki_sha1()[..], *hash);
}

#[test]
fn broken_extensions_are_refused() {
    let sequence = |content: &[u8]| der::element(der::SEQUENCE, content);
    for (extensions, why) in [
        (
            vec![names(&[(0x82, b"a")]), names(&[(0x82, b"b")])],
            "an extension comes twice",
        ),
        (
            vec![names(&[(0x82, b"gw1\0.evil.net")])],
            "an alternative name with strange characters",
        ),
        (
            vec![names(&[(0x81, b"")])],
            "an alternative name with strange characters",
        ),
        (
            vec![names(&[(0x87, &[1, 2, 3])])],
            "an address that is neither IPv4 nor IPv6",
        ),
        (vec![names(&[(0x82, b"\xff")])], "an alternative name"),
        (
            vec![(EXTENDED_KEY_USAGE, false, sequence(&[]))],
            "extended key usage",
        ),
        (
            vec![(BASIC_CONSTRAINTS, true, vec![0x30, 9, 1])],
            "an extension does not parse",
        ),
    ] {
        let refused = made(&extensions).unwrap_err();
        assert_eq!(refused, malformed(why));
    }
    let many: Vec<String> = (0..65).map(|n| format!("1.2.3.{n}")).collect();
    let many: Vec<Extension<'_>> = many
        .iter()
        .map(|oid| (oid.as_str(), false, vec![5, 0]))
        .collect();
    assert_eq!(
        made(&many).unwrap_err(),
        malformed("more than 64 extensions")
    );
}

#[test]
fn places_of_revocation_lists_are_read() {
    let point = |name: (u8, &[u8]), more: &[u8]| {
        let full = der::element(0xa0, &der::element(0xa0, &der::element(name.0, name.1)));
        der::constructed(der::SEQUENCE, &[&full, more])
    };
    let url = |text: &'static str| (0x86, text.as_bytes());
    let long = format!("http://{}", "x".repeat(1024));
    let long: &'static str = long.leak();
    let mut points = vec![
        point(url("http://a/1.crl"), &[]),
        point(url("HTTP://a/2.crl"), &[]),
        point(url("ldap://a/3.crl"), &[]),
        point(url("http://a/ 4.crl"), &[]),
        point(url(long), &[]),
        point((0x82, b"a"), &[]),
        // Some reasons only.
        point(url("http://a/7.crl"), &[0x81, 2, 1, 6]),
    ];
    let read = |points: &[Vec<u8>]| {
        let value = der::element(der::SEQUENCE, &points.concat());
        made(&[("2.5.29.31", false, value)])
            .unwrap()
            .crl_urls()
            .to_vec()
    };
    assert_eq!(read(&points), ["http://a/1.crl", "HTTP://a/2.crl"]);
    points.extend(vec![point(url("http://a/8.crl"), &[]); 9]);
    assert_eq!(read(&points).len(), 8);
}

#[test]
fn places_of_ocsp_responders_are_read() {
    let access = |last: u8, url: &str| {
        let method = der::element(der::OID, &[0x2b, 6, 1, 5, 5, 7, 0x30, last]);
        der::constructed(
            der::SEQUENCE,
            &[&method, &der::element(0x86, url.as_bytes())],
        )
    };
    let parts = [
        access(1, "http://a/ocsp"),
        access(2, "http://a/ca.cer"),
        access(1, "https://a/ocsp"),
    ];
    let value = der::element(der::SEQUENCE, &parts.concat());
    let certificate = made(&[("1.3.6.1.5.5.7.1.1", false, value)]).unwrap();
    assert_eq!(certificate.ocsp_urls(), ["http://a/ocsp"]);
}

#[test]
fn a_subject_may_be_empty_when_a_name_is_there() {
    let nobody = self_signed(KEY.openssl(), "", &[]);
    assert_eq!(
        Certificate::from_der(&nobody).unwrap_err(),
        malformed("it names nobody")
    );
    let named = self_signed(KEY.openssl(), "", &[names(&[(0x82, b"gw1.example.net")])]);
    assert_eq!(
        Certificate::from_der(&named).unwrap().to_string(),
        "gw1.example.net"
    );
}

#[test]
fn keys_of_other_kinds_are_refused() {
    // An EC key on a curve that RFC 4754 does not have.
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP256K1).unwrap();
    let key = openssl::ec::EcKey::generate(&group).unwrap();
    let key = PKey::from_ec_key(key).unwrap();
    assert_eq!(KeyAlgorithm::of(&key).unwrap_err(), Error::KeyKind);
    // P-256 with its parameters spelled out.
    let mut group = openssl::ec::EcGroup::from_curve_name(Curve::P256.nid()).unwrap();
    group.set_asn1_flag(openssl::ec::Asn1Flag::EXPLICIT_CURVE);
    let key = openssl::ec::EcKey::generate(&group).unwrap();
    let key = PKey::from_ec_key(key).unwrap();
    let refused = Certificate::from_der(&self_signed(&key, "CN=gw1", &[]));
    assert_eq!(refused.unwrap_err(), Error::KeyKind);
}

#[test]
fn other_octets_are_refused() {
    let good = self_signed(KEY.openssl(), "CN=gw1", &[]);
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(
        Certificate::from_der(&longer).unwrap_err(),
        malformed("octets behind its end")
    );
    for cut in 0..good.len() {
        assert!(Certificate::from_der(&good[..cut]).is_err(), "{cut}");
    }
    assert!(matches!(
        Certificate::from_der(&vec![0x30; MAX_CERTIFICATE_OCTETS + 1]),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn files_hold_der_or_any_number_in_pem() {
    let one = made(&[]).unwrap();
    let two = sample::certificate(&PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap());
    assert_eq!(
        Certificate::from_file(one.der()).unwrap(),
        std::slice::from_ref(&one)
    );
    let key = KEY.openssl().private_key_to_pem_pkcs8().unwrap();
    let text = [
        "0 a comment\n",
        &one.to_pem().unwrap(),
        &String::from_utf8(key.clone()).unwrap(),
        &two.to_pem().unwrap(),
    ]
    .concat();
    assert_eq!(
        Certificate::from_file(text.as_bytes()).unwrap(),
        [one.clone(), two]
    );
    for (octets, why) in [
        (key, "no certificate in it"),
        (b"".to_vec(), "no certificate in it"),
        (
            one.to_pem().unwrap().as_bytes()[..200].to_vec(),
            "a block is not complete",
        ),
        (
            one.to_pem().unwrap().repeat(257).into_bytes(),
            "more than 256 certificates",
        ),
    ] {
        let refused = Certificate::from_file(&octets).unwrap_err();
        let what = "a PEM file";
        assert_eq!(refused, Error::Malformed { what, why });
    }
    assert!(matches!(
        Certificate::from_file(&vec![b' '; MAX_PEM_OCTETS + 1]),
        Err(Error::TooLarge { .. })
    ));
}

proptest! {
    /// One octet is another: the certificate is refused, or it says something that can be shown.
    #[test]
    fn a_changed_octet_is_answered(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut der = sample::certificate(&KEY).der().to_vec();
        let at = at.index(der.len());
        der[at] = octet;
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), der);
            prop_assert!(!certificate.to_string().contains('\n'));
        }
    }
}

use super::*;
use crate::algorithm::Curve;
use crate::name::DistinguishedName;
use crate::sample;
use openssl::pkcs12::Pkcs12;
use openssl::symm::Cipher;
use openssl::x509::{X509, X509Req};
use ravelin_types::Identity;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, ParsedExtension};

const KINDS: [KeyAlgorithm; 6] = [
    KeyAlgorithm::Rsa { bits: 2048 },
    KeyAlgorithm::Ecdsa(Curve::P256),
    KeyAlgorithm::Ecdsa(Curve::P384),
    KeyAlgorithm::Ecdsa(Curve::P521),
    KeyAlgorithm::Ed25519,
    KeyAlgorithm::Ed448,
];

fn secret(text: &str) -> Secret {
    Secret::from_slice(text.as_bytes())
}

fn pem(key: &PrivateKey, passphrase: &str) -> Vec<u8> {
    let cipher = Cipher::aes_256_cbc();
    let key = key.openssl();
    key.private_key_to_pem_pkcs8_passphrase(cipher, passphrase.as_bytes())
        .unwrap()
}

#[test]
fn every_kind_is_made_and_imported_from_every_form() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        assert_eq!(key.algorithm(), kind);
        let certificate = sample::certificate(&key);
        let der = key.openssl().private_key_to_pkcs8().unwrap();
        let cipher = Cipher::aes_256_cbc();
        let encrypted = key.openssl().private_key_to_pkcs8_passphrase(cipher, b"x");
        for (form, octets, passphrase) in [
            ("PKCS#8", der, ""),
            ("encrypted PKCS#8", encrypted.unwrap(), "x"),
            (
                "PEM",
                key.to_pem().unwrap().as_bytes().to_vec(),
                "not needed",
            ),
            ("encrypted PEM", pem(&key, "correct horse"), "correct horse"),
        ] {
            let read = PrivateKey::import(&octets, &secret(passphrase));
            let read = read.unwrap_or_else(|e| panic!("{kind} in {form}: {e}"));
            assert_eq!(read.algorithm(), kind);
            assert!(read.belongs_to(&certificate), "{kind} in {form}");
        }
    }
}

#[test]
fn older_forms_of_pem_are_read() {
    let rsa = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).unwrap();
    let rsa_pem = rsa.openssl().rsa().unwrap().private_key_to_pem().unwrap();
    let ec = PrivateKey::generate(KeyAlgorithm::Ecdsa(Curve::P256)).unwrap();
    let ec_pem = ec.openssl().ec_key().unwrap().private_key_to_pem().unwrap();
    for (key, pem) in [(rsa, rsa_pem), (ec, ec_pem)] {
        let read = PrivateKey::import(&pem, &secret("")).unwrap();
        assert!(read.openssl().public_eq(key.openssl()));
    }
}

#[test]
fn a_wrong_passphrase_is_told() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let cipher = Cipher::aes_256_cbc();
    let der = key.openssl().private_key_to_pkcs8_passphrase(cipher, b"x");
    let long = "x".repeat(5000);
    for octets in [pem(&key, "x"), der.unwrap()] {
        for passphrase in ["", "y", &long] {
            let refused = PrivateKey::import(&octets, &secret(passphrase));
            let what = "a private key";
            assert_eq!(refused.unwrap_err(), Error::Passphrase { what });
        }
    }
}

#[test]
fn weak_large_and_strange_keys_are_refused() {
    for bits in [1024, 2047, 4097, 8192] {
        let kind = KeyAlgorithm::Rsa { bits };
        let refused = PrivateKey::generate(kind).unwrap_err();
        assert_eq!(refused, Error::KeyStrength(kind));
    }
    let weak = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let refused = PrivateKey::import(&weak.private_key_to_pkcs8().unwrap(), &secret(""));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "a key of RSA 1024 is refused: RSA keys of ours have 2048 to 4096 bits"
    );
    let other = PKey::generate_x25519().unwrap();
    let refused = PrivateKey::import(&other.private_key_to_pkcs8().unwrap(), &secret(""));
    assert_eq!(refused.unwrap_err(), Error::KeyKind);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let rsa = || Rsa::generate(2048).unwrap();
    let (a, b) = (rsa(), rsa());
    let part = |n: &openssl::bn::BigNumRef| n.to_owned().unwrap();
    let mixed = Rsa::from_private_components(
        part(a.n()),
        part(a.e()),
        part(b.d()),
        part(a.p().unwrap()),
        part(a.q().unwrap()),
        part(a.dmp1().unwrap()),
        part(a.dmq1().unwrap()),
        part(a.iqmp().unwrap()),
    );
    let mixed = PKey::from_rsa(mixed.unwrap()).unwrap();
    let refused = PrivateKey::import(&mixed.private_key_to_pkcs8().unwrap(), &secret(""));
    let kind = KeyAlgorithm::Rsa { bits: 2048 };
    assert_eq!(refused.unwrap_err(), Error::KeyInconsistent(kind));
}

#[test]
fn other_octets_are_no_key() {
    let good = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let certificate = sample::certificate(&good).to_pem().unwrap();
    let good = good.openssl().private_key_to_pkcs8().unwrap();
    for octets in [
        &b""[..],
        b"-----BEGIN PRIVATE KEY-----",
        certificate.as_bytes(),
        &good[1..],
        &[0x30, 0x80],
    ] {
        let refused = PrivateKey::import(octets, &secret("")).unwrap_err();
        assert!(matches!(refused, Error::Malformed { .. }), "{refused}");
    }
    let refused = PrivateKey::import(&vec![0; MAX_KEY_OCTETS + 1], &secret("")).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }));
}

fn pkcs12(key: &PrivateKey, of: &PrivateKey, chain: &PrivateKey) -> Vec<u8> {
    let x509 = |key| X509::from_der(sample::certificate(key).der()).unwrap();
    let mut authorities = openssl::stack::Stack::new().unwrap();
    authorities.push(x509(chain)).unwrap();
    let mut builder = Pkcs12::builder();
    builder.pkey(key.openssl()).ca(authorities);
    // OpenSSL writes no file of which key and certificate differ: the certificate goes among those of the CAs.
    if key.openssl().public_eq(of.openssl()) {
        builder.cert(&x509(of));
    }
    builder.build2("x").unwrap().to_der().unwrap()
}

#[test]
fn pkcs12_gives_key_certificate_and_chain() {
    let generate = || PrivateKey::generate(KeyAlgorithm::Ecdsa(Curve::P256)).unwrap();
    let (key, authority) = (generate(), generate());
    let file = pkcs12(&key, &key, &authority);
    let bundle = Bundle::import(&file, &secret("x")).unwrap();
    assert!(bundle.key.belongs_to(&bundle.certificate));
    assert_eq!(bundle.certificate.to_string(), "CN=gw1,O=Example");
    assert_eq!(bundle.chain.len(), 1);
    assert!(authority.belongs_to(&bundle.chain[0]));
    let what = "a PKCS#12 file";
    for wrong in ["", "y", "x\0"] {
        assert_eq!(
            Bundle::import(&file, &secret(wrong)).unwrap_err(),
            Error::Passphrase { what }
        );
    }
    let why = "no certificate in it";
    let without = pkcs12(&key, &authority, &authority);
    assert_eq!(
        Bundle::import(&without, &secret("x")).unwrap_err(),
        Error::Malformed { what, why }
    );
    let why = "no DER";
    assert_eq!(
        Bundle::import(&file[1..], &secret("x")).unwrap_err(),
        Error::Malformed { what, why }
    );
}

#[test]
fn a_request_says_what_was_asked_and_is_signed() {
    let wanted = Request {
        subject: DistinguishedName::from_text("CN=gw1,O=Example,C=DE").unwrap(),
        names: vec![
            Identity::Fqdn("gw1.example.net".into()),
            Identity::Email("gw1@example.net".into()),
            Identity::Ipv4([192, 0, 2, 1].into()),
            Identity::Ipv6([0x20; 16].into()),
        ],
    };
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        let der = wanted.sign(&key).unwrap();
        let request = X509Req::from_der(&der).unwrap();
        assert!(request.verify(key.openssl()).unwrap(), "{kind}");
        let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
        let subject = parsed.certification_request_info.subject.as_raw();
        assert_eq!(subject, wanted.subject.der());
        let extensions: Vec<_> = parsed.requested_extensions().unwrap().collect();
        assert!(matches!(
            extensions[0],
            ParsedExtension::KeyUsage(usage) if usage.flags == 1
        ));
        let ParsedExtension::SubjectAlternativeName(names) = extensions[1] else {
            panic!("{:?}", extensions[1]);
        };
        let names: Vec<String> = names.general_names.iter().map(|n| n.to_string()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(names[0], "DNSName(gw1.example.net)");
    }
}

#[test]
fn a_name_that_no_certificate_holds_is_refused() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    for name in [
        Identity::Fqdn("gw 1".into()),
        Identity::Fqdn("gw1,DNS:evil\n".into()),
        Identity::Email("ü@example.net".into()),
        Identity::KeyId(vec![1]),
    ] {
        let wanted = Request {
            subject: DistinguishedName::from_text("CN=gw1").unwrap(),
            names: vec![name],
        };
        let refused = wanted.sign(&key).unwrap_err();
        assert!(matches!(refused, Error::Text { .. }), "{refused}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(Ed25519)");
}

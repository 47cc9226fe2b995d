use super::request::{certificate_id, nonce_extension};
use super::*;
use crate::algorithm::{Curve, KeyAlgorithm};
use crate::der::{self, constructed, element};
use crate::key::PrivateKey;
use crate::sample::{self, VALIDITY};
use proptest::prelude::*;
use std::sync::LazyLock;

const NOW: WallTime = WallTime(VALIDITY.0 + 10_000);
const OCSP_SIGNING: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 9];
const SEQUENCE: u8 = der::SEQUENCE;

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::Ecdsa(Curve::P256)).unwrap()
}

static CA_KEY: LazyLock<PrivateKey> = LazyLock::new(key);
static OTHER_KEY: LazyLock<PrivateKey> = LazyLock::new(key);
static CA: LazyLock<Certificate> = LazyLock::new(|| {
    Certificate::from_der(&sample::self_signed(CA_KEY.openssl(), "CN=ca", &[])).unwrap()
});
static PEER: LazyLock<Certificate> = LazyLock::new(|| {
    let der = sample::issued(
        OTHER_KEY.openssl(),
        "CN=enb",
        CA_KEY.openssl(),
        "CN=ca",
        &[],
    );
    Certificate::from_der(&der).unwrap()
});

/// `CN=responder` with the key that is not the CA's, and the extended key usage of OCSP if wanted.
fn responder(issuer_key: &PrivateKey, issuer: &str, signing: bool) -> Vec<u8> {
    let usage = element(SEQUENCE, &element(der::OID, &OCSP_SIGNING));
    let usage = [("2.5.29.37", false, usage)];
    let extensions = if signing { &usage[..] } else { &[] };
    let (key, issuer_key) = (OTHER_KEY.openssl(), issuer_key.openssl());
    sample::issued(key, "CN=responder", issuer_key, issuer, extensions)
}

fn good() -> Vec<u8> {
    vec![0x80, 0]
}

fn revoked() -> Vec<u8> {
    element(0xa1, &sample::generalized(NOW))
}

/// An answer that its tests change.
struct Made {
    key: &'static LazyLock<PrivateKey>,
    responder: Vec<u8>,
    says: Vec<u8>,
    about: Vec<u8>,
    this_update: WallTime,
    next_update: Option<WallTime>,
    single_extensions: Vec<u8>,
    extensions: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    copies: usize,
    sha1: bool,
}

fn by_name(name: &str) -> Vec<u8> {
    let name = crate::DistinguishedName::from_text(name).unwrap();
    element(0xa1, name.der())
}

/// By the CA itself: the peer is good for 1,000 s.
fn made() -> Made {
    Made {
        key: &CA_KEY,
        responder: by_name("CN=ca"),
        says: good(),
        about: certificate_id(&PEER, &CA).unwrap(),
        this_update: NOW,
        next_update: Some(WallTime(NOW.0 + 1000)),
        single_extensions: vec![],
        extensions: vec![],
        certificates: vec![],
        copies: 1,
        sha1: false,
    }
}

impl Made {
    fn der(&self) -> Vec<u8> {
        let this_update = sample::generalized(self.this_update);
        let next_update = self
            .next_update
            .map(|at| element(0xa0, &sample::generalized(at)));
        let next_update = next_update.unwrap_or_default();
        let optional = |tag, list: &[u8]| match list {
            [] => vec![],
            list => element(tag, &element(SEQUENCE, list)),
        };
        let more = optional(0xa1, &self.single_extensions);
        let parts = [&self.about, &self.says, &this_update, &next_update, &more];
        let single = element(SEQUENCE, &parts.map(Vec::as_slice).concat());
        let answers = element(SEQUENCE, &single.repeat(self.copies));
        let produced = sample::generalized(NOW);
        let more = optional(0xa1, &self.extensions);
        let data = constructed(SEQUENCE, &[&self.responder, &produced, &answers, &more]);
        let signed = sample::signed(self.key, |_| data.clone(), self.sha1);
        let certificates = optional(0xa0, &self.certificates.concat());
        let basic = constructed(SEQUENCE, &[&signed, &certificates]);
        let kind = element(der::OID, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]);
        let bytes = constructed(SEQUENCE, &[&kind, &element(der::OCTET_STRING, &basic)]);
        constructed(SEQUENCE, &[&[0x0a, 1, 0], &element(0xa0, &bytes)])
    }

    fn read(&self, nonce: Option<&[u8]>) -> Result<OcspResponse, OcspError> {
        OcspResponse::read(&self.der(), &CA, nonce, NOW, false)
    }

    fn status(&self, now: WallTime) -> Status {
        self.read(None).unwrap().status(&PEER, &CA, now)
    }

    fn refused(&self) -> OcspError {
        self.read(None).unwrap_err()
    }
}

#[test]
fn openssl_reads_our_question_and_the_answers_of_this_test() {
    let question = OcspRequest::new(&PEER, &CA).unwrap();
    let read = openssl::ocsp::OcspRequest::from_der(&question.der).unwrap();
    use openssl::x509::X509;
    assert_eq!(read.to_der().unwrap(), question.der);
    assert_eq!(question.nonce.len(), NONCE_OCTETS);
    let at = question.der.windows(32).position(|w| w == question.nonce);
    assert_eq!(at, Some(question.der.len() - 32));
    let answer = openssl::ocsp::OcspResponse::from_der(&made().der()).unwrap();
    let basic = answer.basic().unwrap();
    let id = |x509: &Certificate| X509::from_der(x509.der()).unwrap();
    let digest = openssl::hash::MessageDigest::sha1();
    let id = openssl::ocsp::OcspCertId::from_cert(digest, &id(&PEER), &id(&CA)).unwrap();
    let status = basic.find_status(&id).unwrap();
    assert_eq!(status.status, openssl::ocsp::OcspCertStatus::GOOD);
}

#[test]
fn an_answer_says_good_revoked_or_nothing() {
    assert_eq!(made().status(NOW), Status::Good);
    let until = WallTime(NOW.0 + 1000);
    assert_eq!(made().status(until), Status::Good);
    let later = WallTime(until.0 + 1);
    assert_eq!(made().status(later), Status::Unknown(Unknown::Stale(until)));
    let bad = Made {
        says: revoked(),
        ..made()
    };
    assert_eq!(bad.status(NOW), Status::Revoked);
    assert_eq!(bad.status(later), Status::Revoked);
    let unknown = Made {
        says: vec![0x82, 0],
        ..made()
    };
    assert_eq!(unknown.status(NOW), Status::Unknown(Unknown::Nothing));
    // An hour, when nobody says how long.
    let endless = Made {
        next_update: None,
        ..made()
    };
    let until = WallTime(NOW.0 + ANSWER_LIFE_S);
    assert_eq!(endless.status(until), Status::Good);
    assert_eq!(
        endless.status(WallTime(until.0 + 1)),
        Status::Unknown(Unknown::Stale(until))
    );
    // About others it says nothing.
    let read = made().read(None).unwrap();
    assert_eq!(
        read.status(&PEER, &PEER, NOW),
        Status::Unknown(Unknown::Nothing)
    );
}

#[test]
fn a_question_by_sha256_is_known_too() {
    let name = ravelin_crypto::sha256(&[CA.subject().der()]).unwrap();
    let bits = ravelin_crypto::sha256(&[CA.key_bits()]).unwrap();
    let about = |bits: &[u8]| {
        let algorithm = element(SEQUENCE, &element(der::OID, SHA256));
        let serial = element(der::INTEGER, PEER.serial());
        let hash = |octets: &[u8]| element(der::OCTET_STRING, octets);
        constructed(SEQUENCE, &[&algorithm, &hash(&name), &hash(bits), &serial])
    };
    assert_eq!(
        Made {
            about: about(&bits),
            ..made()
        }
        .status(NOW),
        Status::Good
    );
    let other = Made {
        about: about(&[0; 32]),
        ..made()
    };
    assert_eq!(other.refused(), OcspError::Other("CN=ca".into()));
}

#[test]
fn the_nonce_is_that_of_the_question_or_absent() {
    let question = OcspRequest::new(&PEER, &CA).unwrap();
    let nonce = Some(question.nonce.as_slice());
    let with = Made {
        extensions: nonce_extension(&question.nonce),
        ..made()
    };
    assert!(with.read(nonce).is_ok() && with.read(None).is_ok());
    assert!(made().read(nonce).is_ok());
    assert_eq!(with.read(Some(&[7; 32])).unwrap_err(), OcspError::Nonce);
}

#[test]
fn a_responder_of_the_ca_may_sign() {
    let delegated = |certificate: Vec<u8>| Made {
        key: &OTHER_KEY,
        responder: by_name("CN=responder"),
        certificates: vec![certificate],
        ..made()
    };
    let good = responder(&CA_KEY, "CN=ca", true);
    assert_eq!(delegated(good.clone()).status(NOW), Status::Good);
    // By the hash of its key.
    let bits = Certificate::from_der(&good).unwrap();
    let hash = ravelin_crypto::sha1(&[bits.key_bits()]).unwrap();
    let by_key = element(0xa2, &element(der::OCTET_STRING, &hash));
    let keyed = Made {
        responder: by_key,
        ..delegated(good.clone())
    };
    assert_eq!(keyed.status(NOW), Status::Good);
    for (certificate, why) in [
        (
            responder(&CA_KEY, "CN=ca", false),
            "is not for signing OCSP answers",
        ),
        (
            responder(&CA_KEY, "CN=x", true),
            "is not issued by the CA that is asked about",
        ),
        (
            responder(&OTHER_KEY, "CN=ca", true),
            "is not issued by the CA that is asked about",
        ),
    ] {
        let certificate_name = "CN=responder".to_owned();
        let refused = OcspError::ResponderCertificate {
            certificate: certificate_name,
            why,
        };
        assert_eq!(delegated(certificate).refused(), refused);
    }
    let later = WallTime(VALIDITY.1 + 1);
    let late = OcspResponse::read(&delegated(good.clone()).der(), &CA, None, later, false);
    assert!(
        late.unwrap_err()
            .to_string()
            .ends_with("`CN=responder` is not valid now"),
    );
    // Its certificate is missing, or the signature is of another key.
    let missing = Made {
        certificates: vec![],
        ..delegated(good.clone())
    };
    assert_eq!(missing.refused(), OcspError::Responder("CN=ca".into()));
    let forged = Made {
        key: &CA_KEY,
        ..delegated(good)
    };
    assert_eq!(
        forged.refused(),
        OcspError::Signature("CN=responder".into())
    );
    let forged = Made {
        key: &OTHER_KEY,
        ..made()
    };
    assert_eq!(forged.refused(), OcspError::Signature("CN=ca".into()));
}

#[test]
fn what_does_not_answer_or_is_strange_is_refused() {
    let status = |status| OcspResponse::read(&[0x30, 3, 0x0a, 1, status], &CA, None, NOW, false);
    for (number, text) in [
        (1, "the question is malformed"),
        (3, "try later"),
        (6, "not authorised"),
        (9, "a status that is not known"),
    ] {
        assert_eq!(status(number).unwrap_err(), OcspError::NoAnswer(text));
    }
    assert!(matches!(status(0), Err(OcspError::Format(_))));
    let critical = |oid: &[u8]| {
        let value = element(der::OCTET_STRING, &[5, 0]);
        constructed(SEQUENCE, &[&element(der::OID, oid), &[1, 1, 0xff], &value])
    };
    let unknown = critical(&[0x2b, 1]);
    assert_eq!(
        Made {
            extensions: unknown.clone(),
            ..made()
        }
        .refused(),
        OcspError::Critical
    );
    assert_eq!(
        Made {
            single_extensions: unknown,
            ..made()
        }
        .refused(),
        OcspError::Critical
    );
    let early = Made {
        this_update: WallTime(NOW.0 + 301),
        ..made()
    };
    assert_eq!(early.refused(), OcspError::NotYet(WallTime(NOW.0 + 301)));
    let weak = Made {
        sha1: true,
        ..made()
    };
    assert_eq!(weak.refused(), OcspError::Algorithm);
    let read = |made: &Made| OcspResponse::read(&made.der(), &CA, None, NOW, true).unwrap();
    assert!(read(&weak).is_weak() && !read(&made()).is_weak());
    let many = Made {
        copies: 33,
        ..made()
    };
    assert!(matches!(many.refused(), OcspError::Format(_)));
    let certificate = responder(&CA_KEY, "CN=ca", true);
    let many = Made {
        certificates: vec![certificate; 5],
        ..made()
    };
    assert!(matches!(many.refused(), OcspError::Format(_)));
    let large = vec![0x30; MAX_OCSP_OCTETS + 1];
    let refused = OcspResponse::read(&large, &CA, None, NOW, false).unwrap_err();
    assert!(matches!(refused, OcspError::Format(Error::TooLarge { .. })));
}

#[test]
fn other_octets_are_refused() {
    let good = made().der();
    for cut in 0..good.len() {
        assert!(
            OcspResponse::read(&good[..cut], &CA, None, NOW, false).is_err(),
            "{cut}"
        );
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert!(OcspResponse::read(&longer, &CA, None, NOW, false).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_changed_octet_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| made().der());
        let mut der = GOOD.clone();
        let at = at.index(der.len());
        der[at] ^= 1u8 << bit;
        prop_assert!(OcspResponse::read(&der, &CA, None, NOW, false).is_err());
    }
}

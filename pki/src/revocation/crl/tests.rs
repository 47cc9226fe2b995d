use super::*;
use crate::algorithm::{Curve, KeyAlgorithm};
use crate::der;
use crate::key::PrivateKey;
use crate::sample::{self, Extension, VALIDITY};
use crate::{AuthorityId, CrlCache};
use proptest::prelude::*;
use std::sync::LazyLock;

const KEY_USAGE: &str = "2.5.29.15";
const POINT: &str = "2.5.29.28";
const NOW: WallTime = WallTime(VALIDITY.0 + 1000);

static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeyAlgorithm::Ecdsa(Curve::P256)).unwrap());

/// A CA with a key usage; bit 0x02 is cRLSign.
fn authority(name: &str, usage: u8) -> Certificate {
    let extensions = [(KEY_USAGE, true, vec![3, 2, 1, usage])];
    let der = sample::self_signed(KEY.openssl(), name, &extensions);
    Certificate::from_der(&der).unwrap()
}

#[derive(Default)]
struct List<'a> {
    extensions: &'a [Extension<'a>],
    serials: &'a [u32],
    /// Of each entry.
    entry_extensions: &'a [Extension<'a>],
    endless: bool,
    sha1: bool,
}

/// `Extensions` of RFC 5280; nothing when there are none.
fn extensions(list: &[Extension<'_>]) -> Vec<u8> {
    let one = |(oid, critical, value): &Extension<'_>| {
        let oid: x509_parser::asn1_rs::Oid<'_> = oid.parse().unwrap();
        let critical: &[u8] = if *critical { &[1, 1, 0xff] } else { &[] };
        let oid = der::element(der::OID, oid.as_bytes());
        der::constructed(der::SEQUENCE, &[&oid, critical, &der::element(4, value)])
    };
    let all: Vec<u8> = list.iter().flat_map(one).collect();
    match all.is_empty() {
        true => vec![],
        false => der::element(der::SEQUENCE, &all),
    }
}

impl List<'_> {
    /// Of `CN=ca`, good for 1,000 s from now.
    fn der(&self) -> Vec<u8> {
        let issuer = DistinguishedName::from_text("CN=ca").unwrap();
        let this_update = sample::utc(NOW);
        let next_update = match self.endless {
            true => vec![],
            false => sample::utc(WallTime(NOW.0 + 1000)),
        };
        let entry = |serial: &u32| {
            let octets = serial.to_be_bytes();
            let from = octets.iter().position(|o| *o != 0).unwrap();
            let serial = der::element(der::INTEGER, &octets[from..]);
            let more = extensions(self.entry_extensions);
            der::constructed(der::SEQUENCE, &[&serial, &this_update, &more])
        };
        let entries: Vec<u8> = self.serials.iter().flat_map(entry).collect();
        let entries = match entries.is_empty() {
            true => entries,
            false => der::element(der::SEQUENCE, &entries),
        };
        let more = match self.extensions {
            [] => vec![],
            list => der::element(0xa0, &extensions(list)),
        };
        let to_sign = |algorithm: &[u8]| {
            let dates = [this_update.as_slice(), &next_update].concat();
            let parts = [&[2, 1, 1], algorithm, issuer.der(), &dates, &entries, &more];
            der::constructed(der::SEQUENCE, &parts)
        };
        der::element(der::SEQUENCE, &sample::signed(&KEY, to_sign, self.sha1))
    }

    fn read(&self) -> Result<Crl, CrlError> {
        Crl::read(&self.der(), &authority("CN=ca", 0x02), false)
    }
}

fn point(fields: &[u8]) -> Vec<Extension<'static>> {
    vec![(POINT, true, der::element(der::SEQUENCE, fields))]
}

/// A certificate with the serial number of all samples.
fn certificate(extensions: &[Extension<'_>]) -> Certificate {
    let der = sample::self_signed(KEY.openssl(), "CN=enb", extensions);
    Certificate::from_der(&der).unwrap()
}

#[test]
fn a_listed_certificate_is_revoked_and_another_good() {
    let enb = certificate(&[]);
    let with = |serials: &[u32]| {
        let list = List {
            serials,
            ..List::default()
        };
        list.read().unwrap()
    };
    let list = with(&[7, sample::SERIAL, 9]);
    assert_eq!(list.revoked(), 3);
    assert_eq!(list.status(&enb, NOW), Status::Revoked);
    let other = with(&[7, 9, 0x01_0204]);
    let until = WallTime(NOW.0 + 1000);
    assert_eq!((other.this_update(), other.next_update()), (NOW, until));
    assert_eq!(other.status(&enb, until), Status::Good);
    // Afterwards nothing is known, but what was revoked.
    let later = WallTime(until.0 + 1);
    assert_eq!(
        other.status(&enb, later),
        Status::Unknown(Unknown::Stale(until))
    );
    assert_eq!(list.status(&enb, later), Status::Revoked);
}

#[test]
fn only_the_ca_signs_its_list_and_only_when_it_may() {
    let der = List::default().der();
    let refused = |issuer: &Certificate| Crl::read(&der, issuer, false).unwrap_err();
    let other = refused(&authority("CN=other", 0x02));
    assert_eq!(
        other.to_string(),
        "the revocation list is that of `CN=ca`, not of `CN=other`"
    );
    let no_lists = refused(&authority("CN=ca", 0x04));
    assert_eq!(no_lists, CrlError::KeyUsage("CN=ca".into()));
    // The same name with another key.
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let twin = sample::self_signed(key.openssl(), "CN=ca", &[]);
    let twin = refused(&Certificate::from_der(&twin).unwrap());
    assert_eq!(twin, CrlError::Signature("CN=ca".into()));
}

#[test]
fn weak_signatures_are_refused_unless_allowed() {
    let list = List {
        sha1: true,
        ..List::default()
    };
    let weak = CrlError::WeakSignature("ecdsa-with-SHA1".into());
    assert_eq!(list.read().unwrap_err(), weak);
    assert!(Crl::read(&list.der(), &authority("CN=ca", 0x02), true).is_ok());
}

#[test]
fn a_weak_list_is_for_those_who_allow_it_and_replaces_no_strong_one() {
    let (ca, enb) = (authority("CN=ca", 0x02), certificate(&[]));
    let id = AuthorityId::of(&ca);
    let mut cache = CrlCache::default();
    assert!(cache.watch(&ca, &[]));
    let weak = List {
        sha1: true,
        serials: &[sample::SERIAL],
        ..List::default()
    };
    cache.take(&id, &weak.der(), NOW).unwrap();
    let status = |cache: &CrlCache, allow| cache.status(&enb, &ca, NOW, allow);
    assert_eq!(status(&cache, true), Status::Revoked);
    assert_eq!(status(&cache, false), Status::Unknown(Unknown::Weak));
    // A strong one takes its place, and keeps it.
    cache.take(&id, &List::default().der(), NOW).unwrap();
    let refused = cache.take(&id, &weak.der(), NOW).unwrap_err();
    assert!(matches!(refused, CrlError::WeakSignature(_)), "{refused}");
    for allow in [false, true] {
        assert_eq!(status(&cache, allow), Status::Good);
    }
}

#[test]
fn lists_of_other_kinds_are_refused() {
    for (extensions, error) in [
        (
            vec![("2.5.29.27", true, vec![2, 1, 1])],
            CrlError::Kind("a delta list"),
        ),
        (
            point(&[0x84, 1, 0xff]),
            CrlError::Kind("about certificates of other CAs"),
        ),
        (
            point(&[0x83, 2, 1, 6]),
            CrlError::Kind("for some reasons only"),
        ),
        (
            point(&[0x85, 1, 0xff]),
            CrlError::Kind("about attribute certificates only"),
        ),
        (
            vec![("1.3.6.1.4.1.55555.1", true, vec![5, 0])],
            CrlError::Critical("1.3.6.1.4.1.55555.1".into()),
        ),
    ] {
        let list = List {
            extensions: &extensions,
            ..List::default()
        };
        assert_eq!(list.read().unwrap_err(), error);
    }
    let endless = List {
        endless: true,
        ..List::default()
    };
    assert_eq!(endless.read().unwrap_err(), CrlError::NoNextUpdate);
    // An entry of an indirect list.
    let entry_extensions = [("2.5.29.29", true, vec![0x30, 0])];
    let foreign = List {
        serials: &[7],
        entry_extensions: &entry_extensions,
        ..List::default()
    };
    assert_eq!(
        foreign.read().unwrap_err(),
        CrlError::Critical("2.5.29.29".into())
    );
    let reason = [("2.5.29.21", false, vec![10, 1, 1])];
    let reasoned = List {
        serials: &[7],
        entry_extensions: &reason,
        ..List::default()
    };
    assert!(reasoned.read().is_ok());
    // What is not critical does not matter.
    let extensions = [("1.3.6.1.4.1.55555.1", false, vec![5, 0])];
    let harmless = List {
        extensions: &extensions,
        ..List::default()
    };
    assert!(harmless.read().is_ok());
}

#[test]
fn a_list_is_about_its_scope_only() {
    let url = |url: &[u8]| der::element(0xa0, &der::element(0xa0, &der::element(0x86, url)));
    let at = |name: &[u8]| {
        let points = der::element(der::SEQUENCE, &der::element(der::SEQUENCE, &url(name)));
        certificate(&[("2.5.29.31", false, points)])
    };
    let ca = certificate(&[("2.5.29.19", true, vec![0x30, 3, 1, 1, 0xff])]);
    let plain = certificate(&[]);
    let status = |fields: &[u8], certificate: &Certificate| {
        let extensions = point(fields);
        let list = List {
            extensions: &extensions,
            ..List::default()
        };
        list.read().unwrap().status(certificate, NOW)
    };
    let out = Status::Unknown(Unknown::Scope);
    let part = url(b"http://a/1.crl");
    assert_eq!(status(&part, &at(b"http://a/1.crl")), Status::Good);
    assert_eq!(status(&part, &at(b"http://a/2.crl")), out);
    assert_eq!(status(&part, &plain), out);
    let (users, authorities) = ([0x81, 1, 0xff], [0x82, 1, 0xff]);
    assert_eq!(status(&users, &plain), Status::Good);
    assert_eq!(status(&users, &ca), out);
    assert_eq!(status(&authorities, &ca), Status::Good);
    assert_eq!(status(&authorities, &plain), out);
}

#[test]
fn other_octets_are_refused() {
    let good = List::default().der();
    let issuer = authority("CN=ca", 0x02);
    let read = |der: &[u8]| Crl::read(der, &issuer, false);
    assert!(read(&good).is_ok());
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err(), "{cut}");
    }
    assert!(read(&[good.as_slice(), &[0]].concat()).is_err());
    let large = vec![0x30; MAX_CRL_OCTETS + 1];
    assert!(matches!(
        read(&large),
        Err(CrlError::Format(Error::TooLarge { .. }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_octet_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
            List { serials: &[7, 9], ..List::default() }.der()
        });
        let mut der = GOOD.clone();
        let at = at.index(der.len());
        der[at] ^= 1u8 << bit;
        prop_assert!(Crl::read(&der, &authority("CN=ca", 0x02), false).is_err());
    }
}

use super::*;
use crate::algorithm::KeyAlgorithm;
use crate::testca::{Fault, Hierarchy, Issued, KeyKind};
use proptest::prelude::*;
use ravelin_types::Identity;
use std::sync::LazyLock;

const NOW: WallTime = WallTime(1_800_000_000);
const KINDS: [KeyKind; 4] = [
    KeyKind::Rsa(2048),
    KeyKind::P256,
    KeyKind::P384,
    KeyKind::Ed25519,
];

static P256: LazyLock<Hierarchy> = LazyLock::new(|| hierarchy(KeyKind::P256));

fn hierarchy(kind: KeyKind) -> Hierarchy {
    Hierarchy::new(kind, NOW, "example.net").unwrap()
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn profile(name: &str, anchors: &[&[u8]]) -> CaProfile {
    CaProfile {
        name: name.to_owned(),
        anchors: anchors.iter().map(|der| certificate(der)).collect(),
    }
}

/// A gateway that trusts the root of the hierarchy.
fn trusting(ca: &Hierarchy, policy: Policy) -> Validator {
    Validator::new(vec![profile("operator", &[ca.root()])], policy)
}

fn judged(validator: &Validator, issued: &Issued) -> Result<Path, PathError> {
    let sent: Vec<Certificate> = issued.chain.iter().map(|der| certificate(der)).collect();
    validator.validate(&certificate(&issued.certificate), &sent, &[], NOW)
}

/// What is wrong with a certificate of the fault, if anything is without revocation lists.
fn expected(fault: Fault) -> Option<(String, Reason)> {
    let bad = "CN=enb,O=Ravelin Test".to_owned();
    let own = |reason| Some((bad.clone(), reason));
    let day = |days: i64| WallTime(NOW.0 + days * 86_400);
    let other_root = "CN=Other Root CA,O=Ravelin Test".to_owned();
    let issuer = |name: &str| format!("CN={name},O=Ravelin Test");
    match fault {
        Fault::Expired => own(Reason::Expired(day(-1))),
        Fault::NotYetValid => own(Reason::NotYetValid(day(1))),
        Fault::WrongEku => own(Reason::ExtendedKeyUsage("1.3.6.1.5.5.7.3.1".into())),
        Fault::WrongKeyUsage => own(Reason::KeyUsage),
        Fault::WeakKey => own(Reason::WeakKey(KeyAlgorithm::Rsa { bits: 1024 })),
        Fault::Sha1 => own(Reason::WeakSignature("sha1WithRSAEncryption".into())),
        Fault::NameConstraint => own(Reason::Refused("permitted subtree violation")),
        Fault::Revoked => None,
        Fault::UnknownExtension => own(Reason::Refused("unhandled critical extension")),
        Fault::UnknownCa => Some((issuer("Access CA"), Reason::UnknownIssuer(other_root))),
        Fault::IssuerExpired => Some((issuer("Expired CA"), Reason::Expired(day(-1)))),
        Fault::IssuerNoCa => Some((
            issuer("enb-as-ca"),
            Reason::Refused("invalid CA certificate"),
        )),
        Fault::PathLength => Some((
            issuer("Lowest CA"),
            Reason::Refused("path length constraint exceeded"),
        )),
        Fault::Forged => own(Reason::Refused("certificate signature failure")),
    }
}

#[test]
fn good_certificates_are_trusted_and_every_fault_is_named() {
    for kind in KINDS {
        let ca = hierarchy(kind);
        let validator = trusting(&ca, Policy::default());
        let good = ca.issue("enb", &[]).unwrap();
        let path = judged(&validator, &good).unwrap();
        assert_eq!(path.profile, "operator");
        let names: Vec<&[u8]> = path.certificates.iter().map(Certificate::der).collect();
        assert_eq!(names, [&good.certificate, ca.access(), ca.root()], "{kind}");
        for fault in Fault::ALL {
            let verdict = judged(&validator, &ca.faulty("enb", fault).unwrap());
            match (verdict, expected(fault)) {
                (Ok(_), None) => {}
                (Err(error), Some((certificate, reason))) => {
                    assert_eq!(
                        (&error.certificate, &error.reason),
                        (&certificate, &reason),
                        "{kind} {fault}: {error}"
                    );
                    assert_eq!(error.profiles, ["operator"]);
                }
                (verdict, expected) => panic!("{kind} {fault}: {verdict:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn an_error_is_one_line() {
    let validator = trusting(&P256, Policy::default());
    let error = judged(&validator, &P256.faulty("enb", Fault::Expired).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "certificate `CN=enb,O=Ravelin Test` of CA profile operator: expired at 2027-01-14T08:00:00Z"
    );
}

#[test]
fn weak_ones_are_accepted_when_the_policy_says_so() {
    let policy = Policy {
        allow_weak: true,
        ..Policy::default()
    };
    let validator = trusting(&P256, policy);
    for fault in [Fault::WeakKey, Fault::Sha1] {
        let weak = P256.faulty("enb", fault).unwrap();
        assert!(judged(&validator, &weak).is_ok(), "{fault}");
    }
}

#[test]
fn extended_key_usages_are_those_of_the_policy() {
    let server = "1.3.6.1.5.5.7.3.1";
    let policy = Policy {
        extended_key_usages: vec![server.to_owned()],
        ..Policy::default()
    };
    let validator = trusting(&P256, policy);
    let accepted = P256.faulty("enb", Fault::WrongEku).unwrap();
    assert!(judged(&validator, &accepted).is_ok());
    let refused = judged(&validator, &P256.issue("enb", &[]).unwrap()).unwrap_err();
    assert_eq!(refused.reason, Reason::ExtendedKeyUsage(IPSEC_IKE.into()));
}

#[test]
fn intermediates_come_from_the_peer_or_from_our_store() {
    let validator = trusting(&P256, Policy::default());
    let good = P256.issue("enb", &[]).unwrap();
    let peer = certificate(&good.certificate);
    let access = certificate(P256.access());
    assert!(
        validator
            .validate(&peer, &[], std::slice::from_ref(&access), NOW)
            .is_ok()
    );
    let alone = validator.validate(&peer, &[], &[], NOW).unwrap_err();
    assert_eq!(
        alone.reason,
        Reason::UnknownIssuer("CN=Access CA,O=Ravelin Test".into())
    );
    // What else the peer sends does not matter, not even another root.
    let other = hierarchy(KeyKind::P256);
    let sent = [
        certificate(other.root()),
        certificate(other.access()),
        access,
    ];
    assert!(validator.validate(&peer, &sent, &[], NOW).is_ok());
    let theirs = other.issue("enb", &[]).unwrap();
    assert!(
        validator
            .validate(&certificate(&theirs.certificate), &sent, &[], NOW)
            .is_err()
    );
}

#[test]
fn the_profile_of_the_anchor_is_told() {
    let other = hierarchy(KeyKind::Ed25519);
    let profiles = vec![
        profile("old", &[other.root()]),
        profile("empty", &[]),
        // An intermediate CA is trusted without its root.
        profile("access", &[P256.access()]),
    ];
    let validator = Validator::new(profiles, Policy::default());
    let path = judged(&validator, &P256.issue("enb", &[]).unwrap()).unwrap();
    assert_eq!(
        (path.profile.as_str(), path.certificates.len()),
        ("access", 2)
    );
    let path = judged(&validator, &other.issue("enb", &[]).unwrap()).unwrap();
    assert_eq!((path.profile.as_str(), path.certificates.len()), ("old", 3));
    let unknown = P256.faulty("enb", Fault::UnknownCa).unwrap();
    let error = judged(&validator, &unknown).unwrap_err();
    assert_eq!(error.profiles, ["old", "empty", "access"]);
    // Name constraints of an anchor hold.
    let outside = P256.faulty("enb", Fault::NameConstraint).unwrap();
    assert!(judged(&validator, &outside).is_err());
}

#[test]
fn a_gateway_without_anchors_trusts_nobody_and_an_anchor_is_no_peer() {
    let good = P256.issue("enb", &[]).unwrap();
    for profiles in [vec![], vec![profile("empty", &[])]] {
        let validator = Validator::new(profiles, Policy::default());
        assert_eq!(
            judged(&validator, &good).unwrap_err().reason,
            Reason::NoAnchor
        );
    }
    let anchors = [good.certificate.as_slice(), P256.access(), P256.root()];
    let own = Validator::new(vec![profile("own", &anchors)], Policy::default());
    assert_eq!(judged(&own, &good).unwrap_err().reason, Reason::Anchor);
    let access = certificate(P256.access());
    let refused = own.validate(&access, &[], &[], NOW).unwrap_err();
    assert_eq!(refused.reason, Reason::Anchor);
    // A peer that is trusted instead of its CA vouches for nobody: neither for itself nor for others.
    let other = P256.issue("enb2", &[]).unwrap();
    let odd = Validator::new(
        vec![profile("odd", &[good.certificate.as_slice()])],
        Policy::default(),
    );
    assert!(judged(&odd, &good).is_err() && judged(&odd, &other).is_err());
}

#[test]
fn a_known_issuer_refuses_as_an_unknown_one() {
    let validator = trusting(&P256, Policy::default());
    for name in ["enb1", "enb2"] {
        let issued = P256.issue(name, &[]).unwrap();
        let path = judged(&validator, &issued).unwrap();
        let ders: Vec<&[u8]> = path.certificates.iter().map(Certificate::der).collect();
        assert_eq!(ders, [&issued.certificate[..], P256.access(), P256.root()]);
        assert!(validator.issuers.find(P256.access()).is_some());
    }
    for fault in Fault::ALL {
        let judged = judged(&validator, &P256.faulty("enb", fault).unwrap());
        let found = judged.err().map(|error| (error.certificate, error.reason));
        assert_eq!(found, expected(fault), "{fault}");
    }
    // Still it has to be sent: what a peer may leave out does not depend on the peers before it.
    let peer = certificate(&P256.issue("enb3", &[]).unwrap().certificate);
    assert!(validator.validate(&peer, &[], &[], NOW).is_err());
    let access = [certificate(P256.access())];
    assert!(validator.validate(&peer, &access, &[], NOW).is_ok());
    let end = peer.not_after();
    assert!(validator.validate(&peer, &access, &[], end).is_err());
}

#[test]
fn the_number_of_certificates_is_bounded() {
    let validator = trusting(&P256, Policy::default());
    let good = P256.issue("enb", &[]).unwrap();
    let peer = certificate(&good.certificate);
    let access = certificate(P256.access());
    let sent = vec![access; MAX_CHAIN];
    assert!(validator.validate(&peer, &sent[1..], &[], NOW).is_ok());
    let error = validator.validate(&peer, &sent, &[], NOW).unwrap_err();
    assert_eq!(error.reason, Reason::TooMany(MAX_CHAIN + 1));
}

#[test]
fn validity_is_judged_at_the_given_time() {
    let validator = trusting(&P256, Policy::default());
    let good = P256.issue("enb", &[]).unwrap();
    let peer = certificate(&good.certificate);
    let access = [certificate(P256.access())];
    let at = |time| validator.validate(&peer, &access, &[], time).is_ok();
    let (first, last) = (peer.not_before(), peer.not_after());
    // OpenSSL takes the last second for past.
    assert!(at(first) && at(WallTime(last.0 - 1)));
    assert!(!at(WallTime(first.0 - 1)) && !at(last));
}

#[test]
fn the_request_has_one_hash_for_each_anchor_key() {
    let root = certificate(P256.root());
    let access = certificate(P256.access());
    let profiles = vec![
        profile("a", &[P256.root(), P256.access()]),
        profile("b", &[P256.root()]),
    ];
    let request = Validator::new(profiles, Policy::default()).certificate_request();
    let mut hashes = [*root.spki_sha1(), *access.spki_sha1()];
    hashes.sort();
    assert_eq!(request, hashes.concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// One octet of the certificate is another: it is not trusted, whatever still parses.
    #[test]
    fn a_changed_octet_is_never_trusted(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        static GOOD: LazyLock<Issued> = LazyLock::new(|| {
            P256.issue("enb", &[Identity::Ipv4([192, 0, 2, 1].into())]).unwrap()
        });
        let mut der = GOOD.certificate.clone();
        let at = at.index(der.len());
        der[at] ^= 1u8 << bit;
        if let Ok(peer) = Certificate::from_der(&der) {
            let validator = trusting(&P256, Policy::default());
            prop_assert!(validator.validate(&peer, &[certificate(P256.access())], &[], NOW).is_err());
        }
    }
}

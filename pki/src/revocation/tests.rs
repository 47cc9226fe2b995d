use super::*;
use crate::testca::{Hierarchy, KeyKind};

const ALL: [CheckMode; 3] = [CheckMode::Strict, CheckMode::Soft, CheckMode::Disable];

fn path() -> Path {
    let ca = Hierarchy::new(KeyKind::P256, WallTime(1_800_000_000), "example.net").unwrap();
    let peer = ca.issue("enb1", &[]).unwrap();
    let all = [peer.certificate.as_slice(), ca.access(), ca.root()];
    Path {
        certificates: all.map(|der| Certificate::from_der(der).unwrap()).to_vec(),
        profile: "operator".to_owned(),
    }
}

/// The verdicts of strict, soft and disable when the status of the peer and of its CA are these.
fn verdicts(path: &Path, peer: &Status, authority: &Status) -> [bool; 3] {
    let source = |certificate: &Certificate, issuer: &Certificate| {
        assert!(certificate.issuer().matches(issuer.subject()));
        // The anchor is never asked about.
        assert_ne!(certificate, &path.certificates[2]);
        let status = if certificate.is_ca() { authority } else { peer };
        status.clone()
    };
    ALL.map(|mode| check(path, mode, &[&source]).is_ok())
}

#[test]
fn modes_accept_what_they_say() {
    let path = path();
    let stale = Status::Unknown(Unknown::Stale(WallTime(0)));
    for (peer, authority, expected) in [
        (Status::Good, Status::Good, [true, true, true]),
        (Status::Revoked, Status::Good, [false, false, true]),
        (Status::Good, Status::Revoked, [false, false, true]),
        (stale.clone(), Status::Good, [false, true, true]),
        (Status::Good, stale.clone(), [false, true, true]),
        (stale, Status::Revoked, [false, false, true]),
    ] {
        assert_eq!(
            verdicts(&path, &peer, &authority),
            expected,
            "{peer:?} {authority:?}"
        );
    }
}

#[test]
fn one_source_that_knows_suffices_and_revoked_wins() {
    let path = path();
    let nothing = |_: &Certificate, _: &Certificate| Status::Unknown(Unknown::Nothing);
    let scope = |_: &Certificate, _: &Certificate| Status::Unknown(Unknown::Scope);
    let good = |_: &Certificate, _: &Certificate| Status::Good;
    let revoked = |_: &Certificate, _: &Certificate| Status::Revoked;
    let strict = |sources: &[&Source<'_>]| {
        check(&path, CheckMode::Strict, sources).map_err(|e| e.to_string())
    };
    assert_eq!(strict(&[&nothing, &scope, &good]), Ok(()));
    let error = "certificate `CN=enb1,O=Ravelin Test` of CA profile operator: ";
    let told = |text: &str| Err(format!("{error}{text}"));
    for sources in [
        [&nothing as &Source<'_>, &revoked],
        [&good, &revoked],
        [&revoked, &good],
    ] {
        assert_eq!(strict(&sources), told("it is revoked"));
    }
    assert_eq!(
        strict(&[&scope, &nothing]),
        told(
            "whether it is revoked is not known: the revocation list of its issuer is about other certificates"
        )
    );
    assert_eq!(
        strict(&[]),
        told(
            "whether it is revoked is not known: there is no revocation list or answer for its issuer"
        )
    );
}

use super::*;
use ravelin_crypto::Secret;
use ravelin_pki::testca::{Fault, Hierarchy, Issued, KeyKind};
use ravelin_pki::{Policy, PrivateKey, Unknown, Validator};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

pub const NOW: WallTime = WallTime(1_800_000_000);

pub fn hierarchy() -> Hierarchy {
    Hierarchy::new(KeyKind::P256, NOW, "example.net").unwrap()
}

pub fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

pub fn local(issued: &Issued) -> Local {
    let key = issued.key.private_key_to_pem_pkcs8().unwrap();
    let all = [&issued.certificate].into_iter().chain(&issued.chain);
    Local {
        key: PrivateKey::import(&key, &Secret::default()).unwrap(),
        certificates: all.map(|der| certificate(der)).collect(),
    }
}

pub fn open(folder: &TempDir) -> Pki {
    Pki::open(&folder.path().join("pki"), NOW).unwrap()
}

pub fn profile(name: &str, anchor: &[u8]) -> CaProfile {
    CaProfile {
        name: name.to_owned(),
        anchors: vec![certificate(anchor)],
    }
}

pub fn put(pki: &Pki, name: &str, local: Option<&Local>) -> Result<(), StoreError> {
    pki.change_local(name, |_| Ok(local.cloned()))
}

#[test]
fn tokens_of_crash_detection_are_made_of_the_same_secret_after_a_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).token_secret().unwrap();
    assert_ne!(*first, [0; 32]);
    assert_eq!(*open(&folder).token_secret().unwrap(), *first);
    // What cannot be kept is drawn anew, and the daemon starts.
    fs::remove_file(folder.path().join("pki/qcd-secret")).unwrap();
    fs::create_dir(folder.path().join("pki/qcd-secret")).unwrap();
    assert_ne!(*open(&folder).token_secret().unwrap(), *first);
}

#[test]
fn what_is_saved_is_there_for_all_and_after_a_restart() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
    let pki = open(&folder);
    let (other, before) = (pki.clone(), pki.contents());
    let gw1 = local(&ca.issue("gw1", &[]).unwrap());
    put(&pki, "gw1", Some(&gw1)).unwrap();
    pki.save_profile(profile("access", ca.access()), NOW)
        .unwrap();
    // Who has the old contents keeps them.
    assert!(before.locals.is_empty() && before.profiles.is_empty());
    for pki in [&other, &open(&folder)] {
        assert_eq!(pki.local("gw1").unwrap().certificates, gw1.certificates);
        let anchors = &pki.profile("access").unwrap().anchors;
        assert_eq!(anchors[0].der(), ca.access());
        assert!(pki.local("access").is_none() && pki.profile("gw1").is_none());
    }
    let mode = fs::metadata(folder.path().join("pki"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    put(&pki, "gw1", None).unwrap();
    assert!(pki.remove_profile("access").unwrap());
    assert!(!pki.remove_profile("access").unwrap());
    for pki in [&other, &open(&folder)] {
        assert!(pki.contents().locals.is_empty() && pki.contents().profiles.is_empty());
    }
}

#[test]
fn a_change_sees_what_is_there_and_a_refused_one_changes_nothing() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
    let pki = open(&folder);
    let gw1 = local(&ca.issue("gw1", &[]).unwrap());
    put(&pki, "gw1", Some(&gw1)).unwrap();
    let before = pki.contents();
    let mixed = Local {
        key: gw1.key.clone(),
        ..local(&ca.issue("gw2", &[]).unwrap())
    };
    let refused = pki.change_local("gw1", |present| {
        assert_eq!(present.unwrap().certificates, gw1.certificates);
        Ok::<_, StoreError>(Some(mixed))
    });
    assert!(matches!(refused, Err(StoreError::OtherKey { .. })));
    assert!(matches!(
        put(&pki, "../gw1", None),
        Err(StoreError::Name(_))
    ));
    assert!(Arc::ptr_eq(&before, &pki.contents()));
}

#[test]
fn what_cannot_be_read_keeps_nothing_else_out() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
    let pki = open(&folder);
    for name in ["gw1", "gw2"] {
        let issued = local(&ca.issue(name, &[]).unwrap());
        put(&pki, name, Some(&issued)).unwrap();
    }
    fs::write(folder.path().join("pki/local/gw1.pem"), "torn").unwrap();
    let pki = open(&folder);
    assert!(pki.local("gw1").is_none() && pki.local("gw2").is_some());
}

#[test]
fn lists_are_kept_as_long_as_their_ca_is_trusted() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
    let (access, bad) = (
        certificate(ca.access()),
        ca.faulty("enb2", Fault::Revoked).unwrap(),
    );
    let (list, bad) = (
        ca.revocation_list(&[&bad], NOW).unwrap(),
        certificate(&bad.certificate),
    );
    let id = AuthorityId::of(&access);
    let pki = open(&folder);
    // Nobody watches it yet.
    assert!(matches!(
        pki.take_list(&id, &list, NOW),
        Err(ListError::List(_))
    ));
    pki.save_profile(profile("access", ca.access()), NOW)
        .unwrap();
    pki.save_profile(profile("again", ca.access()), NOW)
        .unwrap();
    pki.take_list(&id, &list, NOW).unwrap();
    for pki in [&pki, &open(&folder)] {
        assert_eq!(pki.status(&bad, &access, NOW, false), Status::Revoked);
    }
    // Another profile has the CA still.
    pki.remove_profile("again").unwrap();
    assert_eq!(pki.status(&bad, &access, NOW, false), Status::Revoked);
    pki.save_profile(profile("access", ca.root()), NOW).unwrap();
    let nothing = Status::Unknown(Unknown::Nothing);
    assert_eq!(pki.status(&bad, &access, NOW, false), nothing);
    let kept = fs::read_dir(folder.path().join("pki/crl")).unwrap();
    assert_eq!(kept.count(), 0);
    // A list that was damaged on the disk is told and not taken.
    pki.save_profile(profile("access", ca.access()), NOW)
        .unwrap();
    pki.take_list(&id, &list, NOW).unwrap();
    let file = folder
        .path()
        .join(format!("pki/crl/{}.crl", id.file_stem()));
    fs::write(file, &list[1..]).unwrap();
    assert_eq!(open(&folder).status(&bad, &access, NOW, false), nothing);
}

#[test]
fn the_cas_of_a_path_are_watched_with_what_was_kept() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
    let (access, bad) = (
        certificate(ca.access()),
        ca.faulty("enb2", Fault::Revoked).unwrap(),
    );
    let list = ca.revocation_list(&[&bad], NOW).unwrap();
    let trusted = profile("root", ca.root());
    let validator = Validator::new(vec![trusted.clone()], Policy::default());
    let enb = certificate(&ca.issue("enb1", &[]).unwrap().certificate);
    let path = validator
        .validate(&enb, std::slice::from_ref(&access), &[], NOW)
        .unwrap();
    let pki = open(&folder);
    pki.save_profile(trusted, NOW).unwrap();
    let id = AuthorityId::of(&access);
    assert!(pki.take_list(&id, &list, NOW).is_err());
    pki.watch_path(&path, NOW);
    pki.take_list(&id, &list, NOW).unwrap();
    // The intermediate CA is known again only when a peer has shown it.
    let pki = open(&folder);
    assert!(!pki.lists().watches(&path));
    pki.watch_path(&path, NOW);
    assert!(pki.lists().watches(&path));
    let bad = certificate(&bad.certificate);
    assert_eq!(pki.status(&bad, &access, NOW, false), Status::Revoked);
    assert_eq!(pki.status(&enb, &access, NOW, false), Status::Good);
}

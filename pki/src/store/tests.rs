use super::*;
use crate::testca::{Hierarchy, Issued, KeyKind};
use crate::{CrlCache, WallTime};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NOW: WallTime = WallTime(1_800_000_000);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn store(test: &str) -> (Store, Folder) {
    let name = format!("ravelin-pki-{}-{test}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    (Store::open(&folder.0.join("a/pki")).unwrap(), folder)
}

fn hierarchy() -> Hierarchy {
    Hierarchy::new(KeyKind::P256, NOW, "example.net").unwrap()
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn local(issued: &Issued) -> Local {
    let key = issued.key.private_key_to_pem_pkcs8().unwrap();
    let all = [&issued.certificate].into_iter().chain(&issued.chain);
    Local {
        key: PrivateKey::import(&key, &Secret::default()).unwrap(),
        certificates: all.map(|der| certificate(der)).collect(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_and_certificates_are_kept_for_their_owner_alone() {
    let (store, _folder) = store("local");
    let ca = hierarchy();
    let gw1 = local(&ca.issue("gw1", &[]).unwrap());
    // First the key, then its certificate.
    let waiting = Local {
        certificates: vec![],
        ..gw1.clone()
    };
    for kept in [&waiting, &gw1] {
        store.save_local("gw1", kept).unwrap();
        let read = Store::open(&store.root).unwrap().local("gw1");
        let read = read.unwrap().unwrap();
        assert!(read.key.belongs_to(&gw1.certificates[0]));
        assert_eq!(read.certificates, kept.certificates);
    }
    assert_eq!(mode(&store.root.join("local")), 0o700);
    assert_eq!(mode(&store.root.join("local/gw1.pem")), 0o600);
    assert_eq!(store.locals().unwrap(), BTreeSet::from(["gw1".to_owned()]));
    assert!(store.local("gw2").unwrap().is_none());
    // A key never gets the certificate of another one.
    let gw2 = local(&ca.issue("gw2", &[]).unwrap());
    let mixed = Local {
        key: gw1.key,
        ..gw2
    };
    assert_eq!(
        store.save_local("gw1", &mixed).unwrap_err().to_string(),
        "certificate `CN=gw2,O=Ravelin Test` does not belong to the private key of gw1"
    );
    assert!(store.local("gw1").unwrap().is_some());
    store.remove_local("gw1").unwrap();
    store.remove_local("gw1").unwrap();
    assert!(store.locals().unwrap().is_empty());
}

#[test]
fn profiles_keep_all_their_certificates() {
    let (store, _folder) = store("profile");
    let ca = hierarchy();
    let profile = |ders: &[&[u8]]| CaProfile {
        name: "operator".to_owned(),
        anchors: ders.iter().map(|der| certificate(der)).collect(),
    };
    for kept in [profile(&[ca.root(), ca.access()]), profile(&[ca.root()])] {
        store.save_profile(&kept).unwrap();
        let read = store.profile("operator").unwrap().unwrap();
        assert_eq!((read.name, read.anchors), (kept.name, kept.anchors));
    }
    let nothing = store.save_profile(&profile(&[])).unwrap_err();
    assert!(
        nothing
            .to_string()
            .ends_with("a CA profile is malformed: no certificate in it")
    );
    let names = store.profiles().unwrap();
    assert_eq!(names, BTreeSet::from(["operator".to_owned()]));
    store.remove_profile("operator").unwrap();
    assert!(store.profile("operator").unwrap().is_none());
}

#[test]
fn a_revocation_list_outlives_a_restart() {
    let (store, _folder) = store("crl");
    let ca = hierarchy();
    let bad = ca.issue("enb1", &[]).unwrap();
    let list = ca.revocation_list(&[&bad], NOW).unwrap();
    let access = certificate(ca.access());
    let id = AuthorityId::of(&access);
    assert!(store.crl(&id).unwrap().is_none());
    store.save_crl(&id, &list).unwrap();
    let mut cache = CrlCache::default();
    cache.watch(&access, &[]);
    cache
        .take(&id, &store.crl(&id).unwrap().unwrap(), NOW)
        .unwrap();
    let status = cache.status(&certificate(&bad.certificate), &access, NOW, false);
    assert_eq!(status, crate::Status::Revoked);
    // Of CAs that nobody uses any more nothing stays.
    let gone = AuthorityId::of(&certificate(ca.root()));
    store.save_crl(&gone, &list).unwrap();
    store.keep_crls([&id]).unwrap();
    assert!(store.crl(&gone).unwrap().is_none() && store.crl(&id).unwrap().is_some());
}

#[test]
fn names_do_not_lead_out_of_the_folder() {
    let (store, _folder) = store("names");
    let long = "x".repeat(64);
    for name in [
        "", ".", "..", "../x", "a/b", ".x", "-x", "x.", "a b", "ä", "x\0", &long,
    ] {
        let refused = store.local(name).unwrap_err();
        assert!(
            matches!(refused, StoreError::Name(_)),
            "{name:?}: {refused}"
        );
    }
    for name in ["x", "gw1.example.net", "A_b-3", &long[1..]] {
        assert!(store.local(name).unwrap().is_none());
    }
}

#[test]
fn what_a_crash_left_behind_does_not_matter() {
    let (store, _folder) = store("crash");
    let profile = CaProfile {
        name: "operator".to_owned(),
        anchors: vec![certificate(hierarchy().root())],
    };
    let leftover = store.root.join("ca/operator.pem.new");
    fs::write(&leftover, "half a ").unwrap();
    assert!(store.profiles().unwrap().is_empty());
    store.save_profile(&profile).unwrap();
    assert!(!leftover.exists());
    assert_eq!(mode(&store.root.join("ca/operator.pem")), 0o600);
    // A file that cannot be replaced stays as it was.
    fs::create_dir(&leftover).unwrap();
    let other = CaProfile {
        anchors: vec![certificate(hierarchy().root())],
        ..profile.clone()
    };
    let refused = store.save_profile(&other);
    assert!(matches!(refused, Err(StoreError::File { .. })));
    assert_eq!(
        store.profile("operator").unwrap().unwrap().anchors,
        profile.anchors
    );
}

#[test]
fn foreign_content_is_named_by_its_file() {
    let (store, _folder) = store("content");
    fs::write(store.root.join("ca/x.pem"), "no certificate").unwrap();
    fs::write(store.root.join("local/x.pem"), "no key").unwrap();
    fs::write(
        store.root.join("ca/large.pem"),
        vec![b' '; MAX_PEM_OCTETS + 2],
    )
    .unwrap();
    for error in [
        store.profile("x").unwrap_err(),
        store.local("x").unwrap_err(),
        store.profile("large").unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Content { .. }), "{text}");
        assert!(text.contains(".pem: "), "{text}");
    }
}

#[test]
fn the_number_of_entries_is_bounded() {
    let (store, _folder) = store("full");
    for n in 0..MAX_ENTRIES {
        fs::write(store.root.join(format!("ca/{n}.pem")), "").unwrap();
    }
    let profile = |name: &str| CaProfile {
        name: name.to_owned(),
        anchors: vec![certificate(hierarchy().root())],
    };
    let refused = store.save_profile(&profile("one-more"));
    assert!(matches!(refused, Err(StoreError::Full)));
    store.save_profile(&profile("7")).unwrap();
}

#[test]
fn the_secret_of_tokens_is_kept_whole_or_not_at_all() {
    let (store, _folder) = store("tokens");
    assert!(store.token_secret().unwrap().is_none());
    store.save_token_secret(&[3; 32]).unwrap();
    assert_eq!(mode(&store.root.join("qcd-secret")), 0o600);
    let again = Store::open(&store.root).unwrap();
    assert_eq!(*again.token_secret().unwrap().unwrap(), [3; 32]);
    fs::write(store.root.join("qcd-secret"), [3; 31]).unwrap();
    assert!(store.token_secret().unwrap().is_none());
}

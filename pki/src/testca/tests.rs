use super::*;
use crate::{Certificate, PrivateKey};
use openssl::x509::{X509, X509Crl};
use ravelin_crypto::Secret;
use std::os::unix::fs::PermissionsExt;

const NOW: WallTime = WallTime(1_800_000_000);

#[test]
fn names_of_kinds_and_faults_are_read_back() {
    for kind in KeyKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    for fault in Fault::ALL {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
    assert!("rsa-1024".parse::<KeyKind>().is_err());
}

#[test]
fn the_revocation_list_names_the_revoked_and_is_signed() {
    for kind in [KeyKind::Rsa(2048), KeyKind::P384, KeyKind::Ed25519] {
        let ca = Hierarchy::new(kind, NOW, "example.net").unwrap();
        let good = ca.issue("enb1", &[]).unwrap();
        let bad = ca.faulty("enb2", Fault::Revoked).unwrap();
        let list = ca.revocation_list(&[&bad], NOW).unwrap();
        let list = X509Crl::from_der(&list).unwrap();
        let issuer = X509::from_der(ca.access()).unwrap();
        assert!(list.verify(&issuer.public_key().unwrap()).unwrap());
        let listed = |issued: &Issued| {
            let certificate = X509::from_der(&issued.certificate).unwrap();
            let serial = certificate.serial_number().to_bn().unwrap();
            let entries = list.get_revoked().unwrap().iter();
            let mut serials = entries.map(|e| e.serial_number().to_bn().unwrap());
            serials.any(|s| s == serial)
        };
        assert!(listed(&bad) && !listed(&good), "{kind}");
    }
}

#[test]
fn a_folder_has_what_was_asked_for() {
    let folder = std::env::temp_dir().join(format!("ravelin-testca-{}", std::process::id()));
    let ca = Hierarchy::new(KeyKind::P256, NOW, "example.net").unwrap();
    let contents = Contents {
        gateways: 1,
        enodebs: 2,
        fleet: 3,
        faults: Fault::ALL.to_vec(),
    };
    // Twice: what is there is replaced.
    for _ in 0..2 {
        let count = ca.write(&folder, &contents).unwrap();
        assert_eq!(count, 3 + 4 + 2 * (3 + Fault::ALL.len()));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), count);
    }
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let chain = Certificate::from_file(&read("enb2.pem")).unwrap();
    assert_eq!(chain[0].to_string(), "CN=enb2,O=Ravelin Test");
    assert_eq!(chain[1].der(), ca.access());
    let key = PrivateKey::import(&read("enb2.key"), &Secret::default()).unwrap();
    assert!(key.belongs_to(&chain[0]));
    let of_all = PrivateKey::import(&read("fleet.key"), &Secret::default()).unwrap();
    for n in 1..=3 {
        let one = Certificate::from_file(&read(&format!("enb-0000{n}.pem"))).unwrap();
        assert_eq!(
            one[0].alt_names()[0].to_string(),
            format!("enb-0000{n}.example.net")
        );
        assert!(of_all.belongs_to(&one[0]));
    }
    assert!(X509Crl::from_der(&read("access.crl")).is_ok());
    let mode = std::fs::metadata(folder.join("enb2.key"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    std::fs::remove_dir_all(&folder).unwrap();
}

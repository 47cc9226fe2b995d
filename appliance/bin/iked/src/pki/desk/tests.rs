use super::*;
use crate::pki::tests::{certificate, open};
use ravelin_ctl::pki::CertificateInfo;
use ravelin_pki::testca::{Hierarchy, Issued, KeyKind as CaKind};
use ravelin_types::SecretBytes;
use tempfile::TempDir;
use tokio::sync::mpsc;

fn bench() -> (TempDir, Pki, Hierarchy) {
    let folder = tempfile::tempdir().unwrap();
    let pki = open(&folder);
    // The desk looks at the clock.
    let ca = Hierarchy::new(CaKind::P256, wall_clock(), "example.net").unwrap();
    (folder, pki, ca)
}

fn pem(issued: &Issued) -> String {
    let all = [&issued.certificate].into_iter().chain(&issued.chain);
    all.map(|der| certificate(der).to_pem().unwrap()).collect()
}

fn key_pem(issued: &Issued) -> String {
    String::from_utf8(issued.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn load(name: &str, file: &[u8], key: Option<&str>, passphrase: &str) -> PkiOrder {
    PkiOrder::LoadLocal {
        name: name.to_owned(),
        file: SecretBytes::new(file.to_vec()),
        key: key.map(|key| SecretBytes::new(key.as_bytes().to_vec())),
        passphrase: SecretBytes::new(passphrase.as_bytes().to_vec()),
    }
}

fn load_ca(profile: &str, der: &[u8]) -> PkiOrder {
    PkiOrder::LoadCa {
        profile: profile.to_owned(),
        file: der.to_vec(),
    }
}

fn generate(name: &str, kind: KeyKind) -> PkiOrder {
    let name = name.to_owned();
    PkiOrder::Generate { name, kind }
}

fn refusal(pki: &Pki, order: &PkiOrder) -> String {
    pki.carry_out(order).unwrap_err().to_string()
}

/// Name, kind of key, certificate and length of its chain.
fn shown(pki: &Pki) -> Vec<(String, String, Option<CertificateInfo>, usize)> {
    let Ok(PkiReply::Locals { list, left_out: 0 }) = pki.carry_out(&PkiOrder::ShowLocals) else {
        panic!("no list");
    };
    assert!(
        list.iter()
            .all(|row| row.key_match == row.certificate.is_some())
    );
    let rows = list.into_iter();
    rows.map(|row| (row.name, row.key, row.certificate, row.chain.len()))
        .collect()
}

#[test]
fn keys_are_made_once_and_asked_for_by_name() {
    let (_folder, pki, _) = bench();
    for (name, kind, expected) in [
        ("a", KeyKind::Rsa(2048), "RSA 2048"),
        ("b", KeyKind::Ecdsa(256), "ECDSA P-256"),
        ("c", KeyKind::Ecdsa(384), "ECDSA P-384"),
        ("d", KeyKind::Ecdsa(521), "ECDSA P-521"),
        ("e", KeyKind::Ed25519, "Ed25519"),
        ("f", KeyKind::Ed448, "Ed448"),
    ] {
        let (name_owned, key) = (name.to_owned(), expected.to_owned());
        let made = pki.carry_out(&generate(name, kind)).unwrap();
        let wanted = PkiReply::Generated {
            name: name_owned,
            key,
        };
        assert_eq!(made, wanted);
        let request = PkiOrder::Request {
            name: name.to_owned(),
            subject: "CN=gw1, O=Example".to_owned(),
            names: vec![Identity::Fqdn("gw1.example.net".to_owned())],
        };
        let Ok(PkiReply::Request { pem }) = pki.carry_out(&request) else {
            panic!("no request");
        };
        assert!(
            pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"),
            "{pem}"
        );
    }
    assert_eq!(shown(&pki).len(), 6);
    let first = pki.local("b").unwrap();
    assert_eq!(
        refusal(&pki, &generate("b", KeyKind::Ed25519)),
        "key pair b exists already: clear it first, its certificate goes with it"
    );
    assert_eq!(
        first.key.algorithm(),
        pki.local("b").unwrap().key.algorithm()
    );
    assert_eq!(
        refusal(&pki, &generate("g", KeyKind::Ecdsa(224))),
        "ECDSA has keys of 256, 384 and 521 bits, not of 224"
    );
    assert!(refusal(&pki, &generate("g", KeyKind::Rsa(1024))).contains("2048 to 4096"));
    assert!(refusal(&pki, &generate("../g", KeyKind::Ed25519)).contains("`../g` is no name"));
    let absent = PkiOrder::Request {
        name: "g".to_owned(),
        subject: "CN=g".to_owned(),
        names: vec![],
    };
    assert!(refusal(&pki, &absent).starts_with("there is no key pair g"));
}

#[test]
fn certificates_come_with_their_key_or_to_it() {
    let (_folder, pki, ca) = bench();
    let issued = ca.issue("gw1", &[]).unwrap();
    let (certificates, key) = (pem(&issued), key_pem(&issued));
    let alone = load("gw1", certificates.as_bytes(), None, "");
    assert!(refusal(&pki, &alone).starts_with("there is no key pair gw1"));
    let both = format!("{certificates}{key}");
    let two_files = load("two", certificates.as_bytes(), Some(&key), "");
    for order in [load("one", both.as_bytes(), None, ""), two_files] {
        let loaded = pki.carry_out(&order).unwrap();
        let PkiReply::Loaded { what, subjects, .. } = loaded else {
            panic!("{loaded:?}");
        };
        assert_eq!(what, PkiObject::LocalCertificate);
        assert_eq!(subjects[0], "CN=gw1,O=Ravelin Test");
    }
    // To the key that is there, the CA first in the file.
    let access = certificate(ca.access()).to_pem().unwrap();
    let own = certificate(&issued.certificate).to_pem().unwrap();
    let turned = format!("{access}{own}");
    pki.carry_out(&load("one", turned.as_bytes(), None, ""))
        .unwrap();
    for (_, key, info, chain) in shown(&pki) {
        let info = info.unwrap();
        assert_eq!((key.as_str(), chain), ("ECDSA P-256", 1));
        assert_eq!(info.names, ["gw1.example.net"]);
        assert_eq!((info.sha256.len(), info.sha1.len()), (64, 40));
        assert!((363..=365).contains(&info.days_left), "{}", info.days_left);
    }
    let other = pem(&ca.issue("gw2", &[]).unwrap());
    assert_eq!(
        refusal(&pki, &load("one", other.as_bytes(), None, "")),
        "none of the certificates in the file belongs to the private key of one"
    );
    let many = certificates.repeat(9);
    assert!(refusal(&pki, &load("one", many.as_bytes(), None, "")).contains("18 certificates"));
    assert!(refusal(&pki, &load("one", b"nonsense", None, "")).contains("PKCS#12"));
}

#[test]
fn what_is_encrypted_wants_its_passphrase() {
    let (_folder, pki, ca) = bench();
    let issued = ca.issue("gw1", &[]).unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let encrypted = issued
        .key
        .private_key_to_pem_pkcs8_passphrase(cipher, b"secret");
    let encrypted = String::from_utf8(encrypted.unwrap()).unwrap();
    let certificates = pem(&issued);
    let x509 = openssl::x509::X509::from_der(&issued.certificate).unwrap();
    let mut builder = openssl::pkcs12::Pkcs12::builder();
    builder.pkey(&issued.key).cert(&x509);
    let bundle = builder.build2("secret").unwrap().to_der().unwrap();
    type Make<'a> = &'a dyn Fn(&str) -> PkiOrder;
    let from_pem: Make<'_> = &|p| load("pem", certificates.as_bytes(), Some(&encrypted), p);
    let from_bundle: Make<'_> = &|p| load("bundle", &bundle, None, p);
    for make in [from_pem, from_bundle] {
        let asked = pki.carry_out(&make(""));
        assert!(
            matches!(asked, Err(OrderError::PassphraseWanted)),
            "{asked:?}"
        );
        assert!(refusal(&pki, &make("wrong")).contains("the passphrase is missing or wrong"));
        pki.carry_out(&make("secret")).unwrap();
        assert!(!format!("{:?}", make("secret")).contains("115, 101, 99"));
    }
    assert_eq!(shown(&pki).len(), 2);
}

#[test]
fn cas_and_their_lists_come_from_files() {
    let (_folder, pki, ca) = bench();
    let user = ca.issue("gw1", &[]).unwrap();
    assert_eq!(
        refusal(&pki, &load_ca("access", &user.certificate)),
        "`CN=gw1,O=Ravelin Test` is not the certificate of a CA"
    );
    let list = ca.revocation_list(&[&user], wall_clock()).unwrap();
    let load_list = |profile: &str, file: &[u8]| PkiOrder::LoadList {
        profile: profile.to_owned(),
        file: file.to_vec(),
    };
    assert!(
        refusal(&pki, &load_list("access", &list)).starts_with("there is no CA profile access")
    );
    pki.carry_out(&load_ca("root", ca.root())).unwrap();
    let other = refusal(&pki, &load_list("root", &list));
    assert!(
        other.starts_with("no CA that is known by profile root"),
        "{other}"
    );
    pki.carry_out(&load_ca("access", ca.access())).unwrap();
    let x509 = openssl::x509::X509Crl::from_der(&list).unwrap();
    for file in [&list, &x509.to_pem().unwrap()] {
        let loaded = pki.carry_out(&load_list("access", file)).unwrap();
        assert!(matches!(
            loaded,
            PkiReply::Loaded {
                what: PkiObject::List,
                ..
            }
        ));
        let Ok(PkiReply::Lists(lists)) = pki.carry_out(&PkiOrder::ShowLists) else {
            panic!("no lists");
        };
        let of_access = lists.iter().find(|l| l.profiles == ["access"]).unwrap();
        let known = of_access.list.as_ref().unwrap();
        assert_eq!((known.revoked, known.stale), (1, false));
        let clear = PkiOrder::Clear(PkiObject::List, "access".to_owned());
        for count in [1, 0] {
            let cleared = PkiReply::Cleared(PkiObject::List, count);
            assert_eq!(pki.carry_out(&clear).unwrap(), cleared);
        }
    }
    let Ok(PkiReply::Authorities { list, left_out: 0 }) = pki.carry_out(&PkiOrder::ShowAuthorities)
    else {
        panic!("no CAs");
    };
    let names: Vec<&str> = list.iter().map(|ca| ca.profile.as_str()).collect();
    assert_eq!(names, ["access", "root"]);
}

#[test]
fn what_is_cleared_is_gone_and_a_key_outlives_its_certificate() {
    let (_folder, pki, ca) = bench();
    let issued = ca.issue("gw1", &[]).unwrap();
    let both = pem(&issued) + &key_pem(&issued);
    pki.carry_out(&load("gw1", both.as_bytes(), None, ""))
        .unwrap();
    let clear = |object, expected| {
        let cleared = pki.carry_out(&PkiOrder::Clear(object, "gw1".to_owned()));
        assert_eq!(cleared.unwrap(), PkiReply::Cleared(object, expected));
    };
    clear(PkiObject::LocalCertificate, 1);
    clear(PkiObject::LocalCertificate, 0);
    assert_eq!(
        shown(&pki),
        [("gw1".to_owned(), "ECDSA P-256".to_owned(), None, 0)]
    );
    clear(PkiObject::KeyPair, 1);
    clear(PkiObject::KeyPair, 0);
    assert!(shown(&pki).is_empty());
    clear(PkiObject::CaCertificate, 0);
    pki.carry_out(&load_ca("gw1", ca.root())).unwrap();
    clear(PkiObject::CaCertificate, 1);
}

#[test]
fn the_desk_answers_who_asked() {
    let (_folder, pki, _) = bench();
    let desk = Desk::open(pki.clone()).unwrap();
    let (answers, mut answered) = mpsc::channel(4);
    let orders = [
        generate("gw1", KeyKind::Ed25519),
        generate("gw1", KeyKind::Ed25519),
    ];
    for (id, order) in (7..).zip(orders) {
        assert!(desk.submit((order, id, answers.clone())));
    }
    let first = answered.blocking_recv().unwrap();
    let generated = PkiReply::Generated {
        name: "gw1".to_owned(),
        key: "Ed25519".to_owned(),
    };
    let expected = Reply::Operator(DaemonReply::Pki(Box::new(generated)));
    assert_eq!((first.id, first.body), (7, expected));
    let second = answered.blocking_recv().unwrap();
    let Reply::Operator(DaemonReply::Failed(line)) = second.body else {
        panic!("{second:?}");
    };
    assert_eq!(second.id, 8);
    assert!(line.starts_with("key pair gw1 exists"), "{line}");
}

#[test]
fn too_many_orders_are_refused() {
    let (_folder, pki, _) = bench();
    let (orders, jobs) = sync_channel(MAX_ORDERS);
    let (desk, (answers, _answered)) = (Desk { orders, pki }, mpsc::channel(1));
    for taken in (0..=MAX_ORDERS).map(|n| n < MAX_ORDERS) {
        let job = (PkiOrder::ShowLists, 1, answers.clone());
        assert_eq!(desk.submit(job), taken);
    }
    drop(jobs);
}

//! Certificates: what iked may tell, and what is asked of it.

use crate::{compare, shown, snapshot};
use ravelin_cli::command::parse;
use ravelin_cli::{Client, evaluate};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, Reply, Request};
use ravelin_ctl::pki::{
    CaCertificate, CertificateInfo, KeyKind, ListInfo, LocalCertificate, PkiObject, PkiOrder,
    PkiReply, RevocationList,
};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::{Identity, InstanceId, SecretBytes};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

fn reply(reply: PkiReply) -> Reply {
    Reply::Daemon(DaemonReply::Pki(Box::new(reply)))
}

fn info(subject: &str, days_left: i64) -> CertificateInfo {
    CertificateInfo {
        subject: subject.to_owned(),
        issuer: "CN=Access CA,OU=Radio Access,O=Example Mobile Networks International,C=DE"
            .to_owned(),
        serial: "5a".repeat(16),
        names: vec!["gw1.example.net".to_owned(), "192.0.2.1".to_owned()],
        not_before: "2026-01-01T00:00:00Z".to_owned(),
        not_after: "2027-01-01T00:00:00Z".to_owned(),
        days_left,
        key: "ECDSA P-256".to_owned(),
        sha1: "0123456789abcdef0123".repeat(2),
        sha256: "0123456789abcdef".repeat(4),
    }
}

fn locals() -> Reply {
    let local = |name: &str, certificate: Option<CertificateInfo>| LocalCertificate {
        name: name.to_owned(),
        key: "ECDSA P-256".to_owned(),
        key_match: certificate.is_some(),
        certificate,
        chain: vec!["CN=Access CA,O=Example".to_owned()],
    };
    reply(PkiReply::Locals {
        list: vec![
            local("gw1", Some(info("CN=gw1,O=Example", 300))),
            local("old", Some(info("CN=old,O=Example", -2))),
            LocalCertificate {
                chain: vec![],
                ..local("waiting", None)
            },
        ],
        left_out: 7,
    })
}

fn authorities() -> Reply {
    let certificate = CertificateInfo {
        names: vec![],
        ..info("CN=Root CA,O=Example", 3000)
    };
    let profile = "access".to_owned();
    let ca = CaCertificate {
        profile,
        certificate,
    };
    let list = vec![ca];
    reply(PkiReply::Authorities { list, left_out: 0 })
}

fn lists() -> Reply {
    let list = |authority: &str, profiles: &[&str], stale: Option<bool>| RevocationList {
        authority: authority.to_owned(),
        profiles: profiles.iter().map(|p| (*p).to_owned()).collect(),
        list: stale.map(|stale| ListInfo {
            this_update: "2026-01-01T00:00:00Z".to_owned(),
            next_update: "2026-01-08T00:00:00Z".to_owned(),
            stale,
            revoked: 17,
        }),
        failure: stale.is_none().then(|| {
            let url = "http://crl.example.net:8080/certificates/of/the/root/ca.crl";
            format!("{url}: the server answers 503 Service Unavailable")
        }),
    };
    reply(PkiReply::Lists(vec![
        list("CN=Access CA,O=Example", &["access", "other"], Some(false)),
        list("CN=Core CA,O=Example", &[], Some(true)),
        list("CN=Root CA,O=Example", &["root"], None),
    ]))
}

#[test]
fn lists_of_certificates() {
    let show = "show security pki local-certificate";
    snapshot("pki_local", show, locals);
    snapshot("pki_local_detail", &format!("{show} detail"), locals);
    let show = "show security pki ca-certificate";
    snapshot("pki_ca", show, authorities);
    snapshot("pki_ca_detail", &format!("{show} detail"), authorities);
    snapshot("pki_crl", "show security pki crl", lists);
    let none = reply(PkiReply::Lists(vec![]));
    assert_eq!(shown("show security pki crl", none), "");
}

#[test]
fn answers_to_orders() {
    let loaded = |what| {
        reply(PkiReply::Loaded {
            what,
            name: "gw1".to_owned(),
            subjects: vec!["CN=gw1,O=Example".to_owned(), "CN=Access CA".to_owned()],
        })
    };
    let generated = reply(PkiReply::Generated {
        name: "gw1".to_owned(),
        key: "RSA 2048".to_owned(),
    });
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\n".to_owned();
    let clear = "clear security pki key-pair certificate-id gw1";
    let text: String = [
        shown(
            "request security pki generate-key-pair certificate-id gw1",
            generated,
        ),
        shown(
            "request security pki generate-certificate-request certificate-id gw1 subject CN=gw1",
            reply(PkiReply::Request { pem }),
        ),
        shown(
            "request security pki local-certificate load certificate-id gw1 filename a",
            loaded(PkiObject::LocalCertificate),
        ),
        shown(
            "request security pki ca-certificate load ca-profile gw1 filename a",
            loaded(PkiObject::CaCertificate),
        ),
        shown(
            "request security pki crl load ca-profile gw1 filename a",
            loaded(PkiObject::List),
        ),
        shown(clear, reply(PkiReply::Cleared(PkiObject::KeyPair, 1))),
        shown(clear, reply(PkiReply::Cleared(PkiObject::KeyPair, 0))),
        shown(
            "request security ike pre-shared-keys load ran filename a",
            reply(PkiReply::Loaded {
                what: PkiObject::Keys,
                name: "ran".to_owned(),
                subjects: vec!["100000 keys".to_owned()],
            }),
        ),
        shown(
            "clear security ike pre-shared-keys ran",
            reply(PkiReply::Cleared(PkiObject::Keys, 0)),
        ),
        shown(
            "show security ike pre-shared-keys",
            reply(PkiReply::KeyLists(vec![("ran".to_owned(), 100_000)])),
        ),
    ]
    .concat();
    compare("pki_orders.txt", &text);
}

/// An mgmtd that gives these answers, each on a connection of its own, and returns what it was asked.
fn mgmtd(folder: &Path, answers: Vec<PkiReply>) -> JoinHandle<Vec<PkiOrder>> {
    let listener = UnixListener::bind(folder.join("mgmtd.sock")).unwrap();
    thread::spawn(move || {
        let answered = answers.into_iter().map(|answer| {
            let hello = Hello::new(Role::Mgmtd, InstanceId(1));
            let mut stream = Stream::open(listener.accept().unwrap().0, &hello).unwrap();
            let asked: Envelope<Request> = stream.receive().unwrap();
            let (id, body) = (asked.id, reply(answer));
            stream.send(&Envelope { id, body }).unwrap();
            let Request::Daemon(DaemonQuery::Pki(order)) = asked.body else {
                panic!("{:?}", asked.body);
            };
            *order
        });
        answered.collect()
    })
}

/// What is printed for a line, and what was asked for it.
fn run(line: &str, typed: &str, answers: Vec<PkiReply>) -> (Result<String, String>, Vec<PkiOrder>) {
    let folder = tempfile::tempdir().unwrap();
    let mgmtd = mgmtd(folder.path(), answers);
    let parsed = parse(line).unwrap().unwrap();
    let printed = evaluate(&Client::new(folder.path()), &parsed, &mut typed.as_bytes());
    let printed = printed.map_err(|error| error.to_string());
    (printed, mgmtd.join().unwrap())
}

fn refusal(line: &str) -> String {
    let parsed = parse(line).unwrap().unwrap();
    let refused = evaluate(
        &Client::new(Path::new("/nonexistent")),
        &parsed,
        &mut &b""[..],
    );
    refused.unwrap_err().to_string()
}

fn files() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gw1.p12").display().to_string();
    std::fs::write(&path, b"octets").unwrap();
    (folder, path)
}

#[test]
fn an_encrypted_file_is_sent_again_with_its_passphrase() {
    let (_folder, path) = files();
    let line =
        format!("request security pki local-certificate load certificate-id gw1 filename {path}");
    let loaded = PkiReply::Loaded {
        what: PkiObject::LocalCertificate,
        name: "gw1".to_owned(),
        subjects: vec![],
    };
    let wanted = PkiReply::PassphraseWanted;
    let (printed, asked) = run(&line, "secret\nshow\n", vec![wanted.clone(), loaded]);
    assert_eq!(printed.unwrap(), "Local certificate gw1 loaded:\n");
    let order = |passphrase: &str| PkiOrder::LoadLocal {
        name: "gw1".to_owned(),
        file: SecretBytes::new(b"octets".to_vec()),
        key: None,
        passphrase: SecretBytes::new(passphrase.as_bytes().to_vec()),
    };
    assert_eq!(asked, [order(""), order("secret")]);
    let (printed, _) = run(&line, "", vec![wanted.clone(), wanted]);
    let refused = "the file is encrypted, and its passphrase is not given";
    assert_eq!(printed.unwrap_err(), refused);
}

#[test]
fn options_become_orders() {
    let generated = || PkiReply::Generated {
        name: "gw1".to_owned(),
        key: String::new(),
    };
    let generate = "request security pki generate-key-pair certificate-id gw1";
    for (options, expected) in [
        ("", KeyKind::Rsa(2048)),
        ("size 4096", KeyKind::Rsa(4096)),
        ("type ecdsa", KeyKind::Ecdsa(256)),
        ("size 384 type ecdsa", KeyKind::Ecdsa(384)),
        ("type ed25519", KeyKind::Ed25519),
        ("type ed448", KeyKind::Ed448),
    ] {
        let (_, asked) = run(&format!("{generate} {options}"), "", vec![generated()]);
        let (name, kind) = ("gw1".to_owned(), expected);
        assert_eq!(asked, [PkiOrder::Generate { name, kind }]);
    }
    assert_eq!(
        refusal(&format!("{generate} type dsa")),
        "`dsa` is not one of rsa, ecdsa, ed25519 and ed448"
    );
    assert_eq!(
        refusal(&format!("{generate} type ed25519 size 256")),
        "`256` is not for this type, which has one size only"
    );
    let request = "request security pki generate-certificate-request certificate-id gw1";
    assert_eq!(refusal(request), "incomplete command, expected subject");
    assert_eq!(
        refusal(&format!("{request} subject CN=gw1 ip-address 192.0.2.256")),
        "`192.0.2.256` is not an IP address"
    );
    let load = "request security pki ca-certificate load ca-profile access";
    assert_eq!(refusal(load), "incomplete command, expected filename");
    assert!(refusal(&format!("{load} filename /nonexistent")).starts_with("/nonexistent: "));
}

#[test]
fn a_request_is_shown_and_kept_in_a_file_that_is_new() {
    let (folder, taken) = files();
    let path = folder.path().join("gw1.csr").display().to_string();
    let line = |path: &str| {
        format!(
            "request security pki generate-certificate-request certificate-id gw1 \
             subject \"CN=gw1, O=Example\" domain-name gw1.example.net,gw1.example.org \
             ip-address 2001:db8::1 email pki@example.net filename {path}"
        )
    };
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\n";
    let answer = || vec![PkiReply::Request { pem: pem.into() }];
    let (printed, asked) = run(&line(&path), "", answer());
    assert_eq!(printed.unwrap(), pem);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), pem);
    let expected = PkiOrder::Request {
        name: "gw1".to_owned(),
        subject: "CN=gw1, O=Example".to_owned(),
        names: vec![
            Identity::Fqdn("gw1.example.net".to_owned()),
            Identity::Fqdn("gw1.example.org".to_owned()),
            Identity::Ipv6("2001:db8::1".parse().unwrap()),
            Identity::Email("pki@example.net".to_owned()),
        ],
    };
    assert_eq!(asked, [expected]);
    // Nothing is written over.
    let (printed, _) = run(&line(&taken), "", answer());
    assert!(printed.unwrap_err().contains("File exists"));
    assert_eq!(std::fs::read(&taken).unwrap(), b"octets");
}

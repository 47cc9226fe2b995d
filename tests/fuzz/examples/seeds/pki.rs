//! Seeds of `certificate`, made by the test CA, and of `crl` and `ocsp_response`: what follows the issuer of a list, or the responder
//! of an answer.

use crate::Seed;
use crate::authority::{NOW, SEQUENCE, authority, element};
use ravelin_pki::testca::{Error, Fault, Hierarchy, KeyKind};
use ravelin_pki::{Certificate, OcspRequest};
use ravelin_types::Identity;

const TIME: &[u8] = b"20270101000000Z";
const LATER: &[u8] = b"20280101000000Z";

pub fn certificates() -> Result<Vec<Seed>, Error> {
    let ca = Hierarchy::new(KeyKind::P256, NOW, "example.net")?;
    let names = [
        Identity::Email("noc@example.net".into()),
        Identity::Ipv4([192, 0, 2, 1].into()),
        Identity::Ipv6([0x20; 16].into()),
    ];
    let names = ca.issue("enb1", &names)?.certificate;
    let pem = Certificate::from_der(&names)?.to_pem()?;
    let ed25519 = Hierarchy::new(KeyKind::Ed25519, NOW, "example.net")?;
    Ok(vec![
        ("root", ca.root().to_vec()),
        ("name_constraints", ca.access().to_vec()),
        ("names", names),
        ("pem", pem.into_bytes()),
        ("eku", ca.faulty("enb1", Fault::WrongEku)?.certificate),
        (
            "critical",
            ca.faulty("enb1", Fault::UnknownExtension)?.certificate,
        ),
        ("sha1", ca.faulty("enb1", Fault::Sha1)?.certificate),
        ("ed25519", ed25519.root().to_vec()),
        ("subject", authority().certificate.subject().der().to_vec()),
    ])
}

pub fn lists() -> Vec<Seed> {
    let dates = [element(0x18, TIME), element(0x18, LATER)].concat();
    let entry = |serial: u8, more: &[u8]| {
        let content = [&[2, 1, serial], element(0x18, TIME).as_slice(), more].concat();
        element(SEQUENCE, &content)
    };
    // keyCompromise.
    let reason = element(SEQUENCE, &extension(&[0x55, 0x1d, 0x15], &[10, 1, 1]));
    let entries = element(SEQUENCE, &[entry(7, &[]), entry(9, &reason)].concat());
    let number = extension(&[0x55, 0x1d, 0x14], &[2, 1, 1]);
    let url = element(0x86, b"http://a/1.crl");
    let point = element(0xa0, &element(0xa0, &url));
    let users = [&point, &[0x81, 1, 0xff][..]].concat();
    let point = extension(&[0x55, 0x1d, 0x1c], &element(SEQUENCE, &users));
    let delta = extension(&[0x55, 0x1d, 0x1b], &[2, 1, 1]);
    let with = |extensions: &[Vec<u8>]| {
        let list = element(0xa0, &element(SEQUENCE, &extensions.concat()));
        [dates.as_slice(), &entries, &list].concat()
    };
    vec![
        ("empty", dates.clone()),
        ("entries", [dates.as_slice(), &entries].concat()),
        ("scope", with(&[number.clone(), point])),
        ("delta", with(&[number, delta])),
        ("endless", element(0x18, TIME)),
    ]
}

pub fn answers() -> Result<Vec<Seed>, Error> {
    let ca = authority().certificate;
    let question = OcspRequest::new(&ca, &ca)?.der;
    // SHA-1 is the algorithm at the begin of the CertID, which the header of a sequence precedes.
    let sha1 = [0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0];
    let at = question.windows(sha1.len()).position(|w| w == sha1);
    let from = at.unwrap_or(2) - 2;
    let id = &question[from..from + 2 + usize::from(question[from + 1])];
    let produced = element(0x18, TIME);
    let answer = |says: &[u8], more: &[u8]| {
        let next = element(0xa0, &element(0x18, LATER));
        let single = [id, says, &element(0x18, TIME), &next].concat();
        let list = element(SEQUENCE, &element(SEQUENCE, &single));
        [produced.as_slice(), &list, more].concat()
    };
    let nonce = extension(&[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2], &element(4, &[7; 32]));
    let nonce = element(0xa1, &element(SEQUENCE, &nonce));
    Ok(vec![
        ("good", answer(&[0x80, 0], &[])),
        ("revoked", answer(&element(0xa1, &produced), &[])),
        ("unknown", answer(&[0x82, 0], &[])),
        ("nonce", answer(&[0x80, 0], &nonce)),
        ("try_later", vec![0x30, 3, 0x0a, 1, 3]),
    ])
}

/// One that is not critical.
fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(6, oid), element(4, value)].concat())
}

//! IKE_AUTH with certificates: flags, first payload, length, payloads; the target signs what its flags say.

use super::Seed;
use super::authority::{SEQUENCE, authority, element};
use super::peer::child_request;
use ravelin_ike::msg::Payload;
use ravelin_ike::msg::auth::Auth;
use ravelin_ike::msg::cert::{Cert, encoding};
use ravelin_ike::msg::certreq::CertReq;
use ravelin_ike::msg::id::Id;
use ravelin_ike::msg::notify::Notify;
use ravelin_ike::msg::payload::emit_chain;
use std::ops::Range;

const NAME: &[u8] = b"enb1.ran.example";
const HTTP_CERT_LOOKUP_SUPPORTED: u16 = 16_392;
/// Where `ca.der` has these.
const VALIDITY: Range<usize> = 72..106;
const PUBLIC_KEY: Range<usize> = 136..180;
const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

/// The content of a TBSCertificate: of this name, with the key of the CA, for as long as the CA lives.
fn says(name: &[u8]) -> Vec<u8> {
    let ca = authority().certificate;
    let alternative = element(4, &element(SEQUENCE, &element(0x82, name)));
    let extension = element(
        SEQUENCE,
        &[&[6, 3, 0x55, 0x1d, 0x11], &*alternative].concat(),
    );
    [
        &[0xa0, 3, 2, 1, 2, 2, 1, 7],
        ED25519,
        ca.subject().der(),
        &ca.der()[VALIDITY],
        &element(SEQUENCE, &[]),
        &ca.der()[PUBLIC_KEY],
        &element(0xa3, &element(SEQUENCE, &extension)),
    ]
    .concat()
}

fn message(flags: u8, payloads: &[Payload]) -> Vec<u8> {
    let (first, chain) = emit_chain(payloads);
    let length = u16::try_from(chain.len()).unwrap().to_be_bytes();
    [&[flags, first], &length[..], &chain].concat()
}

/// IDi, then these, then the request for a child SA.
fn auth(name: &[u8], more: Vec<Payload>) -> Vec<Payload> {
    let id = Payload::IdI(Id {
        kind: 2,
        reserved: [0; 3],
        data: name.to_vec(),
    });
    let child = child_request(0xc0de_0001).to_vec();
    [vec![id], more, child].concat()
}

pub fn seeds() -> Vec<Seed> {
    let ca = authority().certificate;
    let x509 = || Payload::Cert(Cert::x509(says(NAME)));
    let wanted = || Payload::CertReq(CertReq::x509(&[*ca.spki_sha1()]));
    let other = |encoding, data: &[u8]| {
        Payload::Cert(Cert {
            encoding,
            data: data.to_vec(),
        })
    };
    let certificate = auth(NAME, vec![x509(), wanted()]);
    let root = Payload::Cert(Cert::x509(ca.der().to_vec()));
    let junk = Payload::Cert(Cert::x509(vec![0x30, 0]));
    let link = [&[7; 20][..], b"http://a/1.der"].concat();
    let lookup = Payload::Notify(Notify::new(HTTP_CERT_LOOKUP_SUPPORTED, &[]));
    let answer = Payload::Cert(Cert::ocsp(vec![0x30, 3, 0x0a, 1, 3]));
    let ocsp = Payload::CertReq(CertReq::ocsp());
    let by_key = Payload::Auth(Auth {
        method: 2,
        data: vec![1; 32],
    });
    let unsigned = auth(NAME, vec![x509()]);
    let again = [message(0, &unsigned), message(3, &certificate)].concat();
    vec![
        ("certificate", message(3, &certificate)),
        ("chain", message(3, &auth(NAME, vec![x509(), root, junk]))),
        ("fragments", message(7, &certificate)),
        (
            "hash-and-url",
            message(
                3,
                &auth(
                    NAME,
                    vec![x509(), other(encoding::HASH_AND_URL, &link), lookup],
                ),
            ),
        ),
        (
            "list",
            message(3, &auth(NAME, vec![other(7, &link), x509()])),
        ),
        ("no-auth", again),
        ("no-certificate", message(1, &auth(NAME, vec![wanted()]))),
        (
            "other-name",
            message(3, &auth(b"enb2.ran.example", vec![x509()])),
        ),
        (
            "pre-shared-key",
            message(2, &auth(NAME, vec![x509(), by_key])),
        ),
        (
            "stapled",
            message(3, &auth(NAME, vec![x509(), answer, ocsp])),
        ),
    ]
}

//! Fuzzes OCSP answers: the octets as they are, as a basic response, and as what follows the responder of an answer that the CA has
//! signed. Any are answered, and without the signature of the CA none is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_pki::OcspResponse;
use std::sync::LazyLock;

#[path = "../authority.rs"]
mod authority;
use authority::{Authority, NOW, SEQUENCE, authority, element};

static CA: LazyLock<Authority> = LazyLock::new(authority);
/// id-pkix-ocsp-basic with its tag and length.
const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

fuzz_target!(|data: &[u8]| {
    let read = |der: &[u8]| OcspResponse::read(der, &CA.certificate, None, NOW, false);
    assert!(read(data).is_err());
    assert!(read(&answer(data)).is_err());
    let signed = CA.signed(|_| {
        let name = element(0xa1, CA.certificate.subject().der());
        element(SEQUENCE, &[&name, data].concat())
    });
    if let Ok(read) = read(&answer(&signed)) {
        // It must not panic; what it says is the fuzzer's.
        let _ = read.status(&CA.certificate, &CA.certificate, NOW);
    }
});

/// An OCSPResponse around what is in a BasicOCSPResponse.
fn answer(content: &[u8]) -> Vec<u8> {
    let basic = element(4, &element(SEQUENCE, content));
    let bytes = element(0xa0, &element(SEQUENCE, &[BASIC, &basic].concat()));
    element(SEQUENCE, &[&[0x0a, 1, 0], bytes.as_slice()].concat())
}

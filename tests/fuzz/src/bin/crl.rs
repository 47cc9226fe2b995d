//! Fuzzes revocation lists: the octets as they are, and as what follows the issuer of a list that the CA has signed. Any are answered,
//! and a list that is accepted is accepted again, of the CA only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_pki::{Crl, Status};
use std::sync::LazyLock;

#[path = "../authority.rs"]
mod authority;
use authority::{Authority, NOW, SEQUENCE, authority, element};

static CA: LazyLock<Authority> = LazyLock::new(authority);

fuzz_target!(|data: &[u8]| {
    assert!(Crl::read(data, &CA.certificate, false).is_err());
    let list = CA.signed(|algorithm| {
        let issuer = CA.certificate.subject().der();
        let content = [&[2, 1, 1], algorithm, issuer, data].concat();
        element(SEQUENCE, &content)
    });
    let list = element(SEQUENCE, &list);
    let Ok(read) = Crl::read(&list, &CA.certificate, false) else {
        return;
    };
    assert_eq!(read.der(), list);
    if NOW > read.next_update() {
        assert_ne!(read.status(&CA.certificate, NOW), Status::Good);
    }
    let mut forged = list;
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    assert!(Crl::read(&forged, &CA.certificate, false).is_err());
});

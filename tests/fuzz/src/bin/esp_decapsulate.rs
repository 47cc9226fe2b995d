//! Fuzzes ESP decapsulation: an input is a packet from the network, the plain text of an authentic one, a clear packet for transport
//! mode,
//! and one with AH.
//!
//! What is accepted is never longer than what came in, and only what a peer with the key sealed is accepted.
//! Transport mode gives back what it took.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_esp::EspDrop;
use ravelin_esp::fuzzing::{authenticated, decapsulate, decapsulate_authentic, there_and_back};
use ravelin_types::IpsecMode;

/// SPI, sequence number and IV.
const HEADER_OCTETS: usize = 16;

/// AH with the ICV of HMAC-SHA2-256-128.
const AH_OCTETS: usize = 28;

fuzz_target!(|data: &[u8]| {
    // No seed is sealed, and nobody guesses an ICV.
    assert!(decapsulate(data).is_err());
    if let Ok(inner) = decapsulate_authentic(data) {
        // Pad length and next header are gone at least.
        assert!(inner.len() + HEADER_OCTETS + 2 <= data.len());
    }
    for mode in [IpsecMode::Tunnel, IpsecMode::Transport] {
        if let Ok(inner) = authenticated(data, mode) {
            assert!(inner.len() + AH_OCTETS <= data.len());
        }
    }
    match there_and_back(data) {
        Ok(back) => assert!(back.len() <= data.len()),
        Err(reason) => assert_ne!(reason, EspDrop::AuthFailed),
    }
});

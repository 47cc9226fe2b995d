//! Fuzzes ESP decapsulation: an input is a packet from the network, and the plain text of an authentic one.
//!
//! What is accepted is never longer than what came in, and only what a peer with the key sealed is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_esp::fuzzing::{decapsulate, decapsulate_authentic};

/// SPI, sequence number and IV.
const HEADER_OCTETS: usize = 16;

fuzz_target!(|data: &[u8]| {
    // No seed is sealed, and nobody guesses an ICV.
    assert!(decapsulate(data).is_err());
    if let Ok(inner) = decapsulate_authentic(data) {
        // Pad length and next header are gone at least.
        assert!(inner.len() + HEADER_OCTETS + 2 <= data.len());
    }
});

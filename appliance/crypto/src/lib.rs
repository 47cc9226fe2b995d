//! IKE primitives over OpenSSL 3.5: PRF and PRF+, key exchange, and the protection of the SK payload.
//!
//! Each primitive has its own file, and each takes plain octets and returns plain octets or a [`Secret`]. What is *not* here: no
//! message format, no negotiation, no key schedule of RFC 7296 section 2.14 (that belongs to `ike`, which composes [`prf`] and
//! [`prf_plus`]), no ESP (the data plane has its own engines).
//!
//! | file | primitive | source |
//! |---|---|---|
//! | `mac.rs` | HMAC, AES-XCBC, AES-CMAC | RFC 2104, RFC 4434, RFC 4615 |
//! | `prf.rs` | PRF, PRF+ | RFC 7296 2.13 |
//! | `dh.rs` and below | MODP, ECP, Brainpool, Curve25519, Curve448 | RFC 2409, 3526, 5114, 5903, 6954, 8031, 6989 |
//! | `dh/kem.rs` | ML-KEM; `dh/kem/sys.rs` has the two calls that the crate `openssl` lacks | FIPS 203 |
//! | `sk.rs` | ciphers with integrity and AEADs for the SK payload | RFC 7296 3.14, 5282, 5930, 7634 |
//! | `hash.rs` | SHA-1 for NAT detection, SHA-2 | RFC 7296 2.23 |
//! | `password.rs` | SHA-512 crypt for the passwords of users | Drepper, "Unix crypt using SHA-256 and SHA-512" |
//! | `secret.rs` | zeroized octets without `Debug` | |
//! | `rng.rs` | randomness | |
#![deny(unsafe_code)]

mod dh;
mod error;
mod hash;
mod mac;
mod password;
mod prf;
mod rng;
pub mod secret;
mod sk;

pub use dh::DhPrivate;
pub use error::Error;
pub use hash::{sha1, sha256};
pub use password::hash_password;
pub use prf::{MAX_PRF_PLUS_BLOCKS, prf, prf_plus};
pub use rng::random;
pub use secret::{Secret, ct_eq};
pub use sk::SkCipher;
pub use zeroize::Zeroizing;

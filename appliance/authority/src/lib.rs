//! Between `ike`, which says what is signed and what came, and `pki`, which knows keys and certificates: what every
//! [`ravelin_ike::Authority`] needs, the gateway's and that of the eNodeBs which test it.
//!
//! | file | what | source |
//! |---|---|---|
//! | `signer.rs` | a key of ours with its certificates: what is sent, and how it signs | RFC 7296 2.15 and 3.6, RFC 7427 |
//! | `claim.rs` | the proof of a peer, step by step | RFC 4945 |
//!
//! Which key signs for whom, who is trusted, and revocation are the programs' own.
#![forbid(unsafe_code)]

mod claim;
mod signer;

pub use claim::{Claim, trust};
pub use signer::Signer;

use ravelin_ike::Denial;

fn denied(why: impl ToString) -> Denial {
    Denial::new(&why.to_string())
}

#[cfg(test)]
mod tests;

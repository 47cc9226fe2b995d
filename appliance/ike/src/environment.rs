//! What the endpoint asks of its surroundings: randomness and SPIs. No clock: the time is an argument of each call.

use ravelin_crypto::Zeroizing;
use ravelin_types::Spi;

/// Octets of [`Environment::token_secret`].
pub const TOKEN_SECRET_OCTETS: usize = 32;

/// The daemon's side, injected. Tests inject a seeded one.
pub trait Environment {
    /// Fills `out` with octets fit for nonces, initialisation vectors and SPIs.
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError>;

    /// A new SPI of an IKE SA of ours: never 0, not in use, with the bits of node and shard.
    fn ike_spi(&mut self) -> Result<u64, EnvironmentError>;

    /// A free inbound SPI for a child SA (design decision D7).
    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError>;

    /// An SPI of [`Environment::allocate_child_spi`] that is no longer in use; the slot must rest before it is used again.
    fn release_child_spi(&mut self, spi: Spi);

    /// What tokens of quick crash detection are made of (RFC 6290 section 5: QCD_SECRET). The same for as long as a peer may hold
    /// such a token, also after everything else is lost: that is what they are for.
    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError>;
}

/// A resource of ours is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The random generator failed.
    #[error("the random generator failed")]
    Random,
    /// All SPIs of child SAs are in use or resting.
    #[error("no SPI is free")]
    NoSpi,
}

impl<E: Environment + ?Sized> Environment for &mut E {
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError> {
        (**self).random(out)
    }

    fn ike_spi(&mut self) -> Result<u64, EnvironmentError> {
        (**self).ike_spi()
    }

    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError> {
        (**self).allocate_child_spi()
    }

    fn release_child_spi(&mut self, spi: Spi) {
        (**self).release_child_spi(spi);
    }

    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError> {
        (**self).token_secret()
    }
}

//! What the IKE endpoint asks of its surroundings: OpenSSL's randomness and SPIs.

use ravelin_crypto::Zeroizing;
use ravelin_ike::{Environment, EnvironmentError, TOKEN_SECRET_OCTETS};
use ravelin_types::{NodeId, Spi, Time};

use crate::spi::SpiAllocator;

/// Responder and initiator SPIs of IKE SAs begin with the node (2 bits) and the shard (6 bits): design decision D7.
const SHARD: u64 = 0;

/// The daemon's environment. It knows the time only as the daemon told it.
pub struct DaemonEnvironment {
    node: NodeId,
    spis: SpiAllocator,
    tokens: Zeroizing<[u8; TOKEN_SECRET_OCTETS]>,
    now: Time,
}

impl DaemonEnvironment {
    /// `tokens` is what tokens of quick crash detection are made of.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn new(
        node: NodeId,
        tokens: Zeroizing<[u8; TOKEN_SECRET_OCTETS]>,
    ) -> Result<Self, EnvironmentError> {
        let seed = u64::from_be_bytes(random()?);
        Ok(Self {
            node,
            spis: SpiAllocator::new(node, seed),
            tokens,
            now: Time::default(),
        })
    }

    /// Another node number, which the configuration told. SPIs given out before stay what they are; those of the new
    /// number are to be reserved again.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn set_node(&mut self, node: NodeId) -> Result<(), EnvironmentError> {
        if node != self.node {
            *self = Self {
                now: self.now,
                ..Self::new(node, self.tokens.clone())?
            };
        }
        Ok(())
    }

    /// Tells the time of the calls that follow.
    pub fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// An SPI that was in use before a restart.
    pub fn reserve(&mut self, spi: Spi) {
        self.spis.reserve(spi);
    }

    /// Child SPIs in use.
    pub fn child_spis_used(&self) -> u32 {
        self.spis.used()
    }
}

fn random<const N: usize>() -> Result<[u8; N], EnvironmentError> {
    let mut octets = [0; N];
    ravelin_crypto::random(&mut octets).map_err(|_| EnvironmentError::Random)?;
    Ok(octets)
}

impl Environment for DaemonEnvironment {
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError> {
        ravelin_crypto::random(out).map_err(|_| EnvironmentError::Random)
    }

    /// 56 random bits: two of 65,536 SPIs meet with a probability below 2^-24, and the endpoint then asks for another.
    fn ike_spi(&mut self) -> Result<u64, EnvironmentError> {
        loop {
            let random = u64::from_be_bytes(random()?) >> 8;
            let spi = u64::from(self.node.get()) << 62 | SHARD << 56 | random;
            if spi != 0 {
                return Ok(spi);
            }
        }
    }

    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError> {
        self.spis.allocate(self.now).ok_or(EnvironmentError::NoSpi)
    }

    fn release_child_spi(&mut self, spi: Spi) {
        self.spis.release(spi, self.now);
    }

    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError> {
        Ok(self.tokens.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ike_spis_carry_the_node() {
        for node in 0..4 {
            let mut environment =
                DaemonEnvironment::new(NodeId::new(node).unwrap(), Zeroizing::default()).unwrap();
            let spis: std::collections::HashSet<u64> =
                (0..100).map(|_| environment.ike_spi().unwrap()).collect();
            assert_eq!(spis.len(), 100);
            assert!(
                spis.iter()
                    .all(|spi| spi >> 62 == u64::from(node) && spi >> 56 & 0x3f == SHARD)
            );
        }
    }
}

//! Randomness and SPIs of one eNodeB. The SPIs name it, so that what comes back finds it.

use ravelin_crypto::Zeroizing;
use ravelin_ike::{Environment, EnvironmentError, TOKEN_SECRET_OCTETS};
use ravelin_types::Spi;

/// eNodeBs of one process: their numbers fill 24 bits of an SPI, of which 0 is not used.
pub const MAX_ENBS: u32 = (1 << 24) - 1;

/// Bits of an IKE SPI below the eNodeB's number.
const RANDOM_BITS: u32 = 40;
/// Bits of an ESP SPI below the eNodeB's number.
const CHILD_BITS: u32 = 8;
/// Octets of the IKE header up to its flags (RFC 7296 section 3.1).
const FLAGS_AT: usize = 19;
/// Flag I: the sender is the original initiator of the IKE SA.
const INITIATOR: u8 = 0x08;

/// The environment of one eNodeB.
pub struct EnbEnvironment {
    index: u32,
    children: u8,
}

impl EnbEnvironment {
    /// Of the eNodeB at this place, below [`MAX_ENBS`].
    pub fn new(index: u32) -> Self {
        Self { index, children: 0 }
    }
}

impl Environment for EnbEnvironment {
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError> {
        ravelin_crypto::random(out).map_err(|_| EnvironmentError::Random)
    }

    fn ike_spi(&mut self) -> Result<u64, EnvironmentError> {
        let mut octets = [0; 8];
        self.random(&mut octets)?;
        let random = u64::from_be_bytes(octets) & ((1 << RANDOM_BITS) - 1);
        Ok(u64::from(self.index + 1) << RANDOM_BITS | random)
    }

    /// 256 in turn: the same one is not in use twice, and never below 256 (RFC 4303 section 2.1).
    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError> {
        self.children = self.children.wrapping_add(1);
        Ok(Spi(
            (self.index + 1) << CHILD_BITS | u32::from(self.children)
        ))
    }

    fn release_child_spi(&mut self, _: Spi) {}

    /// An eNodeB lives as long as the program.
    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError> {
        let mut secret = Zeroizing::new([0; TOKEN_SECRET_OCTETS]);
        self.random(&mut *secret)?;
        Ok(secret)
    }
}

/// The place of the eNodeB that an ESP packet is for, by its SPI.
pub fn owner(spi: u32) -> Option<usize> {
    usize::try_from(spi >> CHILD_BITS).ok()?.checked_sub(1)
}

/// The place of the eNodeB that an IKE message is for; `None` when it is for none of ours.
pub fn addressee(message: &[u8]) -> Option<usize> {
    let ours = if message.get(FLAGS_AT)? & INITIATOR == 0 {
        message.first_chunk::<8>()?
    } else {
        message.get(8..)?.first_chunk::<8>()?
    };
    let number = u64::from_be_bytes(*ours) >> RANDOM_BITS;
    usize::try_from(number).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_find_their_enb_whoever_made_the_ike_sa() {
        for index in [0, 1, 65_535, MAX_ENBS - 1] {
            let spi = EnbEnvironment::new(index).ike_spi().unwrap().to_be_bytes();
            let theirs = [7; 8];
            let answer = [&spi[..], &theirs, &[33, 0x20, 34, 0x20]].concat();
            let request = [&theirs[..], &spi, &[46, 0x20, 37, 0x08]].concat();
            assert_eq!(addressee(&answer), Some(index as usize));
            assert_eq!(addressee(&request), Some(index as usize));
        }
        assert_eq!(owner(255), None);
        assert_eq!(addressee(&[0; 28]), None);
        assert_eq!(addressee(&[0; 19]), None);
    }

    #[test]
    fn child_spis_differ_between_enbs_and_are_not_reserved() {
        let mut all = std::collections::HashSet::new();
        for index in 0..3 {
            let mut environment = EnbEnvironment::new(index);
            for _ in 0..256 {
                let spi = environment.allocate_child_spi().unwrap();
                assert!(spi.0 >= 256);
                assert_eq!(owner(spi.0), Some(index as usize));
                assert!(all.insert(spi.0));
            }
        }
    }
}

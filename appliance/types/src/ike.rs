//! Algorithms of the IKE SA (RFC 8247) by the names of the configuration and the numbers of IANA's IKEv2 registry, and the sizes that
//! follow.
//!
//! | file | transform |
//! |---|---|
//! | `ike/encr.rs` | type 1, encryption |
//! | `ike/mac.rs` | types 2 and 3, pseudorandom function and integrity |
//! | `ike/group.rs` | type 4, key exchange; also that of a child SA with perfect forward secrecy |
//! | `ike/additional.rs` | types 6 to 12, additional key exchanges |

mod additional;
mod encr;
mod group;
mod mac;

pub use additional::{AdditionalKe, AdditionalKeError, MAX_ADDITIONAL_KE};
pub use encr::{IkeCipherMode, IkeEncr};
pub use group::{DhGroup, DhKind};
pub use mac::{IkeInteg, Prf};
use serde::{Deserialize, Serialize};

/// The algorithms of an IKE SA: an integrity algorithm exactly when the cipher has none of its own (RFC 7296 section 3.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "StoredSuite", try_from = "StoredSuite")]
pub struct IkeSuite {
    encr: IkeEncr,
    integ: Option<IkeInteg>,
    prf: Prf,
    dh: DhGroup,
    additional: AdditionalKe,
}

/// As records store it, by IANA's numbers: encryption, key bits, integrity, pseudorandom function, group; 0 where there is none.
#[derive(Serialize, Deserialize)]
struct StoredSuite([u16; 5], AdditionalKe);

/// A stored suite that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm number in a stored IKE suite")]
pub struct UnknownIkeSuite;

/// A cipher without integrity, or an AEAD with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{encr} {}", if encr.is_aead() { "has its own integrity" } else { "needs an authentication algorithm" })]
pub struct UnpairedIke {
    /// The cipher.
    pub encr: IkeEncr,
}

impl IkeSuite {
    /// Pairs a cipher with its integrity.
    ///
    /// # Errors
    /// [`UnpairedIke`].
    pub const fn new(
        encr: IkeEncr,
        integ: Option<IkeInteg>,
        prf: Prf,
        dh: DhGroup,
    ) -> Result<Self, UnpairedIke> {
        if encr.is_aead() == integ.is_none() {
            Ok(Self {
                encr,
                integ,
                prf,
                dh,
                additional: AdditionalKe::NONE,
            })
        } else {
            Err(UnpairedIke { encr })
        }
    }

    /// With key exchanges that follow the first.
    ///
    /// # Errors
    /// [`AdditionalKeError::Repeated`]: the first is among them.
    pub fn with_additional(self, additional: AdditionalKe) -> Result<Self, AdditionalKeError> {
        if additional.iter().any(|method| method == self.dh) {
            return Err(AdditionalKeError::Repeated(self.dh));
        }
        Ok(Self { additional, ..self })
    }

    /// The cipher.
    pub const fn encr(self) -> IkeEncr {
        self.encr
    }

    /// The integrity algorithm; `None` with an AEAD.
    pub const fn integ(self) -> Option<IkeInteg> {
        self.integ
    }

    /// The pseudorandom function.
    pub const fn prf(self) -> Prf {
        self.prf
    }

    /// The key exchange.
    pub const fn dh(self) -> DhGroup {
        self.dh
    }

    /// The key exchanges after it.
    pub const fn additional(self) -> AdditionalKe {
        self.additional
    }

    /// The parts that RFC 8247 forbids or advises against, by name.
    pub fn weak_parts(self) -> Vec<&'static str> {
        let integ = self.integ.filter(|integ| integ.is_weak());
        let weak_additional = self.additional.iter().filter(|method| method.is_weak());
        let parts = [
            self.encr.is_weak().then(|| self.encr.name()),
            integ.map(IkeInteg::name),
            (self.prf.is_weak() && integ.is_none()).then(|| self.prf.name()),
            self.dh.is_weak().then(|| self.dh.name()),
        ];
        let additional = weak_additional.map(DhGroup::name);
        parts.into_iter().flatten().chain(additional).collect()
    }
}

impl From<IkeSuite> for StoredSuite {
    fn from(suite: IkeSuite) -> Self {
        let (encr, bits) = suite.encr.iana();
        let integ = suite.integ.map_or(0, IkeInteg::iana);
        let (prf, dh) = (suite.prf.iana(), suite.dh.iana());
        let first = [encr, bits.unwrap_or(0), integ, prf, dh];
        StoredSuite(first, suite.additional)
    }
}

impl TryFrom<StoredSuite> for IkeSuite {
    type Error = UnknownIkeSuite;

    fn try_from(stored: StoredSuite) -> Result<Self, UnknownIkeSuite> {
        let StoredSuite([encr, bits, integ, prf, dh], additional) = stored;
        let encr = IkeEncr::from_iana(encr, (bits != 0).then_some(bits)).ok_or(UnknownIkeSuite)?;
        let integ = match integ {
            0 => None,
            id => Some(IkeInteg::from_iana(id).ok_or(UnknownIkeSuite)?),
        };
        let prf = Prf::from_iana(prf).ok_or(UnknownIkeSuite)?;
        let dh = DhGroup::from_iana(dh).ok_or(UnknownIkeSuite)?;
        let suite = Self::new(encr, integ, prf, dh).map_err(|_| UnknownIkeSuite)?;
        suite
            .with_additional(additional)
            .map_err(|_| UnknownIkeSuite)
    }
}

/// The configuration's names.
impl std::fmt::Display for IkeSuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.encr)?;
        if let Some(integ) = self.integ {
            write!(f, "/{integ}")?;
        }
        write!(f, "/{}/{}{}", self.prf, self.dh, self.additional)
    }
}

#[cfg(test)]
mod tests;

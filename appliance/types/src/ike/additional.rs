//! Additional key exchanges (RFC 9370): what follows the first one of an SA.

use super::DhGroup;
use serde::{Deserialize, Serialize};

/// The most of one SA: transform types 6 to 12 (RFC 9370 section 2.2.2).
pub const MAX_ADDITIONAL_KE: usize = 7;

/// Key exchange methods in the order of their exchanges, all different: the responder's choice "MUST NOT contain duplicated
/// algorithms" (RFC 9370 section 2.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    into = "[u16; MAX_ADDITIONAL_KE]",
    try_from = "[u16; MAX_ADDITIONAL_KE]"
)]
pub struct AdditionalKe([Option<DhGroup>; MAX_ADDITIONAL_KE]);

/// Methods that do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdditionalKeError {
    /// More than there are transform types.
    #[error("{0} additional key exchanges, {MAX_ADDITIONAL_KE} at most")]
    TooMany(usize),
    /// One method twice, or that of the first key exchange again.
    #[error("key exchange method {0} twice")]
    Repeated(DhGroup),
    /// A stored number that this version does not know.
    #[error("unknown key exchange method {0}")]
    Unknown(u16),
}

impl AdditionalKe {
    /// No additional key exchange.
    pub const NONE: Self = Self([None; MAX_ADDITIONAL_KE]);

    /// These, in this order.
    ///
    /// # Errors
    /// [`AdditionalKeError`].
    pub fn new(methods: &[DhGroup]) -> Result<Self, AdditionalKeError> {
        let mut all = [None; MAX_ADDITIONAL_KE];
        for (at, method) in methods.iter().copied().enumerate() {
            if all.contains(&Some(method)) {
                return Err(AdditionalKeError::Repeated(method));
            }
            let place = all.get_mut(at);
            *place.ok_or(AdditionalKeError::TooMany(methods.len()))? = Some(method);
        }
        Ok(Self(all))
    }

    /// In order.
    pub fn iter(self) -> impl Iterator<Item = DhGroup> {
        self.0.into_iter().flatten()
    }

    /// That of the exchange with this number, from 0.
    pub fn get(self, at: usize) -> Option<DhGroup> {
        self.0.get(at).copied().flatten()
    }

    /// How many.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

/// As records store them: IANA's numbers, 0 where there is none.
impl From<AdditionalKe> for [u16; MAX_ADDITIONAL_KE] {
    fn from(additional: AdditionalKe) -> Self {
        additional.0.map(|method| method.map_or(0, DhGroup::iana))
    }
}

impl TryFrom<[u16; MAX_ADDITIONAL_KE]> for AdditionalKe {
    type Error = AdditionalKeError;

    fn try_from(numbers: [u16; MAX_ADDITIONAL_KE]) -> Result<Self, AdditionalKeError> {
        let stored = numbers.into_iter().filter(|number| *number != 0);
        let methods: Result<Vec<_>, _> = stored
            .map(|number| DhGroup::from_iana(number).ok_or(AdditionalKeError::Unknown(number)))
            .collect();
        Self::new(&methods?)
    }
}

/// `+ml-kem-768`, once for each.
impl std::fmt::Display for AdditionalKe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.iter().try_for_each(|method| write!(f, "+{method}"))
    }
}

#[cfg(test)]
mod tests;

//! Post-quantum pre-shared keys (RFC 8784): secrets of both ends that are mixed into the keys of the IKE SA.

use ravelin_types::SecretBytes;
use serde::{Deserialize, Serialize};

/// A secret and the name by which both ends know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ppk {
    /// PPK_ID of type PPK_ID_FIXED (RFC 8784 section 5.1); no secret.
    pub id: Vec<u8>,
    /// The secret; section 6 asks for 256 bits of entropy.
    pub key: SecretBytes,
}

/// Those of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ppks {
    /// In the order of the configuration: as initiator we use the first.
    pub keys: Vec<Ppk>,
    /// No IKE SA without one.
    pub required: bool,
}

impl Ppks {
    /// The one of this identifier.
    pub fn find(&self, id: &[u8]) -> Option<&Ppk> {
        self.keys.iter().find(|known| known.id == id)
    }
}

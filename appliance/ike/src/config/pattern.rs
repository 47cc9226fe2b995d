//! Identities that only the daemon can judge: parts of distinguished names.

use std::fmt::{Debug, Display};

use ravelin_types::Identity;

/// Which identities a gateway accepts. Its text is for the log, and two of the same text are the same.
pub trait IdentityPattern: Debug + Display + Send + Sync {
    /// Whether a peer may have this identity. It is not proven yet: what it costs is bounded by
    /// [`crate::identity::MAX_IDENTITY_OCTETS`].
    fn accepts(&self, identity: &Identity) -> bool;
}

impl PartialEq for dyn IdentityPattern {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

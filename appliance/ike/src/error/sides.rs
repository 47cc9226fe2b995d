//! A failure's reason in parts, for a table: what is wrong, what the peer offered, what we accept.

use super::{Reason, method_text, pairs_text};

/// The parts of a [`Reason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// What is wrong.
    pub what: String,
    /// What the peer offered.
    pub offered: Option<String>,
    /// What the configuration accepts.
    pub accepted: Option<String>,
}

impl Reason {
    /// The parts. Where nothing was offered, the whole reason is what is wrong.
    pub fn sides(&self) -> Sides {
        let sides = |what: String, offered: String, accepted: &str| Sides {
            what,
            offered: Some(offered),
            accepted: Some(accepted.to_owned()),
        };
        match self {
            Reason::Proposal(mismatch) => sides(
                format!("no proposal chosen: {}", mismatch.what),
                mismatch.offered.clone(),
                &mismatch.accepted,
            ),
            Reason::Identity { offered, accepted } => sides(
                "the identity is not accepted".to_owned(),
                offered.clone(),
                accepted,
            ),
            Reason::UnknownPpk { offered, accepted } => sides(
                "the post-quantum pre-shared key is not known".to_owned(),
                offered.clone(),
                accepted,
            ),
            Reason::AuthMethod { offered, accepted } => sides(
                "the authentication method is not accepted".to_owned(),
                method_text(*offered),
                accepted,
            ),
            Reason::Selectors {
                offered_local,
                offered_remote,
                accepted,
            } => sides(
                "no traffic selector in common".to_owned(),
                pairs_text(offered_local, offered_remote),
                accepted,
            ),
            other => Sides {
                what: other.to_string(),
                offered: None,
                accepted: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proposal::Mismatch;

    #[test]
    fn a_reason_is_told_apart_from_what_each_side_wants() {
        let mismatch = Mismatch {
            what: "encryption",
            offered: "aes-128-cbc".to_owned(),
            accepted: "aes-256-gcm".to_owned(),
        };
        let sides = Reason::Proposal(mismatch).sides();
        assert_eq!(sides.what, "no proposal chosen: encryption");
        assert_eq!(sides.offered.as_deref(), Some("aes-128-cbc"));
        assert_eq!(sides.accepted.as_deref(), Some("aes-256-gcm"));
        let sides = Reason::WrongKey.sides();
        assert_eq!(
            (sides.what, sides.offered, sides.accepted),
            (Reason::WrongKey.to_string(), None, None)
        );
    }
}

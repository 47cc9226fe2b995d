//! Pre-shared keys: one for all peers of a gateway, or a list of them by identity.

use std::sync::Arc;

use ravelin_types::{Identity, SecretBytes};

/// Pre-shared keys of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreSharedKeys {
    /// For identities without a key of their own.
    pub default: Option<SecretBytes>,
    /// By the peer's identity. Gateways share lists, and configurations hand them on: two that are one allocation are equal at once.
    pub list: Option<Arc<KeyList>>,
}

impl PreSharedKeys {
    /// One key for all peers.
    pub fn shared(key: SecretBytes) -> Self {
        PreSharedKeys {
            default: Some(key),
            list: None,
        }
    }

    /// The key of a peer: its own, then the default.
    pub fn find(&self, identity: &Identity) -> Option<&SecretBytes> {
        let own = self.list.as_deref().and_then(|list| list.find(identity));
        own.or(self.default.as_ref())
    }
}

/// Keys by identity.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyList {
    /// Sorted; identities in the form of [`key_of`].
    keys: Vec<(Identity, SecretBytes)>,
}

impl KeyList {
    /// A list. Of two keys of one identity either may be found.
    pub fn new(keys: Vec<(Identity, SecretBytes)>) -> Self {
        let keys = keys.into_iter();
        let mut keys: Vec<_> = keys.map(|(who, key)| (key_of(&who), key)).collect();
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        KeyList { keys }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of an identity.
    pub fn find(&self, identity: &Identity) -> Option<&SecretBytes> {
        let wanted = key_of(identity);
        let found = self.keys.binary_search_by(|(who, _)| who.cmp(&wanted));
        found.ok().and_then(|at| self.keys.get(at)).map(|(_, k)| k)
    }
}

/// The same for identities that match ([`Identity::matches`]): host names and mail addresses without upper case.
pub fn key_of(identity: &Identity) -> Identity {
    match identity {
        Identity::Fqdn(name) => Identity::Fqdn(name.to_ascii_lowercase()),
        Identity::Email(name) => Identity::Email(name.to_ascii_lowercase()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_identity_then_by_default() {
        let name = |name: &str| Identity::Fqdn(name.into());
        let key = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
        let list = KeyList::new(vec![(name("b"), key("kb")), (name("A"), key("ka"))]);
        assert_eq!((list.len(), list.is_empty()), (2, false));
        let mut keys = PreSharedKeys {
            default: Some(key("all")),
            list: Some(Arc::new(list)),
        };
        assert_eq!(keys.find(&name("a")), Some(&key("ka")));
        assert_eq!(keys.find(&name("B")), Some(&key("kb")));
        assert_eq!(keys.find(&name("c")), Some(&key("all")));
        assert_eq!(keys.find(&Identity::Email("a".into())), Some(&key("all")));
        keys.default = None;
        assert_eq!(keys.find(&name("c")), None);
        assert_eq!(
            PreSharedKeys::shared(key("k")).find(&name("x")),
            Some(&key("k"))
        );
    }
}

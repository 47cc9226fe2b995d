//! Octets that must not leak: zeroized on drop, without content in `Debug`, compared in constant time.

use std::fmt;

use zeroize::Zeroizing;

/// Secret octets. It has no `PartialEq`: compare with [`Secret::ct_eq`].
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`; they are zeroized when the secret is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies `bytes`.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Octets held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing (SK_a of an AEAD suite).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Constant-time comparison over the full length; false when the lengths differ.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        ct_eq(&self.0, other)
    }

    /// Cuts the secret into consecutive secrets of `lengths` octets, or `None` when it is shorter than their sum. Octets left over
    /// are dropped.
    pub fn split<const N: usize>(&self, lengths: [usize; N]) -> Option<[Secret; N]> {
        let mut rest: &[u8] = &self.0;
        let mut parts = [const { None }; N];
        for (part, len) in parts.iter_mut().zip(lengths) {
            let (head, tail) = rest.split_at_checked(len)?;
            *part = Some(Secret::from_slice(head));
            rest = tail;
        }
        Some(parts.map(Option::unwrap_or_default))
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Constant-time comparison of two strings of octets; false when the lengths differ (the lengths themselves are not secret).
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && openssl::memcmp::eq(a, b)
}

#[cfg(test)]
mod tests;

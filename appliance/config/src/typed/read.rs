//! How values of libyang's JSON become Rust values.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret as it was typed: wiped on drop, absent from `Debug`.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// A value that is text in JSON.
pub(super) fn text<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// A value that is text in JSON, if it is there.
pub(super) fn optional<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    text(from).map(Some)
}

/// A list of values that are text in JSON.
pub(super) fn texts<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let all = Vec::<String>::deserialize(from)?;
    all.iter()
        .map(|one| one.parse().map_err(D::Error::custom))
        .collect()
}

/// A leaf of type empty: `[null]` in JSON.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Vec::<()>::deserialize(from).map(|_| true)
}

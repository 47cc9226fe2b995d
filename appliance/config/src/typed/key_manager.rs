//! `security key-manager`.

use super::read::SecretText;
use serde::Deserialize;

/// `security key-manager`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct KeyManager {
    /// `profiles`.
    #[serde(default)]
    pub profiles: Vec<KeyProfile>,
}

/// `security key-manager profiles`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KeyProfile {
    /// Name.
    pub name: String,
    /// `static`.
    #[serde(rename = "static")]
    pub fixed: StaticKey,
}

/// `static`: a key and its identifier, each in one form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StaticKey {
    /// Identifier.
    pub key_id: KeyId,
    /// The secret.
    pub key: StaticSecret,
}

/// `key-id`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyId {
    /// As text.
    pub ascii_text: Option<String>,
    /// In hexadecimal.
    pub hexadecimal: Option<String>,
}

/// `key`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StaticSecret {
    /// As text.
    pub ascii_text: Option<SecretText>,
    /// In hexadecimal.
    pub hexadecimal: Option<SecretText>,
}

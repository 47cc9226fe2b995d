//! `system`.

use super::read::SecretText;
use serde::Deserialize;

/// `system`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct System {
    /// Name of the node.
    pub host_name: Option<String>,
    /// `login`.
    #[serde(default)]
    pub login: Login,
}

/// `system login`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Login {
    /// Users, in the order of their names.
    #[serde(default)]
    pub user: Vec<User>,
}

/// `system login user`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct User {
    /// Name.
    pub name: String,
    /// Name of the person.
    pub full_name: Option<String>,
    /// `super-user`, `operator` or `read-only`.
    pub class: String,
    /// `authentication`.
    #[serde(default)]
    pub authentication: Authentication,
}

/// `system login user authentication`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Authentication {
    /// Hash of the password.
    pub encrypted_password: Option<SecretText>,
    #[serde(default)]
    ssh_ecdsa: Vec<String>,
    #[serde(default)]
    ssh_ed25519: Vec<String>,
    #[serde(default)]
    ssh_rsa: Vec<String>,
}

impl Authentication {
    /// Public keys of all kinds, as lines of `authorized_keys`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let kinds = [&self.ssh_ecdsa, &self.ssh_ed25519, &self.ssh_rsa];
        kinds.into_iter().flatten().map(String::as_str)
    }
}

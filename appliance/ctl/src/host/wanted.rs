//! What the configuration wants of the operating system: its name, its users, the management interface.

use super::DriverWish;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Version of the file; another one is not read.
pub const VERSION: u32 = 1;
/// The file's name, beside the configuration.
pub const FILE_NAME: &str = "host.json";
/// The first user id of configured users.
pub const FIRST_UID: u32 = 2000;
/// How many ids there are for configured users: many times as many as the model takes, so that none is used again soon.
pub const UIDS: u32 = 1000;

/// What `ravelin-host apply` makes true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Name of the node; the image's own when absent.
    pub host_name: Option<String>,
    /// Users, in the order of their names.
    pub users: Vec<User>,
    /// The id that was given to a user last.
    pub last_uid: u32,
    /// `fxp0`.
    pub management: Management,
    /// Drivers that the operator chose for NICs, by port; `ravelin-host prepare` takes them at the next start.
    #[serde(default)]
    pub drivers: BTreeMap<String, DriverWish>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            version: VERSION,
            host_name: None,
            users: Vec::new(),
            last_uid: FIRST_UID,
            management: Management::default(),
            drivers: BTreeMap::new(),
        }
    }
}

/// What a user may do. The order is that of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Show everything but secrets.
    ReadOnly,
    /// That, and clear and rekey.
    Operator,
    /// Everything, the shell included.
    SuperUser,
}

impl Class {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Class::ReadOnly => "read-only",
            Class::Operator => "operator",
            Class::SuperUser => "super-user",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name.
    pub name: String,
    /// User id; a user keeps it for life.
    pub uid: u32,
    /// Name of the person.
    pub full_name: Option<String>,
    /// What the user may do.
    pub class: Class,
    /// How the user logs in on the console, and over the network.
    pub password: Password,
    /// Public keys as lines of `authorized_keys`.
    pub keys: Vec<String>,
}

/// A user's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Password {
    /// None yet: the user logs in on a console, never over the network, and must set one first of all.
    Unset,
    /// No password is taken: the user has keys.
    Locked,
    /// This one.
    Hash(PasswordHash),
}

/// A password as crypt(5) stores it: wiped on drop, absent from `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(String);

/// A text that is no password hash. It is not repeated, because it may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no password hash of crypt(5) by SHA-512 ($6$) or yescrypt ($y$)")]
pub struct NoPasswordHash;

impl TryFrom<String> for PasswordHash {
    type Error = NoPasswordHash;

    fn try_from(text: String) -> Result<Self, NoPasswordHash> {
        // Wiped when it is refused.
        let hash = PasswordHash(text);
        let method = hash.0.starts_with("$6$") || hash.0.starts_with("$y$");
        let known = |c: char| c.is_ascii_alphanumeric() || "./$=".contains(c);
        if method && (20..=384).contains(&hash.0.len()) && hash.0.chars().all(known) {
            Ok(hash)
        } else {
            Err(NoPasswordHash)
        }
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> String {
        hash.0.clone()
    }
}

impl PasswordHash {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// The management interface `fxp0`, in a routing instance of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Management {
    /// Whether an IPv4 address comes by DHCP.
    pub dhcp: bool,
    /// Whether IPv6 addresses come by router advertisements and DHCPv6.
    pub dhcp_ipv6: bool,
    /// Its addresses with the lengths of their networks.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Its MTU in octets; the NIC's own when absent.
    pub mtu_octets: Option<u16>,
    /// Routes of the instance `mgmt_junos`: destination, its length, next hop.
    pub routes: Vec<(IpAddr, u8, IpAddr)>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied {
    /// What could not be made true, a line each.
    pub faults: Vec<String>,
}

#[cfg(test)]
mod tests;

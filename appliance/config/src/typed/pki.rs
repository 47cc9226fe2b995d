//! `security pki`.

use super::read::present;
use serde::Deserialize;

/// `security pki`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pki {
    /// `ca-profile`.
    #[serde(default)]
    pub ca_profile: Vec<CaProfile>,
}

/// `security pki ca-profile`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaProfile {
    /// Name.
    pub name: String,
    /// Whether certificates have been revoked.
    #[serde(default)]
    pub revocation_check: RevocationCheck,
}

/// `revocation-check`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RevocationCheck {
    /// Nobody asks.
    #[serde(default, deserialize_with = "present")]
    pub disable: bool,
    /// Responders are asked.
    #[serde(default, deserialize_with = "present")]
    pub use_ocsp: bool,
    /// What is not known is accepted.
    #[serde(default, deserialize_with = "present")]
    pub soft: bool,
    /// `crl`.
    #[serde(default)]
    pub crl: CrlSource,
    /// `ocsp`.
    #[serde(default)]
    pub ocsp: OcspSource,
}

/// `crl`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CrlSource {
    /// Where the list is.
    #[serde(default)]
    pub url: Vec<String>,
    /// Hours between fetches at most.
    pub refresh_interval: Option<u16>,
}

/// `ocsp`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OcspSource {
    /// The responder.
    pub url: Option<String>,
    /// Asked without a nonce.
    #[serde(default, deserialize_with = "present")]
    pub no_nonce: bool,
}

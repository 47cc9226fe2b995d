//! Algorithms of IKE by name, IANA number and length.
//!
//! Only what RFC 8247 marks MUST or SHOULD is here. A number that has no variant is unsupported: `from_id` answers `None` and the
//! negotiation treats the transform as unknown.

use std::fmt;

/// Pseudorandom functions (transform type 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrfAlg {
    /// PRF_HMAC_SHA2_256 (5), RFC 4868.
    HmacSha256,
    /// PRF_HMAC_SHA2_384 (6), RFC 4868.
    HmacSha384,
}

/// Encryption algorithms (transform type 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EncrAlg {
    /// ENCR_AES_CBC (12), RFC 3602.
    AesCbc {
        /// 128 or 256.
        key_bits: u16,
    },
    /// ENCR_AES_GCM_16 (20), RFC 5282.
    AesGcm16 {
        /// 128 or 256.
        key_bits: u16,
    },
}

/// Integrity algorithms (transform type 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(non_camel_case_types)] // the RFC's own names: function, then octets kept
pub enum IntegAlg {
    /// AUTH_HMAC_SHA2_256_128 (12), RFC 4868.
    HmacSha256_128,
    /// AUTH_HMAC_SHA2_384_192 (13), RFC 4868.
    HmacSha384_192,
}

/// Key exchange groups (transform type 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DhGroup {
    /// 2048-bit MODP (14), RFC 3526.
    Modp2048,
    /// 256-bit random ECP (19), RFC 5903.
    Ecp256,
    /// 384-bit random ECP (20), RFC 5903.
    Ecp384,
    /// Curve25519 (31), RFC 8031.
    Curve25519,
}

impl PrfAlg {
    /// From the IANA transform id.
    pub fn from_id(id: u16) -> Option<Self> {
        match id {
            5 => Some(Self::HmacSha256),
            6 => Some(Self::HmacSha384),
            _ => None,
        }
    }

    /// The IANA transform id.
    pub fn to_id(self) -> u16 {
        match self {
            Self::HmacSha256 => 5,
            Self::HmacSha384 => 6,
        }
    }

    /// Octets of one PRF output.
    pub fn output_octets(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
        }
    }

    /// Octets of the preferred key (SK_d, SK_pi, SK_pr); for HMAC that is the output length.
    pub fn key_octets(self) -> usize {
        self.output_octets()
    }
}

impl EncrAlg {
    /// From the IANA transform id and its Key Length attribute. Both ciphers here require the attribute.
    pub fn from_id(id: u16, key_bits: Option<u16>) -> Option<Self> {
        let key_bits = key_bits.filter(|bits| matches!(bits, 128 | 256))?;
        match id {
            12 => Some(Self::AesCbc { key_bits }),
            20 => Some(Self::AesGcm16 { key_bits }),
            _ => None,
        }
    }

    /// The IANA transform id.
    pub fn to_id(self) -> u16 {
        match self {
            Self::AesCbc { .. } => 12,
            Self::AesGcm16 { .. } => 20,
        }
    }

    /// Bits of the cipher key without salt: the Key Length attribute.
    pub fn key_bits(self) -> u16 {
        match self {
            Self::AesCbc { key_bits } | Self::AesGcm16 { key_bits } => key_bits,
        }
    }

    /// Octets of SK_e: the cipher key, and for GCM the 4-octet salt after it (RFC 5282 section 7.1).
    pub fn key_octets(self) -> usize {
        usize::from(self.key_bits() / 8) + self.salt_octets()
    }

    /// Octets of the salt at the end of SK_e: 4 for GCM, else 0.
    pub fn salt_octets(self) -> usize {
        match self {
            Self::AesCbc { .. } => 0,
            Self::AesGcm16 { .. } => 4,
        }
    }

    /// Whether the cipher authenticates, so that no integrity transform is negotiated and SK_a is empty.
    pub fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm16 { .. })
    }

    /// Octets of the explicit IV on the wire.
    pub fn iv_octets(self) -> usize {
        match self {
            Self::AesCbc { .. } => 16,
            Self::AesGcm16 { .. } => 8,
        }
    }

    /// Octets of a block that plaintext must fill: 1 for a stream mode.
    pub fn block_octets(self) -> usize {
        match self {
            Self::AesCbc { .. } => 16,
            Self::AesGcm16 { .. } => 1,
        }
    }
}

impl IntegAlg {
    /// From the IANA transform id.
    pub fn from_id(id: u16) -> Option<Self> {
        match id {
            12 => Some(Self::HmacSha256_128),
            13 => Some(Self::HmacSha384_192),
            _ => None,
        }
    }

    /// The IANA transform id.
    pub fn to_id(self) -> u16 {
        match self {
            Self::HmacSha256_128 => 12,
            Self::HmacSha384_192 => 13,
        }
    }

    /// Octets of SK_a.
    pub fn key_octets(self) -> usize {
        match self {
            Self::HmacSha256_128 => 32,
            Self::HmacSha384_192 => 48,
        }
    }

    /// Octets of the truncated check value on the wire.
    pub fn icv_octets(self) -> usize {
        self.key_octets() / 2
    }
}

impl DhGroup {
    /// From the IANA transform id.
    pub fn from_id(id: u16) -> Option<Self> {
        match id {
            14 => Some(Self::Modp2048),
            19 => Some(Self::Ecp256),
            20 => Some(Self::Ecp384),
            31 => Some(Self::Curve25519),
            _ => None,
        }
    }

    /// The IANA transform id.
    pub fn to_id(self) -> u16 {
        match self {
            Self::Modp2048 => 14,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::Curve25519 => 31,
        }
    }

    /// Octets of a public value in the KE payload (exact).
    pub fn public_octets(self) -> usize {
        match self {
            Self::Modp2048 => 256,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::Curve25519 => 32,
        }
    }

    /// Octets of the shared secret g^ir (exact, left-padded with zeros).
    pub fn shared_octets(self) -> usize {
        match self {
            Self::Modp2048 => 256,
            Self::Ecp256 | Self::Curve25519 => 32,
            Self::Ecp384 => 48,
        }
    }
}

impl fmt::Display for PrfAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "PRF_HMAC_SHA2_256",
            Self::HmacSha384 => "PRF_HMAC_SHA2_384",
        })
    }
}

impl fmt::Display for EncrAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AesCbc { key_bits } => write!(f, "AES_CBC_{key_bits}"),
            Self::AesGcm16 { key_bits } => write!(f, "AES_GCM_16_{key_bits}"),
        }
    }
}

impl fmt::Display for IntegAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256_128 => "HMAC_SHA2_256_128",
            Self::HmacSha384_192 => "HMAC_SHA2_384_192",
        })
    }
}

impl fmt::Display for DhGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modp2048 => "MODP_2048",
            Self::Ecp256 => "ECP_256",
            Self::Ecp384 => "ECP_384",
            Self::Curve25519 => "CURVE_25519",
        })
    }
}

#[cfg(test)]
mod tests;

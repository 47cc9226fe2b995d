//! Algorithms of ESP (RFC 8221) by the names of the configuration and the numbers of IANA's IKEv2 registry, and the sizes that follow.
//!
//! | family | cipher | integrity | RFC |
//! |---|---|---|---|
//! | AEAD | AES-GCM with an ICV of 8, 12 or 16 octets, ChaCha20-Poly1305 | its own | 4106, 7634 |
//! | integrity alone | AES-GMAC | its own | 4543 |
//! | separate | AES-CBC, AES-CTR, NULL | HMAC | 3602, 3686, 2410, 4868, 2404 |
//! | weak, only when it is asked for by name | DES, 3DES | HMAC-MD5, HMAC-SHA1 | 2405, 2451, 2403 |

use crate::named::named;
use serde::{Deserialize, Serialize};

named!(
    /// Encryption of ESP.
    EspEncr, "an ESP encryption algorithm", {
        /// ENCR_DES (2): broken, for old peers.
        DesCbc = "des-cbc",
        /// ENCR_3DES (3): blocks too small for today's volumes, for old peers.
        TripleDesCbc = "3des-cbc",
        /// ENCR_NULL (11): integrity alone.
        Null = "null",
        /// ENCR_NULL_AUTH_AES_GMAC (21), 128 bits: integrity alone.
        Aes128Gmac = "aes-128-gmac",
        /// ENCR_NULL_AUTH_AES_GMAC (21), 192 bits.
        Aes192Gmac = "aes-192-gmac",
        /// ENCR_NULL_AUTH_AES_GMAC (21), 256 bits.
        Aes256Gmac = "aes-256-gmac",
        /// ENCR_AES_CBC (12), 128 bits.
        Aes128Cbc = "aes-128-cbc",
        /// ENCR_AES_CBC (12), 192 bits.
        Aes192Cbc = "aes-192-cbc",
        /// ENCR_AES_CBC (12), 256 bits.
        Aes256Cbc = "aes-256-cbc",
        /// ENCR_AES_CTR (13), 128 bits.
        Aes128Ctr = "aes-128-ctr",
        /// ENCR_AES_CTR (13), 192 bits.
        Aes192Ctr = "aes-192-ctr",
        /// ENCR_AES_CTR (13), 256 bits.
        Aes256Ctr = "aes-256-ctr",
        /// ENCR_AES_GCM_8 (18), 128 bits.
        Aes128Gcm8 = "aes-128-gcm-8",
        /// ENCR_AES_GCM_8 (18), 192 bits.
        Aes192Gcm8 = "aes-192-gcm-8",
        /// ENCR_AES_GCM_8 (18), 256 bits.
        Aes256Gcm8 = "aes-256-gcm-8",
        /// ENCR_AES_GCM_12 (19), 128 bits.
        Aes128Gcm12 = "aes-128-gcm-12",
        /// ENCR_AES_GCM_12 (19), 192 bits.
        Aes192Gcm12 = "aes-192-gcm-12",
        /// ENCR_AES_GCM_12 (19), 256 bits.
        Aes256Gcm12 = "aes-256-gcm-12",
        /// ENCR_AES_GCM_16 (20), 128 bits.
        Aes128Gcm = "aes-128-gcm",
        /// ENCR_AES_GCM_16 (20), 192 bits.
        Aes192Gcm = "aes-192-gcm",
        /// ENCR_AES_GCM_16 (20), 256 bits.
        Aes256Gcm = "aes-256-gcm",
        /// ENCR_CHACHA20_POLY1305 (28).
        ChaCha20Poly1305 = "chacha20-poly1305",
    }
);

named!(
    /// Integrity of an ESP SA whose cipher has none of its own.
    EspInteg, "an ESP authentication algorithm", {
        /// AUTH_HMAC_MD5_96 (1): for old peers.
        HmacMd5_96 = "hmac-md5-96",
        /// AUTH_HMAC_SHA1_96 (2): for old peers.
        HmacSha1_96 = "hmac-sha1-96",
        /// AUTH_HMAC_SHA2_256_128 (12).
        HmacSha256_128 = "hmac-sha-256-128",
        /// AUTH_HMAC_SHA2_384_192 (13).
        HmacSha384_192 = "hmac-sha-384",
        /// AUTH_HMAC_SHA2_512_256 (14).
        HmacSha512_256 = "hmac-sha-512",
    }
);

/// What a cipher is, apart from its key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Cbc { block_octets: u8 },
    Ctr,
    Null,
    Gmac,
    Gcm { icv_octets: u8 },
    ChaCha20Poly1305,
}

impl EspEncr {
    const fn mode(self) -> Mode {
        use EspEncr as E;
        match self {
            E::DesCbc | E::TripleDesCbc => Mode::Cbc { block_octets: 8 },
            E::Aes128Cbc | E::Aes192Cbc | E::Aes256Cbc => Mode::Cbc { block_octets: 16 },
            E::Aes128Ctr | E::Aes192Ctr | E::Aes256Ctr => Mode::Ctr,
            E::Null => Mode::Null,
            E::Aes128Gmac | E::Aes192Gmac | E::Aes256Gmac => Mode::Gmac,
            E::Aes128Gcm8 | E::Aes192Gcm8 | E::Aes256Gcm8 => Mode::Gcm { icv_octets: 8 },
            E::Aes128Gcm12 | E::Aes192Gcm12 | E::Aes256Gcm12 => Mode::Gcm { icv_octets: 12 },
            E::Aes128Gcm | E::Aes192Gcm | E::Aes256Gcm => Mode::Gcm { icv_octets: 16 },
            E::ChaCha20Poly1305 => Mode::ChaCha20Poly1305,
        }
    }

    /// Octets of the cipher's key without salt.
    pub const fn key_octets(self) -> usize {
        use EspEncr as E;
        match self {
            E::Null => 0,
            E::DesCbc => 8,
            E::Aes128Gmac
            | E::Aes128Cbc
            | E::Aes128Ctr
            | E::Aes128Gcm8
            | E::Aes128Gcm12
            | E::Aes128Gcm => 16,
            E::TripleDesCbc
            | E::Aes192Gmac
            | E::Aes192Cbc
            | E::Aes192Ctr
            | E::Aes192Gcm8
            | E::Aes192Gcm12
            | E::Aes192Gcm => 24,
            E::Aes256Gmac
            | E::Aes256Cbc
            | E::Aes256Ctr
            | E::Aes256Gcm8
            | E::Aes256Gcm12
            | E::Aes256Gcm
            | E::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of the salt that follows the key in KEYMAT (RFC 4106 section 8.1, RFC 3686 section 5.1, RFC 7634 section 2).
    pub const fn salt_octets(self) -> usize {
        match self.mode() {
            Mode::Cbc { .. } | Mode::Null => 0,
            Mode::Ctr | Mode::Gmac | Mode::Gcm { .. } | Mode::ChaCha20Poly1305 => 4,
        }
    }

    /// Octets of key and salt together, as KEYMAT yields them.
    pub const fn keymat_octets(self) -> usize {
        self.key_octets() + self.salt_octets()
    }

    /// IANA transform id, and the Key Length attribute in bits for ciphers that have one (RFC 7296 section 3.3.5).
    pub fn iana(self) -> (u16, Option<u16>) {
        let bits = (self.key_octets() * 8) as u16;
        match self.mode() {
            Mode::Cbc { .. } => match self {
                EspEncr::DesCbc => (2, None),
                EspEncr::TripleDesCbc => (3, None),
                _ => (12, Some(bits)),
            },
            Mode::Ctr => (13, Some(bits)),
            Mode::Null => (11, None),
            Mode::Gmac => (21, Some(bits)),
            Mode::Gcm { icv_octets: 8 } => (18, Some(bits)),
            Mode::Gcm { icv_octets: 12 } => (19, Some(bits)),
            Mode::Gcm { .. } => (20, Some(bits)),
            Mode::ChaCha20Poly1305 => (28, None),
        }
    }

    /// From the IANA transform id and the Key Length attribute.
    pub fn from_iana(id: u16, key_bits: Option<u16>) -> Option<Self> {
        let wanted = (id, key_bits);
        Self::ALL.iter().copied().find(|one| one.iana() == wanted)
    }

    /// Whether the cipher authenticates, so that no integrity algorithm goes with it.
    pub const fn is_aead(self) -> bool {
        matches!(
            self.mode(),
            Mode::Gcm { .. } | Mode::Gmac | Mode::ChaCha20Poly1305
        )
    }

    /// Whether the payload stays readable on the wire.
    pub const fn is_cleartext(self) -> bool {
        matches!(self.mode(), Mode::Null | Mode::Gmac)
    }

    /// Whether RFC 8221 section 5 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        matches!(self, EspEncr::DesCbc | EspEncr::TripleDesCbc)
    }
}

impl EspInteg {
    /// IANA transform id.
    pub const fn iana(self) -> u16 {
        match self {
            EspInteg::HmacMd5_96 => 1,
            EspInteg::HmacSha1_96 => 2,
            EspInteg::HmacSha256_128 => 12,
            EspInteg::HmacSha384_192 => 13,
            EspInteg::HmacSha512_256 => 14,
        }
    }

    /// From the IANA transform id.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.iana() == id)
    }

    /// Octets of the key: the hash's output (RFC 4868 section 2.1.1, RFC 2403, RFC 2404).
    pub const fn key_octets(self) -> usize {
        match self {
            EspInteg::HmacMd5_96 => 16,
            EspInteg::HmacSha1_96 => 20,
            EspInteg::HmacSha256_128 => 32,
            EspInteg::HmacSha384_192 => 48,
            EspInteg::HmacSha512_256 => 64,
        }
    }

    /// Octets of the ICV on the wire.
    pub const fn icv_octets(self) -> usize {
        match self {
            EspInteg::HmacMd5_96 | EspInteg::HmacSha1_96 => 12,
            EspInteg::HmacSha256_128 => 16,
            EspInteg::HmacSha384_192 => 24,
            EspInteg::HmacSha512_256 => 32,
        }
    }

    /// Whether RFC 8221 section 6 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        matches!(self, EspInteg::HmacMd5_96 | EspInteg::HmacSha1_96)
    }
}

/// The protocol of an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IpsecProtocol {
    /// Encapsulating security payload (RFC 4303).
    #[default]
    Esp,
    /// Authentication header (RFC 4302): integrity alone, of the header's immutable fields too.
    Ah,
}

/// What an SA protects of a packet (RFC 4301 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IpsecMode {
    /// All of it, within another packet between the two ends.
    #[default]
    Tunnel,
    /// What follows its IP header: it goes between the two ends itself.
    Transport,
}

/// What an ESP SA does to a packet: a cipher, and an integrity algorithm exactly when the cipher has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    into = "(EspEncr, Option<EspInteg>)",
    try_from = "(EspEncr, Option<EspInteg>)"
)]
pub struct EspTransform {
    encr: EspEncr,
    integ: Option<EspInteg>,
}

/// A cipher without integrity, or an AEAD with another one (RFC 8221 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{encr} {}", if encr.is_aead() { "has its own integrity" } else { "needs an authentication algorithm" })]
pub struct Unpaired {
    /// The cipher.
    pub encr: EspEncr,
}

impl EspTransform {
    /// Pairs a cipher with its integrity.
    ///
    /// # Errors
    /// [`Unpaired`].
    pub const fn new(encr: EspEncr, integ: Option<EspInteg>) -> Result<Self, Unpaired> {
        if encr.is_aead() == integ.is_none() {
            Ok(Self { encr, integ })
        } else {
            Err(Unpaired { encr })
        }
    }

    /// AES-GCM with a 128-bit key and a 16-octet ICV.
    pub const AES_128_GCM: Self = Self {
        encr: EspEncr::Aes128Gcm,
        integ: None,
    };
    /// AES-GCM with a 256-bit key and a 16-octet ICV.
    pub const AES_256_GCM: Self = Self {
        encr: EspEncr::Aes256Gcm,
        integ: None,
    };

    /// Every pair, for tests and tables.
    pub fn all() -> impl Iterator<Item = Self> {
        EspEncr::ALL.iter().flat_map(|encr| {
            let integs = EspInteg::ALL.iter().copied().map(Some);
            std::iter::once(None)
                .chain(integs)
                .filter_map(|integ| Self::new(*encr, integ).ok())
        })
    }

    /// The cipher.
    pub const fn encr(self) -> EspEncr {
        self.encr
    }

    /// The integrity algorithm; `None` with an AEAD.
    pub const fn integ(self) -> Option<EspInteg> {
        self.integ
    }

    /// Octets of the explicit IV on the wire.
    pub const fn iv_octets(self) -> usize {
        match self.encr.mode() {
            Mode::Null => 0,
            Mode::Cbc { block_octets } => block_octets as usize,
            Mode::Ctr | Mode::Gmac | Mode::Gcm { .. } | Mode::ChaCha20Poly1305 => 8,
        }
    }

    /// Whether the IV must be unpredictable (RFC 3602 section 3); else it must only be unique.
    pub const fn is_iv_unpredictable(self) -> bool {
        matches!(self.encr.mode(), Mode::Cbc { .. })
    }

    /// Octets that payload, padding and trailer together must fill: the cipher's block, at least 4 (RFC 4303 section 2.4).
    pub const fn block_octets(self) -> usize {
        match self.encr.mode() {
            Mode::Cbc { block_octets } => block_octets as usize,
            _ => 4,
        }
    }

    /// Octets of the ICV on the wire.
    pub const fn icv_octets(self) -> usize {
        match (self.encr.mode(), self.integ) {
            (Mode::Gcm { icv_octets }, _) => icv_octets as usize,
            (_, Some(integ)) => integ.icv_octets(),
            (_, None) => 16,
        }
    }

    /// Octets of the keys of one direction: cipher, salt, integrity, in KEYMAT's order (RFC 7296 section 2.17).
    pub const fn keymat_octets(self) -> usize {
        let integ = match self.integ {
            Some(integ) => integ.key_octets(),
            None => 0,
        };
        self.encr.keymat_octets() + integ
    }

    /// Whether either half is weak.
    pub fn is_weak(self) -> bool {
        self.encr.is_weak() || self.integ.is_some_and(EspInteg::is_weak)
    }
}

impl From<EspTransform> for (EspEncr, Option<EspInteg>) {
    fn from(transform: EspTransform) -> Self {
        (transform.encr, transform.integ)
    }
}

impl TryFrom<(EspEncr, Option<EspInteg>)> for EspTransform {
    type Error = Unpaired;

    fn try_from((encr, integ): (EspEncr, Option<EspInteg>)) -> Result<Self, Unpaired> {
        Self::new(encr, integ)
    }
}

impl std::fmt::Display for EspTransform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.encr)?;
        self.integ.map_or(Ok(()), |integ| write!(f, "/{integ}"))
    }
}

#[cfg(test)]
mod tests;

//! Pseudorandom functions and integrity algorithms of the IKE SA.

use crate::named::named;

named!(
    /// Integrity of an IKE SA whose cipher is not an AEAD.
    IkeInteg, "an authentication algorithm", {
        /// AUTH_HMAC_MD5_96 (1), RFC 2403: for old peers.
        HmacMd5_96 = "md5",
        /// AUTH_HMAC_SHA1_96 (2), RFC 2404: for old peers.
        HmacSha1_96 = "sha1",
        /// AUTH_AES_XCBC_96 (5), RFC 3566.
        AesXcbc96 = "aes-xcbc",
        /// AUTH_AES_CMAC_96 (8), RFC 4494.
        AesCmac96 = "aes-cmac",
        /// AUTH_HMAC_SHA2_256_128 (12), RFC 4868.
        HmacSha256_128 = "sha-256",
        /// AUTH_HMAC_SHA2_384_192 (13), RFC 4868.
        HmacSha384_192 = "sha-384",
        /// AUTH_HMAC_SHA2_512_256 (14), RFC 4868.
        HmacSha512_256 = "sha-512",
    }
);

named!(
    /// Pseudorandom function of the IKE SA.
    Prf, "a pseudorandom function", {
        /// PRF_HMAC_MD5 (1), RFC 2104: for old peers.
        HmacMd5 = "md5",
        /// PRF_HMAC_SHA1 (2), RFC 2104: for old peers.
        HmacSha1 = "sha1",
        /// PRF_AES128_XCBC (4), RFC 4434.
        Aes128Xcbc = "aes-xcbc",
        /// PRF_AES128_CMAC (8), RFC 4615.
        Aes128Cmac = "aes-cmac",
        /// PRF_HMAC_SHA2_256 (5), RFC 4868.
        HmacSha256 = "sha-256",
        /// PRF_HMAC_SHA2_384 (6), RFC 4868.
        HmacSha384 = "sha-384",
        /// PRF_HMAC_SHA2_512 (7), RFC 4868.
        HmacSha512 = "sha-512",
    }
);

impl IkeInteg {
    /// IANA transform id.
    pub const fn iana(self) -> u16 {
        match self {
            IkeInteg::HmacMd5_96 => 1,
            IkeInteg::HmacSha1_96 => 2,
            IkeInteg::AesXcbc96 => 5,
            IkeInteg::AesCmac96 => 8,
            IkeInteg::HmacSha256_128 => 12,
            IkeInteg::HmacSha384_192 => 13,
            IkeInteg::HmacSha512_256 => 14,
        }
    }

    /// From the IANA transform id.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.iana() == id)
    }

    /// Octets of SK_a.
    pub const fn key_octets(self) -> usize {
        self.prf().output_octets()
    }

    /// Octets of the truncated check value on the wire.
    pub const fn icv_octets(self) -> usize {
        match self {
            IkeInteg::HmacMd5_96
            | IkeInteg::HmacSha1_96
            | IkeInteg::AesXcbc96
            | IkeInteg::AesCmac96 => 12,
            IkeInteg::HmacSha256_128 => 16,
            IkeInteg::HmacSha384_192 => 24,
            IkeInteg::HmacSha512_256 => 32,
        }
    }

    /// The pseudorandom function over the same hash or cipher, untruncated.
    pub const fn prf(self) -> Prf {
        match self {
            IkeInteg::HmacMd5_96 => Prf::HmacMd5,
            IkeInteg::HmacSha1_96 => Prf::HmacSha1,
            IkeInteg::AesXcbc96 => Prf::Aes128Xcbc,
            IkeInteg::AesCmac96 => Prf::Aes128Cmac,
            IkeInteg::HmacSha256_128 => Prf::HmacSha256,
            IkeInteg::HmacSha384_192 => Prf::HmacSha384,
            IkeInteg::HmacSha512_256 => Prf::HmacSha512,
        }
    }

    /// Whether RFC 8247 section 2.3 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        matches!(self, IkeInteg::HmacMd5_96 | IkeInteg::HmacSha1_96)
    }
}

impl Prf {
    /// IANA transform id.
    pub const fn iana(self) -> u16 {
        match self {
            Prf::HmacMd5 => 1,
            Prf::HmacSha1 => 2,
            Prf::Aes128Xcbc => 4,
            Prf::HmacSha256 => 5,
            Prf::HmacSha384 => 6,
            Prf::HmacSha512 => 7,
            Prf::Aes128Cmac => 8,
        }
    }

    /// From the IANA transform id.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.iana() == id)
    }

    /// Octets of one output.
    pub const fn output_octets(self) -> usize {
        match self {
            Prf::HmacMd5 | Prf::Aes128Xcbc | Prf::Aes128Cmac => 16,
            Prf::HmacSha1 => 20,
            Prf::HmacSha256 => 32,
            Prf::HmacSha384 => 48,
            Prf::HmacSha512 => 64,
        }
    }

    /// Octets of the preferred key (SK_d, SK_pi, SK_pr): the output's length (RFC 7296 section 2.13).
    pub const fn key_octets(self) -> usize {
        self.output_octets()
    }

    /// Whether SKEYSEED is keyed with the first half of the key's octets from each nonce instead of both whole nonces (RFC 7296 section
    /// 2.14, for functions that were made for keys of one length).
    pub const fn has_fixed_key(self) -> bool {
        matches!(self, Prf::Aes128Xcbc | Prf::Aes128Cmac)
    }

    /// Whether RFC 8247 section 2.2 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        matches!(self, Prf::HmacMd5 | Prf::HmacSha1)
    }
}

//! Algorithms by the names of the configuration and the numbers of IANA's IKEv2 registry.

/// Declares an algorithm enum with its configuration names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, strongest last.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name in the configuration.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.name()) }
        }

        impl std::str::FromStr for $name {
            type Err = crate::ParseError;

            fn from_str(text: &str) -> Result<Self, crate::ParseError> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| crate::ParseError::new(text, $wanted))
            }
        }
    };
}
pub(crate) use named;

named!(
    /// Encryption of the IKE SA.
    IkeEncr, "an IKE encryption algorithm", {
        /// ENCR_AES_CBC (12), 256 bits; needs an integrity algorithm.
        Aes256Cbc = "aes-256-cbc",
        /// ENCR_AES_GCM_16 (20), 128 bits.
        Aes128Gcm = "aes-128-gcm",
        /// ENCR_AES_GCM_16 (20), 256 bits.
        Aes256Gcm = "aes-256-gcm",
    }
);

named!(
    /// Integrity of an IKE SA whose cipher is not an AEAD.
    IkeInteg, "an authentication algorithm", {
        /// AUTH_HMAC_SHA2_256_128 (12).
        Sha256 = "sha-256",
        /// AUTH_HMAC_SHA2_384_192 (13).
        Sha384 = "sha-384",
    }
);

named!(
    /// Pseudo-random function of the IKE SA.
    Prf, "a pseudo-random function", {
        /// PRF_HMAC_SHA2_256 (5).
        Sha256 = "sha-256",
        /// PRF_HMAC_SHA2_384 (6).
        Sha384 = "sha-384",
    }
);

named!(
    /// Key exchange method.
    DhGroup, "a Diffie-Hellman group", {
        /// 2048-bit MODP (14).
        Group14 = "group14",
        /// 256-bit random ECP (19).
        Group19 = "group19",
        /// 384-bit random ECP (20).
        Group20 = "group20",
        /// Curve25519 (31).
        Group31 = "group31",
    }
);

impl IkeEncr {
    /// IANA transform id and key length in bits.
    pub fn iana(self) -> (u16, u16) {
        match self {
            IkeEncr::Aes256Cbc => (12, 256),
            IkeEncr::Aes128Gcm => (20, 128),
            IkeEncr::Aes256Gcm => (20, 256),
        }
    }
}

impl IkeInteg {
    /// IANA transform id.
    pub fn iana(self) -> u16 {
        match self {
            IkeInteg::Sha256 => 12,
            IkeInteg::Sha384 => 13,
        }
    }
}

impl Prf {
    /// IANA transform id.
    pub fn iana(self) -> u16 {
        match self {
            Prf::Sha256 => 5,
            Prf::Sha384 => 6,
        }
    }
}

impl DhGroup {
    /// IANA transform id.
    pub fn iana(self) -> u16 {
        match self {
            DhGroup::Group14 => 14,
            DhGroup::Group19 => 19,
            DhGroup::Group20 => 20,
            DhGroup::Group31 => 31,
        }
    }
}

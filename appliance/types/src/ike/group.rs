//! Key exchange methods.

use crate::named::named;

named!(
    /// Key exchange method.
    DhGroup, "a Diffie-Hellman group", {
        /// 768-bit MODP (1), RFC 2409: broken, for old peers.
        Modp768 = "group1",
        /// 1024-bit MODP (2), RFC 2409: for old peers.
        Modp1024 = "group2",
        /// 1536-bit MODP (5), RFC 3526: for old peers.
        Modp1536 = "group5",
        /// 2048-bit MODP (14), RFC 3526.
        Modp2048 = "group14",
        /// 3072-bit MODP (15), RFC 3526.
        Modp3072 = "group15",
        /// 4096-bit MODP (16), RFC 3526.
        Modp4096 = "group16",
        /// 6144-bit MODP (17), RFC 3526.
        Modp6144 = "group17",
        /// 8192-bit MODP (18), RFC 3526.
        Modp8192 = "group18",
        /// 256-bit random ECP (19), NIST P-256, RFC 5903.
        Ecp256 = "group19",
        /// 384-bit random ECP (20), NIST P-384, RFC 5903.
        Ecp384 = "group20",
        /// 521-bit random ECP (21), NIST P-521, RFC 5903.
        Ecp521 = "group21",
        /// 1024-bit MODP with a subgroup of 160 bits (22), RFC 5114: for old peers.
        Modp1024s160 = "group22",
        /// 2048-bit MODP with a subgroup of 224 bits (23), RFC 5114: for old peers.
        Modp2048s224 = "group23",
        /// 2048-bit MODP with a subgroup of 256 bits (24), RFC 5114: for old peers.
        Modp2048s256 = "group24",
        /// 224-bit Brainpool (27), RFC 6954.
        Brainpool224 = "group27",
        /// 256-bit Brainpool (28), RFC 6954.
        Brainpool256 = "group28",
        /// 384-bit Brainpool (29), RFC 6954.
        Brainpool384 = "group29",
        /// 512-bit Brainpool (30), RFC 6954.
        Brainpool512 = "group30",
        /// Curve25519 (31), RFC 8031.
        Curve25519 = "group31",
        /// Curve448 (32), RFC 8031.
        Curve448 = "group32",
        /// ML-KEM-512 (35), FIPS 203.
        MlKem512 = "ml-kem-512",
        /// ML-KEM-768 (36), FIPS 203.
        MlKem768 = "ml-kem-768",
        /// ML-KEM-1024 (37), FIPS 203.
        MlKem1024 = "ml-kem-1024",
    }
);

/// What a group is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhKind {
    /// Integers modulo a prime.
    Modp {
        /// Octets of the prime.
        octets: usize,
    },
    /// A curve whose public values are both coordinates.
    Ecp {
        /// Octets of one coordinate.
        octets: usize,
    },
    /// A curve whose public values are one coordinate (RFC 7748).
    Montgomery {
        /// Octets of it.
        octets: usize,
    },
    /// A key encapsulation mechanism (FIPS 203, draft-ietf-ipsecme-ikev2-mlkem): its two values differ.
    Kem {
        /// Octets of the encapsulation key, which the initiator sends.
        key: usize,
        /// Octets of the ciphertext, which the responder sends.
        ciphertext: usize,
    },
}

/// Octets of the shared secret of ML-KEM (FIPS 203 section 8).
const KEM_SHARED_OCTETS: usize = 32;

impl DhGroup {
    /// Kind and size.
    pub const fn kind(self) -> DhKind {
        use DhGroup as G;
        match self {
            G::Modp768 => DhKind::Modp { octets: 96 },
            G::Modp1024 | G::Modp1024s160 => DhKind::Modp { octets: 128 },
            G::Modp1536 => DhKind::Modp { octets: 192 },
            G::Modp2048 | G::Modp2048s224 | G::Modp2048s256 => DhKind::Modp { octets: 256 },
            G::Modp3072 => DhKind::Modp { octets: 384 },
            G::Modp4096 => DhKind::Modp { octets: 512 },
            G::Modp6144 => DhKind::Modp { octets: 768 },
            G::Modp8192 => DhKind::Modp { octets: 1024 },
            G::Brainpool224 => DhKind::Ecp { octets: 28 },
            G::Ecp256 | G::Brainpool256 => DhKind::Ecp { octets: 32 },
            G::Ecp384 | G::Brainpool384 => DhKind::Ecp { octets: 48 },
            G::Brainpool512 => DhKind::Ecp { octets: 64 },
            G::Ecp521 => DhKind::Ecp { octets: 66 },
            G::Curve25519 => DhKind::Montgomery { octets: 32 },
            G::Curve448 => DhKind::Montgomery { octets: 56 },
            G::MlKem512 => DhKind::Kem {
                key: 800,
                ciphertext: 768,
            },
            G::MlKem768 => DhKind::Kem {
                key: 1184,
                ciphertext: 1088,
            },
            G::MlKem1024 => DhKind::Kem {
                key: 1568,
                ciphertext: 1568,
            },
        }
    }

    /// IANA transform id.
    pub const fn iana(self) -> u16 {
        use DhGroup as G;
        match self {
            G::Modp768 => 1,
            G::Modp1024 => 2,
            G::Modp1536 => 5,
            G::Modp2048 => 14,
            G::Modp3072 => 15,
            G::Modp4096 => 16,
            G::Modp6144 => 17,
            G::Modp8192 => 18,
            G::Ecp256 => 19,
            G::Ecp384 => 20,
            G::Ecp521 => 21,
            G::Modp1024s160 => 22,
            G::Modp2048s224 => 23,
            G::Modp2048s256 => 24,
            G::Brainpool224 => 27,
            G::Brainpool256 => 28,
            G::Brainpool384 => 29,
            G::Brainpool512 => 30,
            G::Curve25519 => 31,
            G::Curve448 => 32,
            G::MlKem512 => 35,
            G::MlKem768 => 36,
            G::MlKem1024 => 37,
        }
    }

    /// From the IANA transform id.
    pub fn from_iana(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.iana() == id)
    }

    /// Octets of the initiator's value in the payload KE (exact).
    pub const fn public_octets(self) -> usize {
        match self.kind() {
            DhKind::Modp { octets } | DhKind::Montgomery { octets } => octets,
            DhKind::Ecp { octets } => 2 * octets,
            DhKind::Kem { key, .. } => key,
        }
    }

    /// Octets of the responder's value in the payload KE (exact).
    pub const fn answer_octets(self) -> usize {
        match self.kind() {
            DhKind::Kem { ciphertext, .. } => ciphertext,
            _ => self.public_octets(),
        }
    }

    /// Octets of the shared secret (exact; that of a group padded with zeros in front).
    pub const fn shared_octets(self) -> usize {
        match self.kind() {
            DhKind::Modp { octets } | DhKind::Montgomery { octets } | DhKind::Ecp { octets } => {
                octets
            }
            DhKind::Kem { .. } => KEM_SHARED_OCTETS,
        }
    }

    /// Whether RFC 8247 section 2.4 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        use DhGroup as G;
        matches!(
            self,
            G::Modp768
                | G::Modp1024
                | G::Modp1536
                | G::Modp1024s160
                | G::Modp2048s224
                | G::Modp2048s256
        )
    }
}

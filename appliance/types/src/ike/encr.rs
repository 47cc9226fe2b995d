//! Encryption of the IKE SA: what protects the payload SK.

use crate::named::named;

named!(
    /// Encryption of the IKE SA.
    IkeEncr, "an IKE encryption algorithm", {
        /// ENCR_DES (2): broken, for old peers.
        DesCbc = "des-cbc",
        /// ENCR_3DES (3): for old peers.
        TripleDesCbc = "3des-cbc",
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
        /// ENCR_AES_CCM_8 (14), 128 bits.
        Aes128Ccm8 = "aes-128-ccm-8",
        /// ENCR_AES_CCM_8 (14), 192 bits.
        Aes192Ccm8 = "aes-192-ccm-8",
        /// ENCR_AES_CCM_8 (14), 256 bits.
        Aes256Ccm8 = "aes-256-ccm-8",
        /// ENCR_AES_CCM_12 (15), 128 bits.
        Aes128Ccm12 = "aes-128-ccm-12",
        /// ENCR_AES_CCM_12 (15), 192 bits.
        Aes192Ccm12 = "aes-192-ccm-12",
        /// ENCR_AES_CCM_12 (15), 256 bits.
        Aes256Ccm12 = "aes-256-ccm-12",
        /// ENCR_AES_CCM_16 (16), 128 bits.
        Aes128Ccm = "aes-128-ccm",
        /// ENCR_AES_CCM_16 (16), 192 bits.
        Aes192Ccm = "aes-192-ccm",
        /// ENCR_AES_CCM_16 (16), 256 bits.
        Aes256Ccm = "aes-256-ccm",
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

/// What a cipher is, apart from its key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IkeCipherMode {
    /// RFC 2405, RFC 2451, RFC 3602.
    Cbc {
        /// 8 or 16.
        block_octets: u8,
    },
    /// RFC 5930.
    Ctr,
    /// RFC 5282.
    Ccm {
        /// 8, 12 or 16.
        icv_octets: u8,
    },
    /// RFC 5282.
    Gcm {
        /// 8, 12 or 16.
        icv_octets: u8,
    },
    /// RFC 7634.
    ChaCha20Poly1305,
}

impl IkeEncr {
    /// The mode.
    pub const fn mode(self) -> IkeCipherMode {
        use IkeCipherMode as M;
        use IkeEncr as E;
        match self {
            E::DesCbc | E::TripleDesCbc => M::Cbc { block_octets: 8 },
            E::Aes128Cbc | E::Aes192Cbc | E::Aes256Cbc => M::Cbc { block_octets: 16 },
            E::Aes128Ctr | E::Aes192Ctr | E::Aes256Ctr => M::Ctr,
            E::Aes128Ccm8 | E::Aes192Ccm8 | E::Aes256Ccm8 => M::Ccm { icv_octets: 8 },
            E::Aes128Ccm12 | E::Aes192Ccm12 | E::Aes256Ccm12 => M::Ccm { icv_octets: 12 },
            E::Aes128Ccm | E::Aes192Ccm | E::Aes256Ccm => M::Ccm { icv_octets: 16 },
            E::Aes128Gcm8 | E::Aes192Gcm8 | E::Aes256Gcm8 => M::Gcm { icv_octets: 8 },
            E::Aes128Gcm12 | E::Aes192Gcm12 | E::Aes256Gcm12 => M::Gcm { icv_octets: 12 },
            E::Aes128Gcm | E::Aes192Gcm | E::Aes256Gcm => M::Gcm { icv_octets: 16 },
            E::ChaCha20Poly1305 => M::ChaCha20Poly1305,
        }
    }

    /// Octets of the cipher's key without salt.
    pub const fn cipher_key_octets(self) -> usize {
        use IkeEncr as E;
        match self {
            E::DesCbc => 8,
            E::Aes128Cbc
            | E::Aes128Ctr
            | E::Aes128Ccm8
            | E::Aes128Ccm12
            | E::Aes128Ccm
            | E::Aes128Gcm8
            | E::Aes128Gcm12
            | E::Aes128Gcm => 16,
            E::TripleDesCbc
            | E::Aes192Cbc
            | E::Aes192Ctr
            | E::Aes192Ccm8
            | E::Aes192Ccm12
            | E::Aes192Ccm
            | E::Aes192Gcm8
            | E::Aes192Gcm12
            | E::Aes192Gcm => 24,
            E::Aes256Cbc
            | E::Aes256Ctr
            | E::Aes256Ccm8
            | E::Aes256Ccm12
            | E::Aes256Ccm
            | E::Aes256Gcm8
            | E::Aes256Gcm12
            | E::Aes256Gcm
            | E::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of the salt at the end of SK_e (RFC 5282 section 7.1, RFC 5930 section 3, RFC 7634 section 2).
    pub const fn salt_octets(self) -> usize {
        match self.mode() {
            IkeCipherMode::Cbc { .. } => 0,
            IkeCipherMode::Ccm { .. } => 3,
            IkeCipherMode::Ctr | IkeCipherMode::Gcm { .. } | IkeCipherMode::ChaCha20Poly1305 => 4,
        }
    }

    /// Octets of SK_e: key and salt.
    pub const fn key_octets(self) -> usize {
        self.cipher_key_octets() + self.salt_octets()
    }

    /// Octets of the explicit IV on the wire.
    pub const fn iv_octets(self) -> usize {
        match self.mode() {
            IkeCipherMode::Cbc { block_octets } => block_octets as usize,
            _ => 8,
        }
    }

    /// Octets of a block that plaintext must fill: 1 for a stream mode.
    pub const fn block_octets(self) -> usize {
        match self.mode() {
            IkeCipherMode::Cbc { block_octets } => block_octets as usize,
            _ => 1,
        }
    }

    /// Octets of an AEAD's own check value; `None` when the cipher has none.
    pub const fn icv_octets(self) -> Option<usize> {
        match self.mode() {
            IkeCipherMode::Cbc { .. } | IkeCipherMode::Ctr => None,
            IkeCipherMode::Ccm { icv_octets } | IkeCipherMode::Gcm { icv_octets } => {
                Some(icv_octets as usize)
            }
            IkeCipherMode::ChaCha20Poly1305 => Some(16),
        }
    }

    /// Whether the cipher authenticates, so that no integrity transform is negotiated and SK_a is empty.
    pub const fn is_aead(self) -> bool {
        self.icv_octets().is_some()
    }

    /// Whether the IV must be unpredictable (RFC 3602 section 3); else it must only be unique.
    pub const fn is_iv_unpredictable(self) -> bool {
        matches!(self.mode(), IkeCipherMode::Cbc { .. })
    }

    /// IANA transform id, and the Key Length attribute in bits for ciphers that have one (RFC 7296 section 3.3.5).
    pub fn iana(self) -> (u16, Option<u16>) {
        let bits = (self.cipher_key_octets() * 8) as u16;
        let id = match self.mode() {
            IkeCipherMode::Cbc { block_octets: 8 } if self.cipher_key_octets() == 8 => {
                return (2, None);
            }
            IkeCipherMode::Cbc { block_octets: 8 } => return (3, None),
            IkeCipherMode::ChaCha20Poly1305 => return (28, None),
            IkeCipherMode::Cbc { .. } => 12,
            IkeCipherMode::Ctr => 13,
            IkeCipherMode::Ccm { icv_octets: 8 } => 14,
            IkeCipherMode::Ccm { icv_octets: 12 } => 15,
            IkeCipherMode::Ccm { .. } => 16,
            IkeCipherMode::Gcm { icv_octets: 8 } => 18,
            IkeCipherMode::Gcm { icv_octets: 12 } => 19,
            IkeCipherMode::Gcm { .. } => 20,
        };
        (id, Some(bits))
    }

    /// From the IANA transform id and the Key Length attribute.
    pub fn from_iana(id: u16, key_bits: Option<u16>) -> Option<Self> {
        let wanted = (id, key_bits);
        Self::ALL.iter().copied().find(|one| one.iana() == wanted)
    }

    /// Whether RFC 8247 section 2.1 forbids or advises against it.
    pub const fn is_weak(self) -> bool {
        matches!(self, IkeEncr::DesCbc | IkeEncr::TripleDesCbc)
    }
}

//! The proposals behind the names of `proposal-set`, the preferred first.
//!
//! | set | source |
//! |---|---|
//! | `standard` | what RFC 8247 and RFC 8221 require or recommend with an AEAD |
//! | `compatible` | the same, then with separate integrity and a MODP group |
//! | `3gpp` | 3GPP TS 33.210 section 5.4 and 5.3 (IKEv2 and ESP profiles, to which TS 33.310 refers), without what it keeps for old peers |
//! | `suiteb-gcm-128`, `suiteb-gcm-256` | RFC 6379 section 3.1 and 3.2 |
//! | `post-quantum` | draft-ietf-ipsecme-ikev2-mlkem section 2.2: ML-KEM after a group of today; keys of 256 bits |

use ravelin_types::{DhGroup, EspEncr, EspInteg, IkeEncr, IkeInteg, Prf};

type Ike = (IkeEncr, Option<IkeInteg>, Prf, DhGroup);
type Esp = (EspEncr, Option<EspInteg>);

const IKE_STANDARD: &[Ike] = &[
    (IkeEncr::Aes256Gcm, None, Prf::HmacSha384, DhGroup::Ecp384),
    (
        IkeEncr::Aes256Gcm,
        None,
        Prf::HmacSha256,
        DhGroup::Curve25519,
    ),
    (IkeEncr::Aes256Gcm, None, Prf::HmacSha256, DhGroup::Ecp256),
    (IkeEncr::Aes128Gcm, None, Prf::HmacSha256, DhGroup::Ecp256),
];

const IKE_COMPATIBLE: &[Ike] = &[
    (IkeEncr::Aes256Cbc, SHA256, Prf::HmacSha256, DhGroup::Ecp256),
    (
        IkeEncr::Aes256Cbc,
        SHA256,
        Prf::HmacSha256,
        DhGroup::Modp2048,
    ),
    (
        IkeEncr::Aes128Cbc,
        SHA256,
        Prf::HmacSha256,
        DhGroup::Modp2048,
    ),
];

const IKE_3GPP: &[Ike] = &[
    (IkeEncr::Aes256Gcm, None, Prf::HmacSha384, DhGroup::Ecp384),
    (IkeEncr::Aes128Gcm, None, Prf::HmacSha256, DhGroup::Ecp256),
    (IkeEncr::Aes128Cbc, SHA256, Prf::HmacSha256, DhGroup::Ecp256),
    (
        IkeEncr::Aes128Cbc,
        SHA256,
        Prf::HmacSha256,
        DhGroup::Modp2048,
    ),
];

const IKE_SUITE_B_128: &[Ike] = &[(IkeEncr::Aes128Cbc, SHA256, Prf::HmacSha256, DhGroup::Ecp256)];

const IKE_SUITE_B_256: &[Ike] = &[(
    IkeEncr::Aes256Cbc,
    Some(IkeInteg::HmacSha384_192),
    Prf::HmacSha384,
    DhGroup::Ecp384,
)];

const IKE_POST_QUANTUM: &[Ike] = &[(
    IkeEncr::Aes256Gcm,
    None,
    Prf::HmacSha384,
    DhGroup::Curve25519,
)];

const SHA256: Option<IkeInteg> = Some(IkeInteg::HmacSha256_128);

const ESP_GCM: &[Esp] = &[(EspEncr::Aes256Gcm, None), (EspEncr::Aes128Gcm, None)];

const ESP_COMPATIBLE: &[Esp] = &[
    (EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)),
    (EspEncr::Aes128Cbc, Some(EspInteg::HmacSha256_128)),
];

const ESP_3GPP: &[Esp] = &[(EspEncr::Aes128Cbc, Some(EspInteg::HmacSha256_128))];

/// The algorithms of IKE SAs. An unknown name, which the model excludes, has none.
pub(super) fn ike(name: &str) -> Vec<Ike> {
    match name {
        "standard" => IKE_STANDARD.to_vec(),
        "compatible" => [IKE_STANDARD, IKE_COMPATIBLE].concat(),
        "3gpp" => IKE_3GPP.to_vec(),
        "suiteb-gcm-128" => IKE_SUITE_B_128.to_vec(),
        "suiteb-gcm-256" => IKE_SUITE_B_256.to_vec(),
        "post-quantum" => IKE_POST_QUANTUM.to_vec(),
        _ => Vec::new(),
    }
}

/// The key exchanges after the first one.
pub(super) fn additional(name: &str) -> &'static [DhGroup] {
    match name {
        "post-quantum" => &[DhGroup::MlKem768],
        _ => &[],
    }
}

/// The algorithms of ESP.
pub(super) fn esp(name: &str) -> Vec<Esp> {
    match name {
        "standard" => ESP_GCM.to_vec(),
        "compatible" => [ESP_GCM, ESP_COMPATIBLE].concat(),
        "3gpp" => [ESP_GCM, ESP_3GPP].concat(),
        "suiteb-gcm-128" => vec![(EspEncr::Aes128Gcm, None)],
        "suiteb-gcm-256" | "post-quantum" => vec![(EspEncr::Aes256Gcm, None)],
        _ => Vec::new(),
    }
}

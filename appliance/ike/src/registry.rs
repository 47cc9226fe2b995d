//! Names of IANA's registry "Internet Key Exchange Version 2 (IKEv2) Parameters", for the lines that tell why a negotiation failed:
//! what a peer offers may be anything, so these are more than what we have.

mod notification;

use crate::msg::sa::{Transform, transform};

pub(crate) use notification::{error_name, notification};

/// The name of a transform type.
pub(crate) fn type_name(kind: u8) -> &'static str {
    match kind {
        transform::ENCR => "encryption",
        transform::INTEG => "integrity",
        transform::PRF => "pseudorandom function",
        transform::DH => "key exchange group",
        transform::ESN => "extended sequence numbers",
        transform::ADDKE1..=transform::ADDKE7 => "additional key exchange",
        _ => "transform",
    }
}

/// A transform by the name operators know, or by its number.
pub(crate) fn transform_name(t: &Transform) -> String {
    let Ok(bits) = t.key_bits() else {
        return format!("transform {}/{} with unknown attributes", t.kind, t.id);
    };
    match (name(t.kind, t.id), bits) {
        (Some(name), Some(bits)) => format!("{name}_{bits}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(bits)) => format!("{} {} ({bits} bits)", type_name(t.kind), t.id),
        (None, None) => format!("{} {}", type_name(t.kind), t.id),
    }
}

fn name(kind: u8, id: u16) -> Option<&'static str> {
    match kind {
        transform::ENCR => encryption(id),
        transform::PRF => function(id),
        transform::INTEG => integrity(id),
        transform::DH | transform::ADDKE1..=transform::ADDKE7 => group(id),
        transform::ESN if id == 0 => Some("no ESN"),
        transform::ESN if id == 1 => Some("ESN"),
        _ => None,
    }
}

/// The name of an authentication method.
pub(crate) fn method_name(method: u8) -> Option<&'static str> {
    Some(match method {
        1 => "RSA signature",
        2 => "pre-shared key",
        3 => "DSS signature",
        9 => "ECDSA-256",
        10 => "ECDSA-384",
        11 => "ECDSA-521",
        12 => "secure password",
        13 => "NULL",
        14 => "digital signature",
        _ => return None,
    })
}

fn encryption(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "DES_IV64",
        2 => "DES",
        3 => "3DES",
        4 => "RC5",
        5 => "IDEA",
        6 => "CAST",
        7 => "BLOWFISH",
        11 => "NULL",
        12 => "AES_CBC",
        13 => "AES_CTR",
        14 => "AES_CCM_8",
        15 => "AES_CCM_12",
        16 => "AES_CCM_16",
        18 => "AES_GCM_8",
        19 => "AES_GCM_12",
        20 => "AES_GCM_16",
        21 => "NULL_AUTH_AES_GMAC",
        23 => "CAMELLIA_CBC",
        24 => "CAMELLIA_CTR",
        25 => "CAMELLIA_CCM_8",
        26 => "CAMELLIA_CCM_12",
        27 => "CAMELLIA_CCM_16",
        28 => "CHACHA20_POLY1305",
        29 => "AES_CCM_8_IIV",
        30 => "AES_GCM_16_IIV",
        31 => "CHACHA20_POLY1305_IIV",
        _ => return None,
    })
}

fn function(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "PRF_HMAC_MD5",
        2 => "PRF_HMAC_SHA1",
        3 => "PRF_HMAC_TIGER",
        4 => "PRF_AES128_XCBC",
        5 => "PRF_HMAC_SHA2_256",
        6 => "PRF_HMAC_SHA2_384",
        7 => "PRF_HMAC_SHA2_512",
        8 => "PRF_AES128_CMAC",
        _ => return None,
    })
}

fn integrity(id: u16) -> Option<&'static str> {
    Some(match id {
        0 => "NONE",
        1 => "HMAC_MD5_96",
        2 => "HMAC_SHA1_96",
        3 => "DES_MAC",
        4 => "KPDK_MD5",
        5 => "AES_XCBC_96",
        6 => "HMAC_MD5_128",
        7 => "HMAC_SHA1_160",
        8 => "AES_CMAC_96",
        9 => "AES_128_GMAC",
        10 => "AES_192_GMAC",
        11 => "AES_256_GMAC",
        12 => "HMAC_SHA2_256_128",
        13 => "HMAC_SHA2_384_192",
        14 => "HMAC_SHA2_512_256",
        _ => return None,
    })
}

/// A key exchange method by its name, or by its number.
pub(crate) fn group_name(id: u16) -> String {
    group(id).map_or_else(
        || format!("{} {id}", type_name(transform::DH)),
        str::to_owned,
    )
}

fn group(id: u16) -> Option<&'static str> {
    Some(match id {
        0 => "NONE",
        1 => "MODP_768",
        2 => "MODP_1024",
        5 => "MODP_1536",
        14 => "MODP_2048",
        15 => "MODP_3072",
        16 => "MODP_4096",
        17 => "MODP_6144",
        18 => "MODP_8192",
        19 => "ECP_256",
        20 => "ECP_384",
        21 => "ECP_521",
        22 => "MODP_1024_S160",
        23 => "MODP_2048_S224",
        24 => "MODP_2048_S256",
        25 => "ECP_192",
        26 => "ECP_224",
        27 => "BRAINPOOL_P224R1",
        28 => "BRAINPOOL_P256R1",
        29 => "BRAINPOOL_P384R1",
        30 => "BRAINPOOL_P512R1",
        31 => "CURVE_25519",
        32 => "CURVE_448",
        35 => "ML_KEM_512",
        36 => "ML_KEM_768",
        37 => "ML_KEM_1024",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ravelin_types::{DhGroup, EspEncr, EspInteg, IkeEncr, IkeInteg, Prf};

    #[test]
    fn all_that_we_have_has_a_name() {
        let encr = IkeEncr::ALL.iter().map(|e| e.iana().0);
        for id in encr.chain(EspEncr::ALL.iter().map(|e| e.iana().0)) {
            assert!(name(transform::ENCR, id).is_some(), "{id}");
        }
        let integ = IkeInteg::ALL.iter().map(|i| i.iana());
        for id in integ.chain(EspInteg::ALL.iter().map(|i| i.iana())) {
            assert!(name(transform::INTEG, id).is_some(), "{id}");
        }
        for prf in Prf::ALL {
            assert!(name(transform::PRF, prf.iana()).is_some(), "{prf}");
        }
        for dh in DhGroup::ALL {
            assert!(name(transform::DH, dh.iana()).is_some(), "{dh}");
        }
    }

    #[test]
    fn what_has_no_name_is_told_by_its_number() {
        let keyed = Transform::keyed(transform::ENCR, 20, 192);
        assert_eq!(transform_name(&keyed), "AES_GCM_16_192");
        let unknown = Transform::plain(transform::DH, 1023);
        assert_eq!(transform_name(&unknown), "key exchange group 1023");
        let odd = Transform::keyed(transform::ENCR, 99, 128);
        assert_eq!(transform_name(&odd), "encryption 99 (128 bits)");
    }
}

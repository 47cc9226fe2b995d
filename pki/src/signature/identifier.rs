//! The AlgorithmIdentifier of method 14 (RFC 7427 section 3 and appendix A), by exact octets: an encoding that is not in the table is
//! refused, so nothing is parsed.
//!
//! Of RSASSA-PSS several encodings are in use. DER leaves out the trailer field, which has its default value, while the examples of RFC
//! 7427 and OpenBSD's iked spell it out; and the parameters of a hash may be NULL or absent (RFC 4055 section 2.1). All are accepted,
//! DER with NULL is sent.

use super::Scheme;
use crate::algorithm::Hash;
use crate::der::{INTEGER, OID, SEQUENCE, constructed, element};

const NULL: &[u8] = &[0x05, 0x00];
/// 1.2.840.113549.1.1, 1.2.840.10045.4, 2.16.840.1.101.3.4.2.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
const NIST_HASHES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
const HASHES: [Hash; 4] = [Hash::Sha256, Hash::Sha384, Hash::Sha512, Hash::Sha1];

/// The identifier of a scheme of method 14, `None` for the other methods.
pub(super) fn encode(scheme: Scheme) -> Option<Vec<u8>> {
    Some(match scheme {
        Scheme::Rsa(_) | Scheme::Ecdsa(_) => return None,
        Scheme::DigitalRsaPkcs1(hash) => {
            let last = match hash {
                Hash::Sha1 => 5,
                Hash::Sha256 => 11,
                Hash::Sha384 => 12,
                Hash::Sha512 => 13,
            };
            algorithm(PKCS1, &[last], NULL)
        }
        Scheme::DigitalEcdsa(hash) => {
            let last: &[u8] = match hash {
                Hash::Sha1 => &[1],
                Hash::Sha256 => &[3, 2],
                Hash::Sha384 => &[3, 3],
                Hash::Sha512 => &[3, 4],
            };
            algorithm(ECDSA, last, &[])
        }
        // The defaults of all parameters.
        Scheme::DigitalRsaPss(Hash::Sha1) => algorithm(PKCS1, &[10], &[SEQUENCE, 0]),
        Scheme::DigitalRsaPss(hash) => pss(hash, NULL, NULL, false),
        // 1.3.101.112 and 113 (RFC 8410).
        Scheme::DigitalEd25519 => algorithm(&[0x2b, 0x65], &[0x70], &[]),
        Scheme::DigitalEd448 => algorithm(&[0x2b, 0x65], &[0x71], &[]),
    })
}

/// The scheme that an identifier denotes.
pub(super) fn parse(octets: &[u8]) -> Option<Scheme> {
    let hashed = HASHES.into_iter().flat_map(|hash| {
        [
            Scheme::DigitalRsaPss(hash),
            Scheme::DigitalRsaPkcs1(hash),
            Scheme::DigitalEcdsa(hash),
        ]
    });
    let mut schemes = hashed.chain([Scheme::DigitalEd25519, Scheme::DigitalEd448]);
    let exact = schemes.find(|scheme| encode(*scheme).as_deref() == Some(octets));
    exact.or_else(|| {
        let variants = HASHES.into_iter().flat_map(|hash| {
            let of = move |n: usize| {
                let null = |bit: usize| if n & bit == 0 { NULL } else { &[] };
                (hash, pss(hash, null(1), null(2), n & 4 != 0))
            };
            (0..8).map(of)
        });
        let mut found = variants.filter(|(_, made)| made == octets);
        found.next().map(|(hash, _)| Scheme::DigitalRsaPss(hash))
    })
}

fn algorithm(arc: &[u8], last: &[u8], parameters: &[u8]) -> Vec<u8> {
    let oid = element(OID, &[arc, last].concat());
    constructed(SEQUENCE, &[&oid, parameters])
}

/// RSASSA-PSS with MGF1 over the same hash and a salt as long as it (RFC 4055 section 3.1).
fn pss(hash: Hash, hash_null: &[u8], mask_null: &[u8], trailer: bool) -> Vec<u8> {
    let digest = |null: &[u8]| match hash {
        // 1.3.14.3.2.26.
        Hash::Sha1 => algorithm(&[0x2b, 0x0e, 0x03, 0x02], &[0x1a], null),
        Hash::Sha256 => algorithm(NIST_HASHES, &[1], null),
        Hash::Sha384 => algorithm(NIST_HASHES, &[2], null),
        Hash::Sha512 => algorithm(NIST_HASHES, &[3], null),
    };
    let mask = algorithm(PKCS1, &[8], &digest(mask_null));
    let salt = element(INTEGER, &[hash.octets()]);
    let mut parts = vec![
        element(0xa0, &digest(hash_null)),
        element(0xa1, &mask),
        element(0xa2, &salt),
    ];
    if trailer {
        parts.push(element(0xa3, &element(INTEGER, &[1])));
    }
    algorithm(PKCS1, &[10], &element(SEQUENCE, &parts.concat()))
}

#[cfg(test)]
mod tests;

//! How strong the signature on a certificate or revocation list is. What is not on the list of strong ones is weak.

use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;

/// RSASSA-PSS, whose parameters name the hash.
const PSS: &str = "1.2.840.113549.1.1.10";
const STRONG: &[&str] = &[
    // sha256, sha384, sha512WithRSAEncryption (RFC 4055).
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    // ecdsa-with-SHA256, SHA384, SHA512 (RFC 5758).
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    // Ed25519, Ed448 (RFC 8410).
    "1.3.101.112",
    "1.3.101.113",
];
/// SHA2-256, SHA2-384, SHA2-512.
const STRONG_HASHES: &[&str] = &[
    "2.16.840.1.101.3.4.2.1",
    "2.16.840.1.101.3.4.2.2",
    "2.16.840.1.101.3.4.2.3",
];
/// Names of weak ones that are still met.
const WEAK: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
];

/// The name of a weak algorithm, or its number.
pub(crate) fn weak(algorithm: &AlgorithmIdentifier<'_>) -> Option<String> {
    let oid = algorithm.algorithm.to_id_string();
    if oid == PSS {
        let strong = match SignatureAlgorithm::try_from(algorithm) {
            Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => {
                let hash = parameters.hash_algorithm_oid().to_id_string();
                STRONG_HASHES.contains(&hash.as_str())
            }
            _ => false,
        };
        return (!strong).then(|| "RSASSA-PSS with another hash than SHA-2".to_owned());
    }
    if STRONG.contains(&oid.as_str()) {
        return None;
    }
    let named = WEAK.iter().find(|(number, _)| *number == oid);
    Some(named.map_or(oid, |(_, name)| (*name).to_owned()))
}

//! A CA whose key the targets have, so that what they make up is signed and gets past the check of the signature.
//!
//! Made once, by `openssl genpkey -algorithm ed25519` and `openssl req -x509 -subj "/O=Fuzz/CN=ca"` with the key usages cRLSign and
//! keyCertSign. Ed25519 signs the same octets always in the same way.

use ravelin_crypto::Secret;
use ravelin_pki::{AuthSignature, Certificate, PrivateKey, Scheme, WallTime};

/// Within the validity of the CA.
pub const NOW: WallTime = WallTime(1_800_000_000);
pub const SEQUENCE: u8 = 0x30;
/// The AlgorithmIdentifier of Ed25519.
const ALGORITHM: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
const BIT_STRING: u8 = 3;
const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIOnFXMG5ZKOQanaFO/YFDFG9n6JC2hnrjibaIW1MSx/i\n\
-----END PRIVATE KEY-----
";

pub struct Authority {
    pub key: PrivateKey,
    pub certificate: Certificate,
}

pub fn authority() -> Authority {
    let key = PrivateKey::import(KEY, &Secret::default());
    let certificate = Certificate::from_der(include_bytes!("ca.der"));
    match (key, certificate) {
        (Ok(key), Ok(certificate)) => Authority { key, certificate },
        (key, certificate) => panic!("{key:?} {certificate:?}"),
    }
}

impl Authority {
    /// What is to be signed, made from the algorithm; the algorithm; the signature.
    pub fn signed(&self, to_sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let content = to_sign(ALGORITHM);
        let made = AuthSignature::sign(&self.key, Scheme::DigitalEd25519, &content);
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        // Behind the identifier and its length.
        let signature = [&[0], &made.data[1 + ALGORITHM.len()..]].concat();
        [
            content.as_slice(),
            ALGORITHM,
            &element(BIT_STRING, &signature),
        ]
        .concat()
    }
}

/// One element of DER.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        0x100..=0xffff => out.extend([0x82, (length >> 8) as u8, length as u8]),
        // No input of libFuzzer is as long as 16 MiB.
        _ => out.extend([
            0x83,
            (length >> 16) as u8,
            (length >> 8) as u8,
            length as u8,
        ]),
    }
    out.extend(content);
    out
}

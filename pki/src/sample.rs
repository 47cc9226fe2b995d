//! Certificates for the unit tests, with extensions of any octets. Whole hierarchies are made by the test CA.

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Private};
use openssl::sign::Signer;
use openssl::x509::{X509, X509Extension, X509Name};

use crate::certificate::Certificate;
use crate::der;
use crate::key::PrivateKey;
use crate::name::DistinguishedName;
use crate::time::WallTime;

/// An extension: dotted number, whether it is critical, the octets of its value.
pub type Extension<'a> = (&'a str, bool, Vec<u8>);

/// First and last second of validity of what is made here.
pub const VALIDITY: (i64, i64) = (1_700_000_000, 1_800_000_000);
pub const SERIAL: u32 = 0x01_0203;

/// The DER of a certificate that its own key has signed.
pub fn self_signed(key: &PKeyRef<Private>, subject: &str, extensions: &[Extension<'_>]) -> Vec<u8> {
    issued(key, subject, key, subject, extensions)
}

/// The DER of a certificate that another key has signed.
pub fn issued(
    key: &PKeyRef<Private>,
    subject: &str,
    issuer_key: &PKeyRef<Private>,
    issuer: &str,
    extensions: &[Extension<'_>],
) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(SERIAL).unwrap();
    let serial = serial.to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    let name = |text: &str| {
        let der = match text {
            "" => der::element(der::SEQUENCE, &[]),
            text => DistinguishedName::from_text(text).unwrap().der().to_vec(),
        };
        X509Name::from_der(&der).unwrap()
    };
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    let time = |at| Asn1Time::from_unix(at).unwrap();
    builder.set_not_before(&time(VALIDITY.0)).unwrap();
    builder.set_not_after(&time(VALIDITY.1)).unwrap();
    builder.set_pubkey(key).unwrap();
    for (oid, critical, value) in extensions {
        let oid = Asn1Object::from_str(oid).unwrap();
        let value = Asn1OctetString::new_from_bytes(value).unwrap();
        let made = X509Extension::new_from_der(&oid, *critical, &value).unwrap();
        builder.append_extension(made).unwrap();
    }
    let digest = match issuer_key.id() {
        Id::ED25519 | Id::ED448 => MessageDigest::null(),
        _ => MessageDigest::sha256(),
    };
    builder.sign(issuer_key, digest).unwrap();
    builder.build().to_der().unwrap()
}

/// The certificate of a gateway for `key`.
pub fn certificate(key: &PrivateKey) -> Certificate {
    Certificate::from_der(&self_signed(key.openssl(), "CN=gw1,O=Example", &[])).unwrap()
}

/// A GeneralizedTime.
pub fn generalized(at: WallTime) -> Vec<u8> {
    let text = at.to_string().replace(['-', ':', 'T'], "");
    der::element(0x18, text.as_bytes())
}

/// A UTCTime.
pub fn utc(at: WallTime) -> Vec<u8> {
    der::element(0x17, &generalized(at)[4..])
}

/// What has been signed, the algorithm and a signature: ecdsa-with-SHA256 or ecdsa-with-SHA1 by a key on P-256.
pub fn signed(key: &PrivateKey, to_sign: impl Fn(&[u8]) -> Vec<u8>, sha1: bool) -> Vec<u8> {
    let (last, hash): (&[u8], _) = match sha1 {
        true => (&[1], MessageDigest::sha1()),
        false => (&[3, 2], MessageDigest::sha256()),
    };
    let oid = [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4], last].concat();
    let algorithm = der::element(der::SEQUENCE, &der::element(der::OID, &oid));
    let content = to_sign(&algorithm);
    let mut signer = Signer::new(hash, key.openssl()).unwrap();
    let signature = signer.sign_oneshot_to_vec(&content).unwrap();
    let signature = der::element(der::BIT_STRING, &[&[0], signature.as_slice()].concat());
    [content, algorithm, signature].concat()
}

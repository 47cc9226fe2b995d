//! The request of a certificate, PKCS#10 (RFC 2986).

use openssl::hash::MessageDigest;
use openssl::stack::Stack;
use openssl::x509::extension::{KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509Name, X509Req, X509ReqBuilder};
use ravelin_types::Identity;

use super::PrivateKey;
use crate::algorithm::{Hash, KeyAlgorithm};
use crate::error::{Error, library};
use crate::name::DistinguishedName;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The subject.
    pub subject: DistinguishedName,
    /// IKE identities that the certificate shall be good for: host names, mail addresses and IP addresses.
    pub names: Vec<Identity>,
}

impl Request {
    /// The request in DER, signed with `key`. It asks for the key usage `digitalSignature`.
    ///
    /// # Errors
    /// [`Error::Text`] for a name that no alternative name can hold, [`Error::Library`].
    pub fn sign(&self, key: &PrivateKey) -> Result<Vec<u8>, Error> {
        let request = self.build(key)?;
        request.to_der().map_err(library("certificate request"))
    }

    /// The same in PEM (RFC 7468).
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn to_pem(&self, key: &PrivateKey) -> Result<String, Error> {
        let failed = |code| Error::Library {
            operation: "certificate request",
            code,
        };
        let pem = self.build(key)?.to_pem();
        let pem = pem.map_err(library("certificate request"))?;
        String::from_utf8(pem).map_err(|_| failed(0))
    }

    fn build(&self, key: &PrivateKey) -> Result<X509Req, Error> {
        let failed = || library("certificate request");
        let mut request = X509ReqBuilder::new().map_err(failed())?;
        let subject = X509Name::from_der(self.subject.der()).map_err(failed())?;
        request.set_subject_name(&subject).map_err(failed())?;
        request.set_pubkey(&key.key).map_err(failed())?;
        let mut extensions = Stack::new().map_err(failed())?;
        let usage = KeyUsage::new().critical().digital_signature().build();
        extensions
            .push(usage.map_err(failed())?)
            .map_err(failed())?;
        if !self.names.is_empty() {
            let names = self.alt_names()?;
            let names = names.build(&request.x509v3_context(None));
            extensions
                .push(names.map_err(failed())?)
                .map_err(failed())?;
        }
        request.add_extensions(&extensions).map_err(failed())?;
        let digest = match key.algorithm {
            KeyAlgorithm::Rsa { .. } => Hash::Sha256.digest(),
            KeyAlgorithm::Ecdsa(curve) => curve.hash().digest(),
            // They hash by themselves.
            KeyAlgorithm::Ed25519 | KeyAlgorithm::Ed448 => MessageDigest::null(),
        };
        request.sign(&key.key, digest).map_err(failed())?;
        Ok(request.build())
    }

    fn alt_names(&self) -> Result<SubjectAlternativeName, Error> {
        let mut names = SubjectAlternativeName::new();
        for name in &self.names {
            let text = name.to_string();
            // IA5String; a space in a name is a mistake.
            let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
            match name {
                Identity::Fqdn(_) if fits => names.dns(&text),
                Identity::Email(_) if fits => names.email(&text),
                Identity::Ipv4(_) | Identity::Ipv6(_) => names.ip(&text),
                _ => {
                    return Err(Error::Text {
                        text,
                        wanted: "a name that a certificate can hold",
                    });
                }
            };
        }
        Ok(names)
    }
}

//! Certificates in files: DER, or PEM (RFC 7468) with any number of them.

use x509_parser::pem::Pem;

use super::{Certificate, MAX_PEM_OCTETS};
use crate::error::Error;

/// Certificates of one file that are read at most: a bundle of a whole PKI is far below.
const MAX_CERTIFICATES: usize = 256;

impl Certificate {
    /// Reads a file with one certificate in DER, or with certificates in PEM, in their order. Other PEM blocks are passed over.
    ///
    /// # Errors
    /// As [`Certificate::from_der`], for the first one that is wrong; [`Error::Malformed`] when there is none.
    pub fn from_file(octets: &[u8]) -> Result<Vec<Certificate>, Error> {
        // A SEQUENCE. No line of PEM begins with `0`, which is the same octet, unless text stands in front of the block.
        if octets.first() == Some(&crate::der::SEQUENCE) && octets.get(1) >= Some(&0x80) {
            return Ok(vec![Self::from_der(octets)?]);
        }
        if octets.len() > MAX_PEM_OCTETS {
            return Err(Error::TooLarge {
                what: "a PEM file",
                octets: octets.len(),
                limit: MAX_PEM_OCTETS,
            });
        }
        let malformed = |why| Error::Malformed {
            what: "a PEM file",
            why,
        };
        let mut found = vec![];
        for block in Pem::iter_from_buffer(octets) {
            let block = block.map_err(|_| malformed("a block is not complete"))?;
            if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
                found.push(Self::from_der(&block.contents)?);
            }
            if found.len() > MAX_CERTIFICATES {
                return Err(malformed("more than 256 certificates"));
            }
        }
        if found.is_empty() {
            return Err(malformed("no certificate in it"));
        }
        Ok(found)
    }

    /// The certificate in PEM.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn to_pem(&self) -> Result<String, Error> {
        let pem = self.x509().to_pem().map_err(crate::error::library("PEM"))?;
        String::from_utf8(pem).map_err(|_| Error::Library {
            operation: "PEM",
            code: 0,
        })
    }
}

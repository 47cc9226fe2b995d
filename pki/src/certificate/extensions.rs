//! The extensions of a certificate (RFC 5280 section 4.2) that matter to IKE.
//!
//! Name constraints, policies and what is critical and unknown are OpenSSL's, when it verifies the path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::asn1_rs::{FromDer, Oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};

use super::{AltName, KeyUsage, malformed};
use crate::error::Error;
use crate::name::DistinguishedName;

/// Extensions of a certificate that are read at most. Real ones have about ten.
const MAX_EXTENSIONS: usize = 64;

/// id-ad-ocsp (RFC 5280 section 4.2.2.1).
const OCSP: &str = "1.3.6.1.5.5.7.48.1";
/// URLs of one kind that are read at most, and octets of one.
const MAX_URLS: usize = 8;
const MAX_URL_OCTETS: usize = 1024;

#[derive(Debug, Clone, Default)]
pub(super) struct Extensions {
    pub names: Vec<AltName>,
    pub key_usage: Option<KeyUsage>,
    pub extended_key_usage: Option<Vec<String>>,
    pub is_ca: bool,
    pub constrains_names: bool,
    pub crl_urls: Vec<String>,
    pub ocsp_urls: Vec<String>,
}

impl Extensions {
    pub fn read(certificate: &X509Certificate<'_>) -> Result<Self, Error> {
        let extensions = certificate.extensions();
        if extensions.len() > MAX_EXTENSIONS {
            return Err(malformed("more than 64 extensions"));
        }
        let mut read = Self::default();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|e| e.oid == extension.oid) {
                return Err(malformed("an extension comes twice"));
            }
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(list) => {
                    for name in &list.general_names {
                        read.names.extend(alt_name(name)?);
                    }
                }
                ParsedExtension::KeyUsage(usage) => {
                    read.key_usage = Some(KeyUsage {
                        digital_signature: usage.digital_signature(),
                        non_repudiation: usage.non_repudiation(),
                        key_cert_sign: usage.key_cert_sign(),
                        crl_sign: usage.crl_sign(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(_) => {
                    let purposes = purposes(extension.value);
                    read.extended_key_usage =
                        Some(purposes.ok_or(malformed("extended key usage"))?);
                }
                ParsedExtension::BasicConstraints(constraints) => read.is_ca = constraints.ca,
                ParsedExtension::NameConstraints(_) => read.constrains_names = true,
                ParsedExtension::CRLDistributionPoints(points) => {
                    // Lists for some reasons, or of another CA, are not taken.
                    let whole = points
                        .iter()
                        .filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
                    for point in whole {
                        if let Some(DistributionPointName::FullName(names)) =
                            &point.distribution_point
                        {
                            read.crl_urls.extend(names.iter().filter_map(http_url));
                        }
                    }
                    read.crl_urls.truncate(MAX_URLS);
                }
                ParsedExtension::AuthorityInfoAccess(access) => {
                    let ocsp = access
                        .iter()
                        .filter(|a| a.access_method.to_id_string() == OCSP)
                        .filter_map(|a| http_url(&a.access_location));
                    read.ocsp_urls = ocsp.take(MAX_URLS).collect();
                }
                ParsedExtension::ParseError { .. } => {
                    return Err(malformed("an extension does not parse"));
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

/// Dotted numbers of an ExtKeyUsageSyntax, at least one.
fn purposes(value: &[u8]) -> Option<Vec<String>> {
    let (rest, oids) = <Vec<Oid<'_>>>::from_der(value).ok()?;
    (rest.is_empty() && !oids.is_empty()).then(|| oids.iter().map(Oid::to_id_string).collect())
}

/// The name, `None` for a form that no IKE identity has.
fn alt_name(name: &GeneralName<'_>) -> Result<Option<AltName>, Error> {
    // A zero octet or a line end would make a name look like another one.
    let text = |text: &str| {
        let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        fits.then(|| text.to_owned())
            .ok_or(malformed("an alternative name with strange characters"))
    };
    Ok(match name {
        GeneralName::DNSName(name) => Some(AltName::Dns(text(name)?)),
        GeneralName::RFC822Name(name) => Some(AltName::Email(text(name)?)),
        GeneralName::IPAddress(octets) => Some(AltName::Address(address(octets)?)),
        GeneralName::DirectoryName(name) => Some(AltName::Directory(DistinguishedName::from_der(
            name.as_raw(),
        )?)),
        GeneralName::Invalid(..) => return Err(malformed("an alternative name")),
        _ => None,
    })
}

/// A URL that can be fetched. What is signed is fetched without TLS (RFC 5280 section 8).
fn http_url(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(url) = name else {
        return None;
    };
    let scheme = url.get(.."http://".len())?;
    let fits = scheme.eq_ignore_ascii_case("http://")
        && url.len() <= MAX_URL_OCTETS
        && url.chars().all(|c| c.is_ascii_graphic());
    fits.then(|| (*url).to_owned())
}

fn address(octets: &[u8]) -> Result<IpAddr, Error> {
    let ipv4 = <[u8; 4]>::try_from(octets).map(|o| Ipv4Addr::from(o).into());
    let ipv6 = || <[u8; 16]>::try_from(octets).map(|o| Ipv6Addr::from(o).into());
    ipv4.or_else(|_| ipv6())
        .map_err(|_| malformed("an address that is neither IPv4 nor IPv6"))
}

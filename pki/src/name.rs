//! Distinguished names: the subject and issuer of a certificate, and the IKE identity ID_DER_ASN1_DN.
//!
//! Names are compared attribute by attribute (RFC 5280 section 7.1): strings without regard to case, to the kind of string and to
//! the number of spaces, everything else octet by octet. Of the string preparation of RFC 4518 this is the part that names of
//! gateways meet: compatibility characters are not unified, so two names that differ in them are different.
//!
//! The text is that of RFC 4514, the most specific part first: `CN=gw1,OU=Access,O=Example,C=DE`.

mod text;

use ravelin_types::dn;
use x509_parser::asn1_rs::{Any, FromDer, ToDer};
use x509_parser::error::X509Error;
use x509_parser::x509::X509Name;

use crate::error::Error;

/// Octets of the DER of a name that are read at most. Names of real certificates have less than 300.
pub const MAX_NAME_OCTETS: usize = 4096;

/// A name as a row of relative names, the least specific first, as DER has it.
#[derive(Debug, Clone)]
pub struct DistinguishedName {
    der: Vec<u8>,
    rdns: Vec<Vec<Attribute>>,
}

/// One attribute of a relative name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    /// Dotted decimal.
    oid: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    /// The whole element of something that is no string.
    Other(Vec<u8>),
}

impl DistinguishedName {
    /// Reads the DER of a name, of nothing more than it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed {
            what: "a distinguished name",
            why,
        };
        if der.len() > MAX_NAME_OCTETS {
            return Err(Error::TooLarge {
                what: "a distinguished name",
                octets: der.len(),
                limit: MAX_NAME_OCTETS,
            });
        }
        let (rest, name) = <X509Name<'_> as FromDer<'_, X509Error>>::from_der(der)
            .map_err(|_| malformed("no DER"))?;
        if !rest.is_empty() {
            return Err(malformed("octets behind its end"));
        }
        let mut rdns = vec![];
        for rdn in name.iter_rdn() {
            let mut attributes = vec![];
            for attribute in rdn.iter() {
                attributes.push(Attribute {
                    oid: attribute.attr_type().to_id_string(),
                    value: value(attribute.attr_value()).ok_or(malformed("a string"))?,
                });
            }
            if attributes.is_empty() {
                return Err(malformed("an empty relative name"));
            }
            rdns.push(attributes);
        }
        Ok(Self {
            der: der.to_vec(),
            rdns,
        })
    }

    /// The DER, as ID_DER_ASN1_DN carries it.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it has no attribute at all: then a certificate says who it is for by its alternative names only.
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Whether both denote the same: the same relative names in the same order, each with the same attributes in any order.
    pub fn matches(&self, other: &DistinguishedName) -> bool {
        self.rdns.len() == other.rdns.len()
            && self
                .rdns
                .iter()
                .zip(&other.rdns)
                .all(|(a, b)| same_set(a, b))
    }
}

impl DistinguishedName {
    /// Whether every attribute of `wanted` is here, each as often as there.
    pub(crate) fn has(&self, wanted: &DistinguishedName) -> bool {
        let ours = self.rdns.iter().flatten().collect();
        each_has_one(wanted.rdns.iter().flatten(), ours)
    }

    /// Whether every attribute of `wanted` is here in the same order, others between them or not.
    pub(crate) fn has_in_order(&self, wanted: &DistinguishedName) -> bool {
        let mut ours = self.rdns.iter().flatten();
        let mut wanted = wanted.rdns.iter().flatten();
        wanted.all(|attribute| ours.any(|other| attribute.matches(other)))
    }
}

impl Attribute {
    fn matches(&self, other: &Attribute) -> bool {
        self.oid == other.oid
            && match (&self.value, &other.value) {
                (Value::Text(a), Value::Text(b)) => folded(a) == folded(b),
                (a, b) => a == b,
            }
    }
}

fn same_set(a: &[Attribute], b: &[Attribute]) -> bool {
    a.len() == b.len() && each_has_one(a.iter(), b.iter().collect())
}

/// Whether each wanted attribute finds one of its own among `free`.
fn each_has_one<'a>(
    mut wanted: impl Iterator<Item = &'a Attribute>,
    mut free: Vec<&Attribute>,
) -> bool {
    wanted.all(|attribute| {
        let found = free.iter().position(|other| attribute.matches(other));
        found.map(|at| free.swap_remove(at)).is_some()
    })
}

/// A string as it is compared: lower case, without spaces at the ends, with one for each row of them.
fn folded(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// The value of an attribute, or `None` for a string with octets that its kind does not allow.
fn value(any: &Any<'_>) -> Option<Value> {
    let tag = u8::try_from(any.tag().0).ok()?;
    match dn::Value::read(tag, any.data) {
        dn::Value::Text(text) => Some(Value::Text(text)),
        dn::Value::Malformed => None,
        dn::Value::Other => any.to_der_vec().ok().map(Value::Other),
    }
}

#[cfg(test)]
mod tests;

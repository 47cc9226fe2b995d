//! The text of a name (RFC 4514), read and written.

use std::fmt;

use super::DistinguishedName;
use crate::der;
use crate::error::Error;
use ravelin_types::dn::{self, ATTRIBUTES};
use x509_parser::asn1_rs::Oid;

/// How the values of an attribute are written.
fn tag_of(short_name: &str) -> u8 {
    match short_name {
        "serialNumber" | "C" => der::PRINTABLE_STRING,
        "DC" | "emailAddress" => der::IA5_STRING,
        _ => der::UTF8_STRING,
    }
}

impl DistinguishedName {
    /// Reads the text of RFC 4514, with spaces allowed around its commas and short names of attributes in any case.
    ///
    /// # Errors
    /// [`Error::Text`] names the part that is wrong, [`Error::TooLarge`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let mut rdns = vec![];
        for rdn in split(text, ',') {
            let mut attributes = vec![];
            for part in split(rdn, '+') {
                attributes.push(attribute(part)?);
            }
            // A set of DER is ordered by its octets.
            attributes.sort();
            let parts: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
            rdns.push(der::constructed(der::SET, &parts));
        }
        rdns.reverse();
        Self::from_der(&der::element(der::SEQUENCE, &rdns.concat()))
    }
}

/// The parts of `text` between separators that no backslash is in front of.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(move |c| {
        let cuts = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        cuts
    })
    .collect()
}

/// The DER of `CN=value`.
fn attribute(part: &str) -> Result<Vec<u8>, Error> {
    let wrong = |wanted| Error::Text {
        text: part.trim().to_owned(),
        wanted,
    };
    let (name, value) = part
        .split_once('=')
        .ok_or_else(|| wrong("an attribute like `CN=name`"))?;
    let name = name.trim();
    let known = ATTRIBUTES
        .iter()
        .find(|(short, oid)| name.eq_ignore_ascii_case(short) || name == *oid);
    let (short, oid) = known.ok_or_else(|| {
        wrong("an attribute CN, serialNumber, C, L, ST, STREET, O, OU, UID, DC or emailAddress")
    })?;
    let value = unescaped(value).ok_or_else(|| wrong("a value with complete escapes"))?;
    if value.is_empty() {
        return Err(wrong("an attribute with a value"));
    }
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    let tag = tag_of(short);
    let fits = match tag {
        der::PRINTABLE_STRING => value.chars().all(printable),
        der::IA5_STRING => value.is_ascii(),
        _ => true,
    };
    if !fits || *oid == "2.5.4.6" && value.len() != 2 {
        return Err(wrong("a value that its attribute can have"));
    }
    let oid: Oid<'_> = oid.parse().map_err(|_| wrong("a known attribute"))?;
    Ok(der::constructed(
        der::SEQUENCE,
        &[
            &der::element(der::OID, oid.as_bytes()),
            &der::element(tag, value.as_bytes()),
        ],
    ))
}

/// A value without its escapes and without spaces around it, or `None` for an escape that is not complete.
fn unescaped(text: &str) -> Option<String> {
    let mut octets = vec![];
    // A space that was escaped belongs to the value.
    let mut kept = 0;
    let mut rest = text.trim_start_matches(' ').bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let first = rest.next()?;
        if let Some(high) = char::from(first).to_digit(16) {
            let low = char::from(rest.next()?).to_digit(16)?;
            octets.push((high << 4 | low) as u8);
        } else {
            octets.push(first);
        }
        kept = octets.len();
    }
    while octets.len() > kept && octets.last() == Some(&b' ') {
        octets.pop();
    }
    String::from_utf8(octets).ok()
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was read as a name is one.
        f.write_str(&dn::text(&self.der).unwrap_or_default())
    }
}

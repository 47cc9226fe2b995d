//! The text of a name (RFC 4514), read and written.

use std::fmt;

use super::{Attribute, DistinguishedName, Value};
use crate::der;
use crate::error::Error;
use x509_parser::asn1_rs::Oid;

/// Short names of attributes and how their values are written: RFC 4514 section 3, RFC 5280 appendix A, RFC 2985.
const ATTRIBUTES: &[(&str, &str, u8)] = &[
    ("CN", "2.5.4.3", der::UTF8_STRING),
    ("serialNumber", "2.5.4.5", der::PRINTABLE_STRING),
    ("C", "2.5.4.6", der::PRINTABLE_STRING),
    ("L", "2.5.4.7", der::UTF8_STRING),
    ("ST", "2.5.4.8", der::UTF8_STRING),
    ("STREET", "2.5.4.9", der::UTF8_STRING),
    ("O", "2.5.4.10", der::UTF8_STRING),
    ("OU", "2.5.4.11", der::UTF8_STRING),
    ("UID", "0.9.2342.19200300.100.1.1", der::UTF8_STRING),
    ("DC", "0.9.2342.19200300.100.1.25", der::IA5_STRING),
    ("emailAddress", "1.2.840.113549.1.9.1", der::IA5_STRING),
];

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
        .find(|(short, oid, _)| name.eq_ignore_ascii_case(short) || name == *oid);
    let (_, oid, tag) = known.ok_or_else(|| {
        wrong("an attribute CN, serialNumber, C, L, ST, STREET, O, OU, UID, DC or emailAddress")
    })?;
    let value = unescaped(value).ok_or_else(|| wrong("a value with complete escapes"))?;
    if value.is_empty() {
        return Err(wrong("an attribute with a value"));
    }
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    let fits = match *tag {
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
            &der::element(*tag, value.as_bytes()),
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
        for (index, rdn) in self.rdns.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in rdn.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ATTRIBUTES.iter().find(|(_, oid, _)| *oid == self.oid);
        f.write_str(known.map_or(self.oid.as_str(), |(short, _, _)| short))?;
        f.write_str("=")?;
        let text = match &self.value {
            Value::Text(text) => text,
            Value::Other(element) => {
                f.write_str("#")?;
                return element.iter().try_for_each(|o| write!(f, "{o:02x}"));
            }
        };
        let last = text.chars().count().saturating_sub(1);
        for (index, c) in text.chars().enumerate() {
            let at_end = c == ' ' && (index == 0 || index == last);
            if at_end || c == '#' && index == 0 || r#"",+;<=>\"#.contains(c) {
                write!(f, "\\{c}")?;
            } else if c.is_control() {
                // A name must not be able to write lines into a log.
                let mut octets = [0; 4];
                for octet in c.encode_utf8(&mut octets).bytes() {
                    write!(f, "\\{octet:02x}")?;
                }
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

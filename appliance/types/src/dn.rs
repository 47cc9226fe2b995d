//! The text of a distinguished name (RFC 4514) from its DER, as ID_DER_ASN1_DN and certificates carry it: the most specific part
//! first, `CN=gw1,OU=Access,O=Example,C=DE`. Names are compared in package `pki`, which also reads the text.

use std::fmt::Write;

/// Short names of attributes and their object identifiers: RFC 4514 section 3, RFC 5280 appendix A, RFC 2985.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];

const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// What the value of an attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string of any kind.
    Text(String),
    /// A string with octets that its kind does not allow.
    Malformed,
    /// Not a string.
    Other,
}

impl Value {
    /// Reads the content of an element with this universal tag.
    pub fn read(tag: u8, octets: &[u8]) -> Value {
        let utf8 = |octets: &[u8]| std::str::from_utf8(octets).ok().map(str::to_owned);
        let text = match tag {
            0x0c => utf8(octets),
            // NumericString, PrintableString, IA5String, VisibleString.
            0x12 | 0x13 | 0x16 | 0x1a => utf8(octets).filter(|text| text.is_ascii()),
            // TeletexString, as everybody reads it: ISO 8859-1.
            0x14 => Some(octets.iter().copied().map(char::from).collect()),
            // UniversalString.
            0x1c => units(octets, u32::from_be_bytes)
                .and_then(|numbers| numbers.into_iter().map(char::from_u32).collect()),
            // BMPString.
            0x1e => units(octets, u16::from_be_bytes)
                .and_then(|units| char::decode_utf16(units).collect::<Result<_, _>>().ok()),
            _ => return Value::Other,
        };
        text.map_or(Value::Malformed, Value::Text)
    }
}

/// Octets as units of `N`, or `None` when some are left over.
fn units<const N: usize, T>(octets: &[u8], read: fn([u8; N]) -> T) -> Option<Vec<T>> {
    let units = octets.chunks(N).map(|unit| unit.try_into().ok().map(read));
    units.collect()
}

/// The text of the name, or `None` when it is not one whole name.
pub fn text(der: &[u8]) -> Option<String> {
    let mut rest = der;
    let name = take(&mut rest, SEQUENCE).filter(|_| rest.is_empty())?;
    let mut parts = vec![];
    let mut rdns = name.content;
    while !rdns.is_empty() {
        let mut rdn = take(&mut rdns, SET)?.content;
        let mut attributes = vec![];
        while !rdn.is_empty() {
            attributes.push(attribute(take(&mut rdn, SEQUENCE)?.content)?);
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The next element, with a tag of one octet and a definite length (X.690 section 8.1).
fn next<'a>(rest: &mut &'a [u8]) -> Option<Element<'a>> {
    let all = *rest;
    let (&[tag, first], behind) = all.split_first_chunk()?;
    let (octets, behind) = match first {
        0..=0x7f => (usize::from(first), behind),
        0x81 => (usize::from(*behind.first()?), behind.get(1..)?),
        0x82 => {
            let (long, behind) = behind.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*long)), behind)
        }
        _ => return None,
    };
    let (content, behind) = behind.split_at_checked(octets)?;
    *rest = behind;
    Some(Element {
        tag,
        content,
        whole: all.get(..all.len() - behind.len())?,
    })
}

fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<Element<'a>> {
    next(rest).filter(|element| element.tag == tag)
}

/// `CN=value`.
fn attribute(mut rest: &[u8]) -> Option<String> {
    let oid = dotted(take(&mut rest, OID)?.content)?;
    let element = next(&mut rest).filter(|_| rest.is_empty())?;
    let known = ATTRIBUTES.iter().find(|(_, known)| *known == oid);
    let mut out = known.map_or(oid.as_str(), |(short, _)| short).to_owned();
    out.push('=');
    match Value::read(element.tag, element.content) {
        Value::Text(text) => escape(&text, &mut out),
        Value::Malformed => return None,
        Value::Other => {
            out.push('#');
            for octet in element.whole {
                let _ = write!(out, "{octet:02x}"); // a String takes all
            }
        }
    }
    Some(out)
}

/// Writes a value with the escapes of RFC 4514 section 2.4.
fn escape(text: &str, out: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        let at_end = c == ' ' && (index == 0 || index == last);
        if at_end || c == '#' && index == 0 || r#"",+;<=>\"#.contains(c) {
            out.extend(['\\', c]);
        } else if c.is_control() {
            // A name must not be able to write lines into a log.
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\{octet:02x}");
            }
        } else {
            out.push(c);
        }
    }
}

/// An object identifier in dotted decimal (X.690 section 8.19).
fn dotted(octets: &[u8]) -> Option<String> {
    let mut arcs = vec![];
    let mut arc = 0u64;
    for octet in octets {
        arc = arc.checked_mul(128)? | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let (first, others) = arcs.split_first()?;
    let ended = octets.last().is_some_and(|octet| octet & 0x80 == 0);
    let top = (*first / 40).min(2);
    let mut out = format!("{top}.{}", first - 40 * top);
    for arc in others {
        let _ = write!(out, ".{arc}");
    }
    ended.then_some(out)
}

#[cfg(test)]
mod tests;

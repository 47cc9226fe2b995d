//! Writes DER: tag, length, content (X.690 section 8.1, definite lengths only). `read.rs` reads it.

pub(crate) mod read;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element with a tag of one octet.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let octets = long.to_be_bytes();
            let from = octets.iter().position(|o| *o != 0).unwrap_or(0);
            out.push(0x80 | (octets.len() - from) as u8);
            out.extend_from_slice(&octets[from..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An element whose content is a row of elements.
pub(crate) fn constructed(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, &parts.concat())
}

#[cfg(test)]
mod tests;

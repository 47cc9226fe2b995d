//! What the hypervisor says in the SMBIOS tables: the serial number of the system (type 1) in cloud-init's form, and OEM strings
//! (type 11).
//!
//! | string | becomes |
//! |---|---|
//! | serial `ds=nocloud;h=NAME` (or `local-hostname=NAME`) | host name |
//! | OEM `ravelin.hostname=NAME` | host name |
//! | OEM `ravelin.ssh-authorized-key=KEY`, once or more | keys of the user `admin` |
//! | OEM `ravelin.configuration-base64=BASE64` | the configuration; several are joined in their order |
//!
//! `s=` (a seed to be fetched) is told as not used: day 0 needs no network. Strings of others are none of our business.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::nocloud::decode;
use super::seed::{Content, Text, digest};
use crate::error::Error;
use crate::root::Root;

const SERIAL: &str = "/sys/class/dmi/id/product_serial";
const ENTRIES: &str = "/sys/firmware/dmi/entries";
/// Octets read of one table: the whole of the tables' space.
const MAX_TABLE_OCTETS: u64 = 16 << 20;
/// Tables of type 11 that are looked at.
const MAX_TABLES: usize = 16;
/// OEM strings of ours begin so.
const OURS: &str = "ravelin.";

/// The strings of the tables that may be ours.
#[derive(Default)]
pub struct Strings {
    /// The serial number of the system.
    pub serial: String,
    /// The OEM strings. Wiped on drop.
    pub oem: Vec<Zeroizing<String>>,
}

/// Takes the strings from the kernel. A machine without these tables has none.
///
/// # Errors
/// When they are there and cannot be read.
pub fn strings(root: &Root) -> Result<Strings, Error> {
    let serial = read(&root.path(SERIAL))?;
    let mut strings = Strings {
        serial: String::from_utf8_lossy(&serial).trim().to_owned(),
        oem: Vec::new(),
    };
    for number in 0..MAX_TABLES {
        let path = root.path(ENTRIES).join(format!("11-{number}/raw"));
        let table = read(&path)?;
        if table.is_empty() {
            break;
        }
        strings.oem.extend(table_strings(&table));
    }
    Ok(strings)
}

/// The octets of a file, none if it is absent.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut octets = Zeroizing::new(Vec::new());
    match File::open(path) {
        Ok(file) => file.take(MAX_TABLE_OCTETS).read_to_end(&mut octets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
    .map_err(|error| Error::file("read", path, error))?;
    Ok(octets)
}

/// The strings of a table: behind its formatted part, each with a zero at its end, two at the last.
pub fn table_strings(table: &[u8]) -> Vec<Zeroizing<String>> {
    let formatted = table.get(1).copied().unwrap_or(0);
    let strings = table.get(usize::from(formatted)..).unwrap_or_default();
    strings
        .split(|octet| *octet == 0)
        .take_while(|string| !string.is_empty())
        .map(|string| Zeroizing::new(String::from_utf8_lossy(string).into_owned()))
        .collect()
}

/// What the strings say; `None` if none is ours. With it the digest of those that are.
///
/// # Errors
/// When the library fails that makes digests.
#[allow(clippy::type_complexity)]
pub fn read_strings(
    strings: &Strings,
) -> Result<Option<(String, Result<Content, String>)>, ravelin_crypto::Error> {
    let serial = strings
        .serial
        .split_once(';')
        .unwrap_or((&strings.serial, ""));
    let serial = match serial.0.trim() {
        "ds=nocloud" | "ds=nocloud-net" => Some(serial.1),
        _ => None,
    };
    let of_us = |string: &&Zeroizing<String>| string.starts_with(OURS);
    let oem: Vec<&Zeroizing<String>> = strings.oem.iter().filter(of_us).collect();
    if serial.is_none() && oem.is_empty() {
        return Ok(None);
    }
    let parts = oem.iter().map(|string| ("oem", string.as_bytes()));
    let known = digest(serial.iter().map(|s| ("serial", s.as_bytes())).chain(parts))?;
    Ok(Some((known, understand(serial, &oem))))
}

fn understand(serial: Option<&str>, oem: &[&Zeroizing<String>]) -> Result<Content, String> {
    let mut content = Content::default();
    let mut base64 = Zeroizing::new(String::new());
    for string in oem {
        let (name, value) = string.split_once('=').unwrap_or((string, ""));
        let place = |fault: super::fault::Fault| format!("OEM string {name}: {}", fault.message);
        match name.strip_prefix(OURS).unwrap_or_default() {
            "hostname" if value.is_empty() => {}
            "hostname" => content.set_host_name(value, 0).map_err(place)?,
            "ssh-authorized-key" => content.add_keys(value, 0).map_err(place)?,
            "configuration-base64" => base64.push_str(value),
            _ => content.note(format!("OEM string {name} is not used")),
        }
    }
    for (name, value) in serial
        .unwrap_or_default()
        .split(';')
        .filter_map(|pair| pair.split_once('='))
    {
        match name.trim() {
            "h" | "local-hostname" if content.host_name.is_none() => content
                .set_host_name(value.trim(), 0)
                .map_err(|fault| format!("serial number {name}=: {}", fault.message))?,
            "i" | "instance-id" => {}
            _ => content.note(format!(
                "{name}= of the serial number is not used: day 0 needs no network"
            )),
        }
    }
    if !base64.is_empty() {
        let text = decode(&base64).ok_or_else(|| {
            "OEM string ravelin.configuration-base64: not base64 of a text".to_owned()
        })?;
        content.text = Some(Text {
            file: "configuration".to_owned(),
            text,
            shift_lines: Some(0),
        });
    }
    Ok(content)
}

#[cfg(test)]
mod tests;

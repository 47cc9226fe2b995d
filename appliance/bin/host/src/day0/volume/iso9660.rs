//! ISO 9660 (ECMA-119): the root folder by its Rock Ridge names (IEEE P1282), else its Joliet names, else its plain ones.

use std::collections::BTreeMap;

use super::super::medium::{MAX_FILE_OCTETS, Medium, MediumError, u32_at};
use super::{Volume, wanted};

const SECTOR_OCTETS: u64 = 2048;
/// Volume descriptors begin here, one a sector (ECMA-119 section 6.2.1).
const FIRST_DESCRIPTOR: u64 = 16;
/// Descriptors looked at: a disk has two to five.
const MAX_DESCRIPTORS: u64 = 16;
/// Octets of the root folder: more than a thousand names.
const MAX_FOLDER_OCTETS: u32 = 256 << 10;

/// Flags of a directory record (ECMA-119 section 9.1.6): folder, associated file, more extents follow.
const NOT_A_FILE: u8 = 0x02 | 0x04 | 0x80;

/// A folder or file: where, and how long.
#[derive(Clone, Copy)]
struct Extent {
    sector: u32,
    octets: u32,
}

struct Descriptor {
    label: String,
    root: Extent,
}

pub fn read(medium: &Medium<'_>) -> Result<Option<Volume>, MediumError> {
    let Some((primary, joliet)) = descriptors(medium)? else {
        return Ok(None);
    };
    let mut volume = Volume {
        file_system: "ISO 9660",
        label: primary.label,
        files: BTreeMap::new(),
        strange: Vec::new(),
    };
    let rock_ridge = folder(medium, primary.root, rock_ridge_name, &mut volume)?;
    if !rock_ridge {
        match joliet {
            Some(joliet) => folder(medium, joliet.root, joliet_name, &mut volume)?,
            None => folder(medium, primary.root, plain_name, &mut volume)?,
        };
    }
    Ok(Some(volume))
}

/// The primary descriptor and Joliet's; `None` if this is no such file system.
fn descriptors(
    medium: &Medium<'_>,
) -> Result<Option<(Descriptor, Option<Descriptor>)>, MediumError> {
    let (mut primary, mut joliet) = (None, None);
    for number in 0..MAX_DESCRIPTORS {
        let offset = (FIRST_DESCRIPTOR + number) * SECTOR_OCTETS;
        let sector = match medium.take(offset, SECTOR_OCTETS as usize) {
            Ok(sector) => sector,
            // The disk ends before it: it is none. Of a disk that fails we hear from the next reader.
            Err(MediumError::Io(_)) if number == 0 => return Ok(None),
            Err(error) => return Err(error),
        };
        if sector.get(1..6) != Some(b"CD001") {
            break;
        }
        let label = sector.get(40..72).unwrap_or_default();
        let escape = sector.get(88..91).unwrap_or_default();
        match sector.first() {
            Some(1) if primary.is_none() => {
                let label = String::from_utf8_lossy(label);
                primary = Some(descriptor(&sector, &label)?);
            }
            Some(2) if matches!(escape, b"%/@" | b"%/C" | b"%/E") => {
                joliet = Some(descriptor(&sector, &utf16(label))?);
            }
            Some(255) => break,
            _ => {}
        }
    }
    Ok(primary.map(|primary| (primary, joliet)))
}

fn descriptor(sector: &[u8], label: &str) -> Result<Descriptor, MediumError> {
    let root = sector.get(156..190).unwrap_or_default();
    let root = extent(root).ok_or(MediumError::Damaged("a descriptor is cut"))?;
    if root.octets > MAX_FOLDER_OCTETS {
        return Err(MediumError::Damaged("the root folder is too large"));
    }
    Ok(Descriptor {
        label: label.trim_matches([' ', '\0']).to_owned(),
        root,
    })
}

fn extent(record: &[u8]) -> Option<Extent> {
    Some(Extent {
        sector: u32_at(record, 2)?,
        octets: u32_at(record, 10)?,
    })
}

/// Takes the wanted files of a folder, as `name` reads the names of its records; tells whether it could read any.
fn folder(
    medium: &Medium<'_>,
    at: Extent,
    name: fn(&[u8]) -> Option<Name>,
    volume: &mut Volume,
) -> Result<bool, MediumError> {
    let sectors = u64::from(at.octets).div_ceil(SECTOR_OCTETS);
    let mut named = false;
    for sector in 0..sectors {
        let offset = (u64::from(at.sector) + sector) * SECTOR_OCTETS;
        let octets = medium.take(offset, SECTOR_OCTETS as usize)?;
        let mut rest = octets.as_slice();
        // A record never crosses a sector; a length of 0 ends the sector.
        while let Some(record) = rest.first().and_then(|length| rest.get(..*length as usize)) {
            if record.len() < 34 {
                break;
            }
            rest = &rest[record.len()..];
            let Some(name) = name(record) else {
                continue;
            };
            named = true;
            let Some(wanted) = wanted(&name.text) else {
                continue;
            };
            // Interleaved files are not of this century.
            let plain = record[25] & NOT_A_FILE == 0 && record[26] == 0 && record[27] == 0;
            if !plain || !name.regular {
                volume.strange.push(wanted);
                continue;
            }
            let extent = extent(record).ok_or(MediumError::Damaged("a record is cut"))?;
            if u64::from(extent.octets) > MAX_FILE_OCTETS {
                return Err(MediumError::TooLong {
                    name: wanted.to_owned(),
                    octets: extent.octets.into(),
                });
            }
            let offset = u64::from(extent.sector) * SECTOR_OCTETS;
            let contents = medium.take(offset, extent.octets as usize)?;
            volume.files.entry(wanted).or_insert(contents);
        }
    }
    Ok(named)
}

/// A name, and whether what it names is a regular file as far as the name's own format knows.
struct Name {
    text: String,
    regular: bool,
}

/// The identifier of a record, and what follows it.
fn identifier(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*record.get(32)?);
    let name = record.get(33..33 + length)?;
    // Padded to an even place.
    let rest = record.get(33 + length + (length + 1) % 2..);
    Some((name, rest.unwrap_or_default()))
}

/// The entries NM (name) and PX (mode) of Rock Ridge. What is continued elsewhere (CE) is not looked at: no wanted name is long.
fn rock_ridge_name(record: &[u8]) -> Option<Name> {
    const FORMAT: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    let (_, mut rest) = identifier(record)?;
    let (mut text, mut regular) = (None, true);
    while rest.len() >= 4 {
        let entry = rest.get(..usize::from(rest[2]))?;
        if entry.len() < 4 {
            break;
        }
        match &entry[..2] {
            // Flags: continued, current folder, parent folder.
            b"NM" if entry.get(4) == Some(&0) => {
                text = Some(String::from_utf8_lossy(&entry[5..]).into_owned());
            }
            b"PX" => regular = u32_at(entry, 4)? & FORMAT == REGULAR,
            b"SL" => regular = false,
            _ => {}
        }
        rest = &rest[entry.len()..];
    }
    text.map(|text| Name { text, regular })
}

fn joliet_name(record: &[u8]) -> Option<Name> {
    let (name, _) = identifier(record)?;
    let text = utf16(name);
    let text = text.strip_suffix(";1").unwrap_or(&text).to_owned();
    let regular = true;
    Some(Name { text, regular })
}

/// `USER_DAT.;1` of level 1 and `USER_DATA.;1` of the other levels are `user-data`.
fn plain_name(record: &[u8]) -> Option<Name> {
    let (name, _) = identifier(record)?;
    let text = String::from_utf8_lossy(name).to_ascii_lowercase();
    let text = text.split(';').next()?.trim_end_matches('.');
    let text = match text {
        "user_dat" | "user_data" => "user-data",
        "meta_dat" | "meta_data" => "meta-data",
        "network_" | "network_config" => "network-config",
        "vendor_d" | "vendor_data" => "vendor-data",
        "ravelin.con" => "ravelin.conf",
        other => other,
    };
    Some(Name {
        text: text.to_owned(),
        regular: true,
    })
}

fn utf16(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2);
    let units = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let text = char::decode_utf16(units);
    text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

//! FAT12, FAT16 and FAT32 (Microsoft's "FAT File System Specification" of 2000): the root folder with its long names.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use zeroize::Zeroizing;

use super::super::medium::{MAX_FILE_OCTETS, Medium, MediumError, u16_at, u32_at};
use super::{Volume, wanted};

const ENTRY_OCTETS: usize = 32;
/// Octets of the root folder: some thousand names.
const MAX_FOLDER_OCTETS: u64 = 256 << 10;
/// Attributes: volume label, folder, and the four that mark a piece of a long name.
const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;
/// Places of the characters of a long name's piece.
const LONG_NAME_PLACES: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Pieces of a long name: 255 characters.
const MAX_PIECES: u8 = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Fat12,
    Fat16,
    Fat32,
}

/// Where everything is, in octets.
struct Layout {
    width: Width,
    table: u64,
    /// The root folder of FAT12 and FAT16, which is no chain.
    root: u64,
    root_octets: u64,
    root_cluster: u32,
    data: u64,
    cluster_octets: u64,
    clusters: u32,
    label: Vec<u8>,
}

/// A name of the root folder and what it stands for.
struct Entry {
    name: String,
    attributes: u8,
    cluster: u32,
    octets: u32,
}

pub fn read(medium: &Medium<'_>) -> Result<Option<Volume>, MediumError> {
    let boot = match medium.take(0, 512) {
        Ok(boot) => boot,
        // Too small to hold anything.
        Err(MediumError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(layout) = layout(&boot) else {
        return Ok(None);
    };
    let root = match layout.width {
        Width::Fat32 => chain(medium, &layout, layout.root_cluster, MAX_FOLDER_OCTETS)?,
        _ => medium.take(layout.root, layout.root_octets as usize)?,
    };
    let (entries, label) = entries(&root);
    let label = label.unwrap_or_else(|| layout.label.clone());
    let mut volume = Volume {
        file_system: "FAT",
        label: String::from_utf8_lossy(&label).trim().to_owned(),
        files: BTreeMap::new(),
        strange: Vec::new(),
    };
    for entry in entries {
        let Some(name) = wanted(&entry.name) else {
            continue;
        };
        if entry.attributes & (FOLDER | LABEL) != 0 {
            volume.strange.push(name);
            continue;
        }
        let octets = u64::from(entry.octets);
        if octets > MAX_FILE_OCTETS {
            return Err(MediumError::TooLong {
                name: name.to_owned(),
                octets,
            });
        }
        let cluster = match layout.width {
            Width::Fat32 => entry.cluster,
            // What FAT32 has in the upper half is something else there.
            _ => entry.cluster & 0xffff,
        };
        let contents = chain(medium, &layout, cluster, octets)?;
        if contents.len() as u64 != octets {
            return Err(MediumError::Damaged("a chain ends before its file"));
        }
        volume.files.entry(name).or_insert(contents);
    }
    Ok(Some(volume))
}

/// Reads the boot sector; `None` if it is that of another file system or a partition table.
fn layout(boot: &[u8]) -> Option<Layout> {
    let jump = matches!(boot.first(), Some(0xeb | 0xe9));
    if !jump || boot.get(510..512) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let sector = u64::from(u16_at(boot, 11)?);
    let per_cluster = u64::from(*boot.get(13)?);
    let reserved = u64::from(u16_at(boot, 14)?);
    let tables = u64::from(*boot.get(16)?);
    let root_octets = u64::from(u16_at(boot, 17)?) * ENTRY_OCTETS as u64;
    let media = *boot.get(21)?;
    let usable = matches!(sector, 512 | 1024 | 2048 | 4096)
        && per_cluster.is_power_of_two()
        && reserved > 0
        && (1..=4).contains(&tables)
        && media >= 0xf0;
    if !usable {
        return None;
    }
    let short_or_long = |short: u16, long: Option<u32>| match short {
        0 => long.map(u64::from),
        short => Some(u64::from(short)),
    };
    let sectors = short_or_long(u16_at(boot, 19)?, u32_at(boot, 32))?;
    let table_sectors = short_or_long(u16_at(boot, 22)?, u32_at(boot, 36))?;
    let root = (reserved + tables * table_sectors) * sector;
    let data = (root + root_octets).next_multiple_of(sector);
    let cluster_octets = per_cluster * sector;
    let clusters = (sectors * sector).checked_sub(data)? / cluster_octets;
    let width = match clusters {
        0..4085 => Width::Fat12,
        4085..65525 => Width::Fat16,
        _ => Width::Fat32,
    };
    let label = if width == Width::Fat32 { 71 } else { 43 };
    Some(Layout {
        width,
        table: reserved * sector,
        root,
        root_octets,
        root_cluster: u32_at(boot, 44)?,
        data,
        cluster_octets,
        clusters: u32::try_from(clusters).ok()?,
        label: boot.get(label..label + 11)?.to_vec(),
    })
}

/// The octets of a chain of clusters, `most` of them. As many steps as these take: a chain in a circle ends all the same.
fn chain(
    medium: &Medium<'_>,
    layout: &Layout,
    mut cluster: u32,
    most: u64,
) -> Result<Zeroizing<Vec<u8>>, MediumError> {
    // Of full size from the start: a vector that grows leaves copies behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(most as usize));
    while (contents.len() as u64) < most {
        let Some(number) = cluster.checked_sub(2).filter(|n| *n < layout.clusters) else {
            break;
        };
        let left = most - contents.len() as u64;
        let octets = left.min(layout.cluster_octets) as usize;
        let offset = layout.data + u64::from(number) * layout.cluster_octets;
        contents.extend_from_slice(&medium.take(offset, octets)?);
        cluster = next(medium, layout, cluster)?;
    }
    Ok(contents)
}

/// What the table says behind `cluster`; values that are no cluster end the chain.
fn next(medium: &Medium<'_>, layout: &Layout, cluster: u32) -> Result<u32, MediumError> {
    let at = u64::from(cluster);
    let damaged = MediumError::Damaged("the table is cut");
    match layout.width {
        Width::Fat12 => {
            let pair = medium.take(layout.table + at + at / 2, 2)?;
            let pair = u16_at(&pair, 0).ok_or(damaged)?;
            let value = if at % 2 == 0 { pair & 0xfff } else { pair >> 4 };
            Ok(value.into())
        }
        Width::Fat16 => {
            let value = medium.take(layout.table + at * 2, 2)?;
            u16_at(&value, 0).map(u32::from).ok_or(damaged)
        }
        Width::Fat32 => {
            let value = medium.take(layout.table + at * 4, 4)?;
            let value = u32_at(&value, 0).ok_or(damaged)?;
            Ok(value & 0x0fff_ffff)
        }
    }
}

/// The names of a folder, and the volume's label.
fn entries(folder: &[u8]) -> (Vec<Entry>, Option<Vec<u8>>) {
    let (mut found, mut label) = (Vec::new(), None);
    let mut long = LongName::default();
    for entry in folder.chunks_exact(ENTRY_OCTETS) {
        let attributes = entry[11];
        match entry[0] {
            0 => break,
            // Deleted.
            0xe5 => long = LongName::default(),
            _ if attributes & LONG_NAME == LONG_NAME => long.piece(entry),
            _ if attributes & LABEL != 0 => {
                label.get_or_insert_with(|| entry[..11].to_vec());
                long = LongName::default();
            }
            _ => {
                let name = std::mem::take(&mut long).finish(&entry[..11]);
                let high = u32::from(u16_at(entry, 20).unwrap_or(0));
                let low = u32::from(u16_at(entry, 26).unwrap_or(0));
                found.push(Entry {
                    name: name.unwrap_or_else(|| short_name(&entry[..11])),
                    attributes,
                    cluster: high << 16 | low,
                    octets: u32_at(entry, 28).unwrap_or(0),
                });
            }
        }
    }
    (found, label)
}

fn short_name(name: &[u8]) -> String {
    let part = |octets: &[u8]| String::from_utf8_lossy(octets).trim_end().to_owned();
    let (base, extension) = (part(&name[..8]), part(&name[8..]));
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}

/// The pieces of a long name, which come last piece first, before the short name that they belong to.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The number of the piece that must come next; 0 when all have come.
    next: u8,
    checksum: u8,
}

impl LongName {
    fn piece(&mut self, entry: &[u8]) {
        const LAST: u8 = 0x40;
        let number = entry[0] & !LAST;
        if entry[0] & LAST != 0 && (1..=MAX_PIECES).contains(&number) {
            self.units.clear();
            self.checksum = entry[13];
        } else if number != self.next || number == 0 || entry[13] != self.checksum {
            *self = Self::default();
            return;
        }
        let units = LONG_NAME_PLACES.map(|at| u16_at(entry, at).unwrap_or(0));
        self.units.splice(0..0, units);
        self.next = number - 1;
    }

    /// The name, if all its pieces belong to this short name.
    fn finish(self, short: &[u8]) -> Option<String> {
        let sum = |sum: u8, octet: &u8| sum.rotate_right(1).wrapping_add(*octet);
        let whole = !self.units.is_empty() && self.next == 0;
        if !whole || short.iter().fold(0, sum) != self.checksum {
            return None;
        }
        let units = self.units.into_iter().take_while(|unit| *unit != 0);
        let text = char::decode_utf16(units);
        Some(
            text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        )
    }
}

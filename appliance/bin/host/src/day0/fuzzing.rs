//! The entry of the fuzz target: every parser of day 0 that meets a stranger's octets.

use std::collections::BTreeMap;
use std::io;

use ravelin_config::Model;
use zeroize::Zeroizing;

use super::compose::compose;
use super::find::disk;
use super::medium::{MAX_FILE_OCTETS, ReadAt};
use super::nocloud;
use super::seed::{Content, Text};
use super::smbios::{Strings, read_strings, table_strings};

/// A disk without end whose octets repeat, so that a short input has boot sector, folders and files.
struct Folded<'a>(&'a [u8]);

impl ReadAt for Folded<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let length = self.0.len() as u64;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let octets = self.0.iter().cycle().skip((offset % length) as usize);
        for (to, from) in buffer.iter_mut().zip(octets) {
            *to = *from;
        }
        Ok(())
    }
}

/// Reads `data` as what its first octet says: a disk, the files of a seed, or a table of the firmware. It must return, and what a
/// source may say must be a configuration.
pub fn read(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let content = match kind % 3 {
        0 => match disk("fuzz", &Folded(data)) {
            Ok(Some(found)) => found.content.ok(),
            _ => None,
        },
        1 => {
            let at = data.iter().position(|octet| *octet == 0);
            let (user, meta) = data.split_at(at.unwrap_or(data.len()));
            let file = |octets: &[u8]| Zeroizing::new(octets.to_vec());
            let files = [("user-data", file(user)), ("meta-data", file(meta))];
            nocloud::read(&BTreeMap::from(files)).ok()
        }
        _ => {
            let oem = table_strings(data);
            let serial = oem.first().map(|s| s.to_string()).unwrap_or_default();
            let read = read_strings(&Strings { serial, oem });
            read.ok().flatten().and_then(|(_, content)| content.ok())
        }
    };
    if let Some(content) = content {
        check(content);
    }
}

fn check(mut content: Content) {
    use std::sync::OnceLock;
    static MODEL: OnceLock<Option<Model>> = OnceLock::new();
    if let Some(text) = content.text.take() {
        assert!(text.text.len() as u64 <= MAX_FILE_OCTETS);
    }
    let empty = Text {
        file: String::new(),
        text: Zeroizing::default(),
        shift_lines: None,
    };
    let Some(model) = MODEL.get_or_init(|| Model::new().ok()) else {
        return;
    };
    if !content.is_empty() {
        let composed = compose(model, &content, &empty);
        assert!(composed.is_ok(), "{:?}", composed.err());
    }
}

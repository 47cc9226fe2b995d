use super::*;
use crate::day0::media::{fat, iso, iso_of};
use std::fs;
use std::os::unix::fs::symlink;

fn of(image: &[u8]) -> Volume {
    read(&Medium::new(&image)).unwrap().unwrap()
}

fn check(volume: &Volume, contents: &[u8]) {
    let names: Vec<&str> = volume.files.keys().copied().collect();
    assert_eq!(names, ["meta-data", "user-data"]);
    assert_eq!(*volume.files["user-data"], contents);
    assert_eq!(*volume.files["meta-data"], b"");
}

/// More than one sector and one cluster, and no round number.
fn long() -> Vec<u8> {
    (0..70_001u32).map(|n| (n % 251) as u8).collect()
}

#[test]
fn every_way_to_make_an_iso_is_read() {
    let long = long();
    let files: &[(&str, &[u8])] = &[("meta-data", b""), ("other", b"x"), ("user-data", &long)];
    for options in [
        &["-R"][..],
        &["-J"],
        &["-R", "-J"],
        &["-iso-level", "1"],
        &["-iso-level", "4"],
    ] {
        let volume = of(&iso("cidata", options, files));
        assert_eq!(
            (volume.file_system, volume.label.as_str()),
            ("ISO 9660", "cidata")
        );
        check(&volume, &long);
    }
}

#[test]
fn every_width_of_fat_is_read() {
    let long = long();
    let files: &[(&str, &[u8])] = &[("meta-data", b""), ("user-data", &long)];
    for (kib, width) in [(1440, 12), (16 << 10, 16), (40 << 10, 32)] {
        let volume = of(&fat("CIDATA", kib, width, files));
        assert_eq!(
            (volume.file_system, volume.label.as_str()),
            ("FAT", "CIDATA")
        );
        check(&volume, &long);
    }
}

#[test]
fn names_are_read_in_either_case() {
    let volume = of(&fat(
        "X",
        1440,
        12,
        &[("RAVELIN.CONF", b"a"), ("User-Data", b"b")],
    ));
    assert_eq!(*volume.files["ravelin.conf"], b"a");
    assert_eq!(*volume.files["user-data"], b"b");
}

#[test]
fn only_regular_files_count() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("user-data")).unwrap();
    symlink("/etc/shadow", tree.join("meta-data")).unwrap();
    let volume = of(&iso_of(
        "cidata",
        &["-R"],
        &tree,
        &folder.path().join("image"),
    ));
    assert!(volume.files.is_empty());
    let mut strange = volume.strange.clone();
    strange.sort_unstable();
    assert_eq!(strange, ["meta-data", "user-data"]);
}

#[test]
fn other_disks_are_none() {
    for image in [
        vec![],
        vec![0; 100],
        vec![0; 64 << 10],
        vec![0xff; 64 << 10],
    ] {
        assert!(read(&Medium::new(&image.as_slice())).unwrap().is_none());
    }
}

/// A boot sector is all that a small disk has beside its files: each octet of it and of the table may be wrong.
#[test]
fn damage_ends_with_a_word() {
    let files: &[(&str, &[u8])] = &[("user-data", &[b'x'; 1500])];
    for image in [
        fat("CIDATA", 1440, 12, files),
        iso("cidata", &["-R"], files),
    ] {
        let interesting = (0..600)
            .chain(32_768..33_000)
            .chain((40_000..60_000).step_by(7));
        let mut image = image.clone();
        for at in interesting {
            let right = image[at];
            for value in [0, 1, 0x7f, 0xff] {
                image[at] = value;
                if let Ok(Some(volume)) = read(&Medium::new(&image.as_slice())) {
                    assert!(volume.files.values().all(|f| f.len() <= 12 << 20));
                }
            }
            image[at] = right;
        }
    }
}

#[test]
fn a_chain_in_a_circle_ends() {
    let mut image = fat("CIDATA", 1440, 12, &[("user-data", &long())]);
    // Every entry of both tables points to cluster 3.
    let reserved = usize::from(u16::from_le_bytes([image[14], image[15]])) * 512;
    for entry in image[reserved + 3..reserved + 9 * 512].chunks_exact_mut(3) {
        entry.copy_from_slice(&[3, 0x30, 0]);
    }
    assert_eq!(of(&image).files["user-data"].len(), 70_001);
}

#[test]
fn a_file_that_is_too_long_is_named() {
    let mut image = fat("CIDATA", 1440, 12, &[("ravelin.conf", b"x")]);
    let place = image.windows(11).position(|w| w == b"RAVELI~1CON").unwrap();
    image[place + 28..place + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&Medium::new(&image.as_slice())).map(drop).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("ravelin.conf: 4294967295 octets"),
        "{error}"
    );
}

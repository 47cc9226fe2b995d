use super::*;
use crate::day0::media::{fat, iso};
use std::fs;

/// A machine with these block devices.
fn machine(devices: &[(&str, &[u8])]) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    fs::create_dir_all(root.path("/dev")).unwrap();
    for (name, image) in devices {
        let block = root.path(BLOCKS).join(name);
        fs::create_dir_all(&block).unwrap();
        fs::write(block.join("size"), format!("{}\n", image.len() / 512)).unwrap();
        fs::write(root.path("/dev").join(name), image).unwrap();
    }
    (folder, root)
}

fn text(found: &Found) -> String {
    let content = found.content.as_ref().unwrap_or_else(|e| panic!("{e}"));
    content.text.as_ref().unwrap().text.to_string()
}

#[test]
fn a_seed_comes_before_a_file_and_the_rest_is_told() {
    let seed = fat(
        "CIDATA",
        1440,
        12,
        &[("user-data", b"set a"), ("meta-data", b"")],
    );
    let other = iso("other", &["-R"], &[("ravelin.conf", b"set b")]);
    let third = iso("third", &["-R"], &[("ravelin.conf", b"set c")]);
    let bare = iso("cidata", &["-R"], &[("readme", b"x")]);
    let (_folder, root) = machine(&[
        ("loop0", &seed),
        ("sda", &other),
        ("sdb", &third),
        ("sr0", &bare),
        ("vda", &[0; 4096]),
        ("vdb", &seed),
        ("vdc", b""),
    ]);
    let search = search(&root);
    let found = search.found.unwrap();
    assert_eq!(
        (found.kind, found.source.as_str()),
        (Kind::NoCloud, "vdb (FAT CIDATA)")
    );
    assert_eq!(text(&found), "set a");
    assert_eq!(
        search.notes,
        [
            "sda (ISO 9660 other) is not used: another source came first",
            "sdb (ISO 9660 third) is not used: another source came first",
        ]
    );
}

#[test]
fn one_disk_under_two_names_is_one_source() {
    let image = iso("x", &["-R"], &[("ravelin.conf", b"set b")]);
    let (_folder, root) = machine(&[("sda", &image), ("sda1", &image)]);
    let search = search(&root);
    assert_eq!(search.found.unwrap().source, "sda (ISO 9660 x)");
    assert!(search.notes.is_empty());
}

#[test]
fn a_seed_may_carry_the_configuration_as_a_file() {
    let files: &[(&str, &[u8])] = &[
        ("meta-data", b"local-hostname: a"),
        ("ravelin.conf", b"set b"),
    ];
    let image = iso("CIDATA", &["-J"], files);
    let found = disk("sr0", &image.as_slice()).unwrap().unwrap();
    assert_eq!(found.kind, Kind::NoCloud);
    assert_eq!(text(&found), "set b");
}

#[test]
fn tables_are_the_last_source_and_damage_is_told() {
    let mut damaged = fat("CIDATA", 1440, 12, &[("user-data", b"set a")]);
    let place = damaged.windows(8).position(|w| w == b"USER-D~1").unwrap();
    damaged[place + 28..place + 32].copy_from_slice(&1_000_000u32.to_le_bytes());
    let (_folder, root) = machine(&[("vdb", &damaged)]);
    let serial = root.path("/sys/class/dmi/id/product_serial");
    fs::create_dir_all(serial.parent().unwrap()).unwrap();
    fs::write(serial, "ds=nocloud;h=gw\n").unwrap();
    let search = search(&root);
    let found = search.found.unwrap();
    assert_eq!(
        (found.kind, found.source.as_str()),
        (Kind::Smbios, "SMBIOS")
    );
    assert_eq!(search.notes.len(), 1);
    assert!(
        search.notes[0].starts_with("vdb: damaged file system: "),
        "{:?}",
        search.notes
    );
}

#[test]
fn a_machine_without_anything_has_no_source() {
    let (_folder, root) = machine(&[]);
    let search = search(&root);
    assert!(search.found.is_none());
    assert_eq!(search.notes.len(), 1, "no sysfs");
}

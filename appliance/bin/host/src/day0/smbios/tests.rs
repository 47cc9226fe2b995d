use super::*;
use std::fs;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

fn given(serial: &str, oem: &[&str]) -> Option<(String, Result<Content, String>)> {
    let strings = Strings {
        serial: serial.to_owned(),
        oem: oem
            .iter()
            .map(|s| Zeroizing::new((*s).to_owned()))
            .collect(),
    };
    read_strings(&strings).unwrap()
}

fn content(serial: &str, oem: &[&str]) -> Content {
    given(serial, oem)
        .unwrap()
        .1
        .unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn strings_of_others_are_no_source() {
    assert!(given("", &[]).is_none());
    assert!(
        given(
            "VMware-56 4d",
            &["[MS_VM_CERT/SHA1/27d6]", "ds=nocloud;h=x"]
        )
        .is_none()
    );
    assert!(given("ds=openstack", &[]).is_none());
}

#[test]
fn the_serial_number_gives_a_host_name() {
    let content = content("ds=nocloud;h=gw1;i=x;s=http://10.0.0.1/", &[]);
    assert_eq!(content.host_name.as_deref(), Some("gw1"));
    assert_eq!(
        content.notes,
        ["s= of the serial number is not used: day 0 needs no network"]
    );
    assert!(
        given("ds=nocloud-net", &[])
            .unwrap()
            .1
            .unwrap_or_else(|e| panic!("{e}"))
            .is_empty()
    );
    let bad = given("ds=nocloud;h=-", &[])
        .unwrap()
        .1
        .map(drop)
        .unwrap_err();
    assert!(bad.starts_with("serial number h=: the host name"), "{bad}");
}

#[test]
fn oem_strings_give_everything() {
    let key = format!("ravelin.ssh-authorized-key={KEY}");
    let content = content(
        "ds=nocloud;h=other",
        &[
            "ravelin.hostname=gw2",
            &key,
            "ravelin.configuration-base64=c2V0",
            "ravelin.configuration-base64=IGEK",
            "ravelin.x=y",
        ],
    );
    assert_eq!(content.host_name.as_deref(), Some("gw2"));
    assert_eq!(content.keys.len(), 1);
    let text = content.text.unwrap();
    assert_eq!(
        (text.text.as_str(), text.file.as_str()),
        ("set a\n", "configuration")
    );
    assert_eq!(content.notes[0], "OEM string ravelin.x is not used");
    let bad = given("", &["ravelin.configuration-base64=*"]).unwrap().1;
    let bad = bad.map(drop).unwrap_err();
    assert_eq!(
        bad,
        "OEM string ravelin.configuration-base64: not base64 of a text"
    );
}

#[test]
fn tables_are_taken_apart() {
    let table = |strings: &[u8]| [&[11, 5, 0, 0, 2][..], strings].concat();
    let of = |strings: &[u8]| {
        let found = table_strings(&table(strings));
        found.iter().map(|s| s.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(b"a\0bc\0\0junk\0"), ["a", "bc"]);
    assert_eq!(of(b"a"), ["a"]);
    assert!(of(b"\0\0").is_empty());
    assert!(table_strings(&[]).is_empty() && table_strings(&[11, 200, 0]).is_empty());
}

#[test]
fn the_kernel_s_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    assert!(strings(&root).unwrap().oem.is_empty(), "no such machine");
    for (file, octets) in [
        (SERIAL, &b"ds=nocloud;h=a\n"[..]),
        (
            "/sys/firmware/dmi/entries/11-0/raw",
            b"\x0b\x05\0\0\x01ravelin.hostname=b\0\0",
        ),
        (
            "/sys/firmware/dmi/entries/11-1/raw",
            b"\x0b\x05\0\0\x01c\0\0",
        ),
    ] {
        fs::create_dir_all(root.path(file).parent().unwrap()).unwrap();
        fs::write(root.path(file), octets).unwrap();
    }
    let strings = strings(&root).unwrap();
    assert_eq!(strings.serial, "ds=nocloud;h=a");
    let oem: Vec<&str> = strings.oem.iter().map(|s| s.as_str()).collect();
    assert_eq!(oem, ["ravelin.hostname=b", "c"]);
}

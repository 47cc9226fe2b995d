//! Seeds of `day0_seed`: small disks of both file systems, seeds in their forms, a table of the firmware.

use crate::Seed;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g x";
/// The kinds of input, by their first octet.
const DISK: u8 = 0;
const FILES: u8 = 1;
const TABLE: u8 = 2;

pub fn seeds() -> Vec<Seed> {
    let of = |kind: u8, octets: &[u8]| [&[kind], octets].concat();
    let cloud_config = format!(
        "#cloud-config\nhostname: a\nfqdn: b\nssh_authorized_keys: [\"{KEY}\"]\nwrite_files:\n- path: /x/ravelin.conf\n  \
         encoding: b64\n  content: c2V0IGE=\n- {{path: /y}}\nother: x\n\0local-hostname: c\npublic-keys: {{x: \"{KEY}\"}}\n"
    );
    let table = format!(
        "\x0b\x05\0\0\x04ds=nocloud;h=a;s=b\0ravelin.hostname=c\0ravelin.ssh-authorized-key={KEY}\0\
         ravelin.configuration-base64=c2V0IGE=\0\0"
    );
    vec![
        ("iso_rock_ridge", of(DISK, &iso(true))),
        ("iso_plain", of(DISK, &iso(false))),
        ("fat12", of(DISK, &fat(1000))),
        ("fat16", of(DISK, &fat(20_000))),
        ("fat32", of(DISK, &fat(200_000))),
        ("text", of(FILES, b"## ravelin\nsystem { host-name a; }\n")),
        ("block", of(FILES, b"#cloud-config\nravelin: |\n  set a\n")),
        ("cloud_config", of(FILES, cloud_config.as_bytes())),
        ("table", of(TABLE, table.as_bytes())),
    ]
}

/// Two sectors that repeat: even ones are the descriptor, odd ones folder and file at once.
fn iso(rock_ridge: bool) -> Vec<u8> {
    let mut disk = vec![0; 4096];
    disk[0] = 1;
    disk[1..6].copy_from_slice(b"CD001");
    disk[40..72].fill(b' ');
    disk[40..46].copy_from_slice(b"cidata");
    disk[156] = 34;
    disk[158] = 17;
    disk[166..168].copy_from_slice(&2048u16.to_le_bytes());
    let mut at = 2048;
    for (plain, name) in [
        (&b"USER_DAT.;1"[..], &b"user-data"[..]),
        (b"META_DAT.;1", b"meta-data"),
    ] {
        let mut record = vec![0; 33];
        record[2] = 17;
        record[10] = 200;
        record[32] = plain.len() as u8;
        record.extend_from_slice(plain);
        if rock_ridge {
            record.extend_from_slice(&[b'P', b'X', 8, 1, 0, 0x80, 0, 0]);
            record.extend_from_slice(&[b'N', b'M', 5 + name.len() as u8, 1, 0]);
            record.extend_from_slice(name);
        }
        record[0] = record.len() as u8;
        disk[at..at + record.len()].copy_from_slice(&record);
        at += record.len();
    }
    disk
}

/// Boot sector, table and folder, each in a sector of its own, and a file of the same octets.
fn fat(sectors: u32) -> Vec<u8> {
    let mut disk = vec![0; 4096];
    disk[0] = 0xeb;
    disk[11..13].copy_from_slice(&512u16.to_le_bytes());
    (disk[13], disk[14], disk[16], disk[18], disk[21]) = (1, 1, 1, 0, 0xf8);
    disk[32..36].copy_from_slice(&sectors.to_le_bytes());
    disk[43..54].copy_from_slice(b"CIDATA     ");
    disk[71..82].copy_from_slice(b"CIDATA     ");
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    // FAT32 has its root folder in cluster 2; the others have 16 names behind the table.
    if sectors > 100_000 {
        disk[36] = 1;
        disk[44] = 2;
    } else {
        disk[17] = 16;
        disk[22] = 1;
    }
    disk[512..1024].fill(0xff);
    disk[1024..1035].copy_from_slice(b"CIDATA     ");
    disk[1035] = 8;
    // `user-data` as a long name of one piece, and its short one.
    let short = b"USER-D~1   ";
    let sum = short
        .iter()
        .fold(0u8, |sum, octet| sum.rotate_right(1).wrapping_add(*octet));
    let long = &mut disk[1056..1088];
    (long[0], long[11], long[13]) = (0x41, 0x0f, sum);
    let places = [1, 3, 5, 7, 9, 14, 16, 18, 20];
    for (place, octet) in places.into_iter().zip(*b"user-data") {
        long[place] = octet;
    }
    disk[1088..1099].copy_from_slice(short);
    (disk[1114], disk[1116]) = (3, 100);
    disk[1120..1131].copy_from_slice(b"RAVELIN CON");
    disk
}

//! The reader against hand-made files.

use super::*;

fn file(records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut out = MAGIC_US.to_le_bytes().to_vec();
    out.resize(FILE_HEADER_OCTETS, 0);
    for (s, us, data) in records {
        for value in [*s, *us, data.len() as u32, data.len() as u32] {
            out.extend(value.to_le_bytes());
        }
        out.extend(*data);
    }
    out
}

#[test]
fn records_and_torn_tail() {
    let whole = file(&[(1, 2, b"abc"), (3, 4, b"defg")]);
    let frames = parse(&whole).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].time_ns, 1_000_002_000);
    assert_eq!(frames[1].frame, b"defg");
    assert_eq!(parse(&whole[..whole.len() - 1]).unwrap().len(), 1);
}

#[test]
fn other_files_are_refused() {
    assert_eq!(parse(b"not a pcap at all, really"), None);
    assert_eq!(parse(b""), None);
}

#[test]
fn what_is_written_can_be_read() {
    let path = std::env::temp_dir().join(format!("ravelin-pcap-{}", std::process::id()));
    let frames = parse(&file(&[(1, 2, b"abc"), (3, 4, b"defg")])).unwrap();
    write(&path, &frames).unwrap();
    assert_eq!(read(&path).unwrap(), frames);
    std::fs::remove_file(path).unwrap();
}

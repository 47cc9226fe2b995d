use super::*;
use ravelin_types::{PairId, Spi};

/// A block: its type and its body.
fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let word =
        |octets: &[u8], at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    while !file.is_empty() {
        let octets = word(file, 4) as usize;
        assert_eq!(octets % 4, 0);
        assert_eq!(word(file, octets - 4) as usize, octets, "both lengths");
        found.push((word(file, 0), file[8..octets - 4].to_vec()));
        file = &file[octets..];
    }
    found
}

fn options(mut body: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        let code = u16::from_le_bytes([body[0], body[1]]);
        let octets = usize::from(u16::from_le_bytes([body[2], body[3]]));
        if code == OPT_END {
            assert_eq!((octets, body.len()), (0, 4));
            return found;
        }
        found.push((code, body[4..4 + octets].to_vec()));
        let padded = octets.next_multiple_of(4);
        assert!(body[4 + octets..4 + padded].iter().all(|o| *o == 0));
        body = &body[4 + padded..];
    }
}

fn interfaces() -> Vec<CaptureInterface> {
    let interface = |name: &str, ethernet| CaptureInterface {
        name: name.to_owned(),
        ethernet,
    };
    vec![interface("ge-0/0/0", true), interface("st0.0", false)]
}

fn packet(interface: u16, outbound: bool, esp: Option<EspLink>) -> Captured {
    Captured {
        time_us: 0x0006_1234_5678_9abc,
        interface,
        outbound,
        octets: 1500,
        esp,
        data: vec![7; 97],
    }
}

#[test]
fn every_block_reads_back_field_by_field() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &interfaces(), 97).unwrap();
    let esp = EspLink {
        pair: Some(PairId(u64::MAX)),
        spi: Spi(u32::MAX),
        sequence: u32::MAX,
    };
    let packets = [packet(1, true, Some(esp)), packet(0, false, None)];
    for packet in &packets {
        let before = writer.octets();
        writer.packet(packet).unwrap();
        assert!(writer.octets() - before <= Writer::<Vec<u8>>::longest(packet));
    }
    let octets = writer.octets();
    writer.end(5).unwrap();
    let blocks = blocks(&file);
    let kinds: Vec<u32> = blocks.iter().map(|b| b.0).collect();
    assert_eq!(
        kinds,
        [SECTION, INTERFACE, INTERFACE, PACKET, PACKET, STATISTICS]
    );
    let last = 12 + blocks[5].1.len() as u64;
    assert_eq!(file.len() as u64, octets + last);

    let section = &blocks[0].1;
    assert_eq!(section[..8], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
    assert_eq!(section[8..16], [0xff; 8]);
    assert_eq!(
        options(&section[16..]),
        [(SHB_APPLICATION, b"Ravelin".to_vec())]
    );
    for (block, (link, name)) in blocks[1..3].iter().zip([(1, "ge-0/0/0"), (101, "st0.0")]) {
        assert_eq!(block.1[..8], [link, 0, 0, 0, 97, 0, 0, 0]);
        assert_eq!(
            options(&block.1[8..]),
            [(IF_NAME, name.as_bytes().to_vec())]
        );
    }

    let body = &blocks[3].1;
    assert_eq!(body[..4], [1, 0, 0, 0]);
    assert_eq!(body[4..12], [0x34, 0x12, 0x06, 0, 0xbc, 0x9a, 0x78, 0x56]);
    assert_eq!(body[12..20], [97, 0, 0, 0, 0xdc, 5, 0, 0]);
    assert_eq!(body[20..117], [7; 97]);
    let comment = "pair 18446744073709551615 spi 0xffffffff seq 4294967295";
    assert!((comment.len() as u64) < COMMENT_OCTETS);
    assert_eq!(
        options(&body[120..]),
        [
            (OPT_COMMENT, comment.as_bytes().to_vec()),
            (EPB_FLAGS, vec![2, 0, 0, 0])
        ]
    );
    assert_eq!(
        options(&blocks[4].1[120..]),
        [(EPB_FLAGS, vec![1, 0, 0, 0])]
    );
    let statistics = options(&blocks[5].1[12..]);
    assert_eq!(statistics[1], (ISB_OS_DROP, vec![5, 0, 0, 0, 0, 0, 0, 0]));
}

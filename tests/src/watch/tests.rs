//! Judgement of hand-made frames.

use super::*;

const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn esp(spi: u32, sequence: u32, iv: u64) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 0, 60]);
    frame.extend([0, 0, 0, 0, 64, 50, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(spi.to_be_bytes());
    frame.extend(sequence.to_be_bytes());
    frame.extend(iv.to_be_bytes());
    frame.extend([0; 24]);
    frame
}

#[test]
fn finds_overtaken_and_repeated_frames() {
    let mut passed = Passed::default();
    let iv = 1 << 62;
    for (sequence, iv) in [(1, iv), (2, iv + 1), (5, iv + 4), (3, iv + 2), (3, iv + 7)] {
        passed.take(&esp(7, sequence, iv));
    }
    passed.take(&esp(8, 5, iv + 4));
    assert_eq!(passed.repeated_sequences, [(SENDER, 7, 3)]);
    assert_eq!(passed.repeated_ivs, []);
    passed.take(&esp(7, 6, iv + 4));
    assert_eq!(passed.repeated_ivs, [(SENDER, 7, iv + 4)]);
    let spi = &passed.esp[&(SENDER, 7)];
    assert_eq!((spi.frames, spi.highest, spi.most_behind), (6, 6, 2));
    assert_eq!(passed.esp_from(SENDER), 7);
}

#[test]
fn an_esp_frame_that_is_cut_off_and_cleartext_are_told() {
    let mut passed = Passed::default();
    let whole = esp(7, 1, 2);
    passed.take(&whole[..40]);
    let mut clear = whole;
    clear[23] = 1;
    passed.take(&clear);
    assert_eq!(passed.esp_from(SENDER), 0);
    assert_eq!(
        (passed.kind(Kind::Other), passed.kind(Kind::Cleartext)),
        (1, 1)
    );
}

//! Framing under every split, and refusal of hostile lengths.

use super::*;

#[test]
fn frames_survive_every_split() {
    let messages = [vec![], vec![1u8; 3], vec![9; 300]];
    let stream: Vec<u8> = messages
        .iter()
        .flat_map(|m| encode(m).unwrap().to_vec())
        .collect();
    for step in 1..stream.len() {
        let mut decoder = Decoder::new();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for piece in stream.chunks(step) {
            decoder.feed(piece);
            while let Some(message) = decoder.next_message().unwrap() {
                seen.push(message);
            }
        }
        assert_eq!(seen, messages, "step {step}");
    }
}

#[test]
fn hostile_length_is_refused_before_it_is_buffered() {
    let mut decoder = Decoder::new();
    decoder.feed(&u32::MAX.to_le_bytes());
    assert!(matches!(
        decoder.next_message::<Vec<u8>>(),
        Err(CodecError::TooLong(_))
    ));
}

#[test]
fn malformed_body_is_an_error() {
    let mut decoder = Decoder::new();
    decoder.feed(&[1, 0, 0, 0, 0xff]);
    assert!(matches!(
        decoder.next_message::<String>(),
        Err(CodecError::Malformed(_))
    ));
}

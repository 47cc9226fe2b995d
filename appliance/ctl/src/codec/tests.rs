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

#[test]
fn buffers_of_keys_are_not_reallocated_in_place() {
    let message = vec![7u8; 1000];
    let frame = encode(&message).unwrap();
    assert_eq!(frame.capacity(), frame.len(), "sized beforehand");
    let mut decoder = Decoder::new();
    for octet in frame.iter() {
        decoder.feed(&[*octet]);
    }
    assert!(decoder.buffer.capacity().is_power_of_two());
    assert_eq!(decoder.next_message::<Vec<u8>>().unwrap(), Some(message));
    assert!(matches!(
        encode(&vec![0u8; MAX_FRAME_OCTETS]),
        Err(CodecError::TooLong(_))
    ));
}

//! Fuzzes the frames of the control sockets: any octets are messages or an error, and a message encodes to itself.
//!
//! The first octet chooses the type that is expected, the second where the stream is cut in two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_ctl::{Decoder, Envelope, Hello, daemon, encode, netd, operator, sa};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fuzz_target!(|data: &[u8]| {
    let [kind, cut, body @ ..] = data else { return };
    let cut = usize::from(*cut);
    match kind % 8 {
        0 => check::<Hello>(cut, body),
        1 => check::<Envelope<operator::Request>>(cut, body),
        2 => check::<Envelope<operator::Reply>>(cut, body),
        3 => check::<Envelope<sa::Request>>(cut, body),
        4 => check::<Envelope<sa::FromPlaned>>(cut, body),
        5 => check::<Envelope<daemon::Request>>(cut, body),
        6 => check::<Envelope<daemon::Reply>>(cut, body),
        _ => check::<netd::Request>(cut, body),
    }
});

/// Reads `body` as a stream, and as the content of one frame.
fn check<T: Serialize + DeserializeOwned + Debug>(cut: usize, body: &[u8]) {
    read::<T>(cut, body);
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    read::<T>(cut, &frame);
}

fn read<T: Serialize + DeserializeOwned + Debug>(cut: usize, stream: &[u8]) {
    let mut decoder = Decoder::new();
    let (head, tail) = stream.split_at(cut.min(stream.len()));
    for part in [head, tail] {
        decoder.feed(part);
        while let Ok(Some(message)) = decoder.next_message::<T>() {
            repeat(&message);
        }
    }
}

/// The same message comes out again; compared as text, because not every type has equality.
fn repeat<T: Serialize + DeserializeOwned + Debug>(message: &T) {
    let Ok(frame) = encode(message) else { return };
    let mut decoder = Decoder::new();
    decoder.feed(&frame);
    let again = decoder.next_message::<T>();
    let again = again.map(|m| format!("{m:?}"));
    assert!(matches!(again, Ok(text) if text == format!("{:?}", Some(message))));
}

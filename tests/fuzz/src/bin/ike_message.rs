//! Fuzzes the IKE message codec: whatever parses is emitted as octets that parse to the same message.
//!
//! A datagram is tried as it is and with the header's length repaired, or the length would hide the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_ike::msg::{Message, sk, unknown_critical};

const LENGTH_AT: usize = 24;

fuzz_target!(|data: &[u8]| {
    check(data);
    let mut repaired = data.to_vec();
    if let (Some(field), Ok(length)) = (
        repaired.get_mut(LENGTH_AT..LENGTH_AT + 4),
        u32::try_from(data.len()),
    ) {
        field.copy_from_slice(&length.to_be_bytes());
        check(&repaired);
    }
    // What a peer with the keys may put inside: the first octet is the type of the first payload.
    if let Some((first, plain)) = data.split_first() {
        let _ = sk::parse_plain(*first, plain, 0);
    }
});

fn check(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    unknown_critical(&message.payloads);
    let again = Message::parse(&message.emit());
    assert_eq!(again.as_ref(), Ok(&message));
}

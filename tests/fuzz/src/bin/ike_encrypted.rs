//! Fuzzes what an authenticated peer may send: the content of encrypted messages to an established endpoint.
//!
//! An input is up to four messages, each `exchange, flags, first payload, length`, then that many octets of payloads; the
//! target seals them with the keys. Flags: bit 0 a response; bits 1 and 2 the message ID: the next, the one before, one too
//! far, zero; bit 3: as fragments, one more than bits 6 and 7 say, bit 4 in reverse order, bit 5 the first one twice. In between time passes, so that rekeys, retransmissions and expiry run too.
#![no_main]

// Some of it is for the other target.
#[allow(dead_code)]
#[path = "../peer.rs"]
mod peer;

use libfuzzer_sys::fuzz_target;
use peer::Peer;
use ravelin_types::Time;
use std::sync::OnceLock;
use std::time::Duration;

/// More messages only repeat what the first ones reach.
const MESSAGES: usize = 4;
/// The ID after IKE_SA_INIT (0) and IKE_AUTH (1).
const FIRST_ID: u32 = 2;
/// Half the spare half-open time; time enough for a retransmission.
const STEP: Duration = Duration::from_secs(3);

static PEER: OnceLock<Peer> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let peer = PEER.get_or_init(Peer::new);
    let mut now = Time(2);
    let (mut endpoint, mut journal) = peer.restored(now);
    let (mut rest, mut next) = (data, FIRST_ID);
    for _ in 0..MESSAGES {
        let [exchange, flags, first, octets, tail @ ..] = rest else {
            break;
        };
        let (chain, tail) = tail.split_at(usize::from(*octets).min(tail.len()));
        rest = tail;
        let id = match flags >> 1 & 3 {
            0 => next,
            1 => next - 1,
            2 => next + 1,
            _ => 0,
        };
        let response = flags & 1 == 1;
        let messages = if flags & 8 == 0 {
            vec![peer.seal(*exchange, response, id, *first, chain)]
        } else {
            let total = u16::from(flags >> 6) + 1;
            let mut all = peer.cut(*exchange, response, id, *first, chain, total);
            if flags & 16 != 0 {
                all.reverse();
            }
            if flags & 32 != 0 {
                all.insert(1, all[0].clone());
            }
            all
        };
        let mut answers = Vec::new();
        for message in &messages {
            answers.extend(peer.deliver(&mut endpoint, message, now, &mut journal));
        }
        next += u32::from(id == next && !response && !answers.is_empty());
        for answer in &answers {
            peer.check(&answer.data);
        }
        now = now + STEP;
        endpoint.handle_timeout(now);
        for sent in peer.pump(&mut endpoint, now, &mut journal) {
            peer.check(&sent.data);
        }
    }
    // One of the handshake, and each message adds one at most.
    assert!(endpoint.child_sas().count() <= 1 + MESSAGES);
});

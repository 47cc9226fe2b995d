//! Real packets through random histories of deaths, losses and grants: no explicit IV and no sequence number leaves twice, nothing
//! leaves above a stored ceiling, and nothing is accepted twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::*;
use proptest::prelude::*;
use ravelin_ctl::sa::{Event, InstallError, SaPair};
use ravelin_dataplane::DropReason;
use ravelin_dataplane::control::Notice;
use ravelin_dataplane::io::memory::cells;
use ravelin_types::numbers::RESUME_STEP;
use ravelin_types::{Numbers, PairId};

/// What iked grants here at once: few, so that a history meets its ceilings.
const BLOCK: u64 = 6;

/// The daemon that stores and grants, as far as one pair needs it.
struct Iked {
    epoch: u32,
    ceilings: Numbers,
}

impl Iked {
    fn pair(&mut self) -> SaPair {
        self.epoch += 1;
        let mut pair = pair(1, 1, false, false);
        pair.epoch = self.epoch;
        pair.ceilings = self.ceilings;
        pair
    }

    /// The ceilings after the newest of the asks, when there is one.
    fn store(&mut self, asked: Option<Numbers>) -> Option<Numbers> {
        let used = asked?;
        self.ceilings.outbound = self.ceilings.outbound.max(used.outbound + BLOCK);
        self.ceilings.inbound = self.ceilings.inbound.max(used.inbound + BLOCK);
        Some(self.ceilings)
    }
}

fn asked(gateway: &mut Gateway) -> Option<Numbers> {
    let mut asks = gateway.notices.drain(..).filter_map(|notice| match notice {
        Notice::Sa(Event::CeilingWanted(asks)) => asks.first().copied(),
        _ => None,
    });
    asks.next_back().map(|(_, used)| used)
}

fn numbers(esp: &[u8]) -> (u64, u64) {
    let sequence = u32::from_be_bytes(esp[24..28].try_into().unwrap());
    let iv = u64::from_be_bytes(esp[28..36].try_into().unwrap());
    (u64::from(sequence), iv)
}

fn words_of(gateway: &Gateway) -> Box<[AtomicU64]> {
    let words = gateway.controller.shared().cells.iter();
    words
        .map(|cell| AtomicU64::new(cell.load(Ordering::SeqCst)))
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// This many packets go down the tunnel.
    Down(u8),
    /// This many come up.
    Up(u8),
    /// The peer loses this many packets of its own on the way.
    Lose(u8),
    /// planed dies, and with `true` the words in shared memory too.
    Die(bool),
    /// What was asked is stored and granted.
    Grant,
    /// What was asked is stored, and the grant is lost.
    GrantLost,
    /// Everything that the peer ever sent comes again.
    Replay,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        5 => (1u8..12).prop_map(Step::Down),
        5 => (1u8..12).prop_map(Step::Up),
        1 => (1u8..30).prop_map(Step::Lose),
        3 => any::<bool>().prop_map(Step::Die),
        6 => Just(Step::Grant),
        1 => Just(Step::GrantLost),
        2 => Just(Step::Replay),
    ];
    proptest::collection::vec(one, 1..40)
}

struct History {
    a: Gateway,
    b: Gateway,
    iked: Iked,
    sequences: HashSet<u64>,
    ivs: HashSet<u64>,
    captured: Vec<Vec<u8>>,
    sent_by_peer: u16,
    accepted: HashSet<Vec<u8>>,
}

impl History {
    fn new() -> Self {
        let mut iked = Iked {
            epoch: 0,
            ceilings: Numbers {
                outbound: BLOCK,
                inbound: BLOCK,
            },
        };
        let (mut a, mut b) = (Gateway::new(1), Gateway::new(2));
        a.install(&[iked.pair()]);
        b.install(&[pair(2, 1, false, false)]);
        Self {
            a,
            b,
            iked,
            sequences: HashSet::new(),
            ivs: HashSet::new(),
            captured: vec![],
            sent_by_peer: 0,
            accepted: HashSet::new(),
        }
    }

    fn down(&mut self, count: u8) {
        for _ in 0..count {
            let packet = udp(host(1, false), host(2, false), (7, 8), b"down");
            self.a.receive(TRUST, &packet);
            for esp in self.a.sent(UNTRUST) {
                let (sequence, iv) = numbers(&esp);
                assert!(self.sequences.insert(sequence), "number {sequence} twice");
                assert!(self.ivs.insert(iv), "IV {iv:x} twice");
                assert!(sequence <= self.iked.ceilings.outbound, "above the ceiling");
            }
        }
    }

    /// What the peer sends next.
    fn next_of_peer(&mut self) -> Vec<u8> {
        self.sent_by_peer += 1;
        let number = self.sent_by_peer.to_be_bytes();
        let packet = udp(host(2, false), host(1, false), (9, 9), &number);
        self.b.receive(TRUST, &packet);
        let esp = self.b.sent(UNTRUST).pop().unwrap();
        self.captured.push(esp.clone());
        esp
    }

    fn up(&mut self, esp: &[u8]) {
        self.a.receive(UNTRUST, esp);
        for inner in self.a.sent(TRUST) {
            let (sequence, _) = numbers(esp);
            assert!(sequence <= self.iked.ceilings.inbound, "above the ceiling");
            assert!(self.accepted.insert(inner), "accepted twice");
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Down(count) => self.down(count),
            Step::Up(count) => {
                for _ in 0..count {
                    let esp = self.next_of_peer();
                    self.up(&esp);
                }
            }
            Step::Lose(count) => {
                for _ in 0..count {
                    self.next_of_peer();
                }
            }
            Step::Die(lost) => {
                let words = if lost {
                    cells(SLOTS)
                } else {
                    words_of(&self.a)
                };
                self.a = Gateway::with(1, 1, words);
                self.a.install(&[self.iked.pair()]);
            }
            Step::Grant | Step::GrantLost => {
                self.a.run();
                let stored = self.iked.store(asked(&mut self.a));
                if let (Some(ceilings), Step::Grant) = (stored, step) {
                    self.a.controller.grant(PairId(1), ceilings);
                    self.a.run();
                }
            }
            Step::Replay => {
                for esp in self.captured.clone() {
                    self.up(&esp);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_history_repeats_a_nonce_or_accepts_a_packet_twice(steps in steps()) {
        let mut history = History::new();
        for step in &steps {
            history.step(step);
        }
        // However it went, asks and grants bring both directions back.
        for _ in 0..6 {
            history.step(&Step::Down(1));
            history.step(&Step::Up(BLOCK as u8));
            history.a.advance(3);
            history.step(&Step::Grant);
        }
        let (sent, accepted) = (history.sequences.len(), history.accepted.len());
        history.step(&Step::Down(1));
        prop_assert_eq!(history.sequences.len(), sent + 1, "{:?}", history.a.drops());
        // Below the inbound ceiling of a lost record the peer is not heard; it is rekeyed. Here it sends on until it passes.
        for _ in 0..300 {
            if history.accepted.len() > accepted {
                break;
            }
            history.step(&Step::Up(4));
            history.step(&Step::Grant);
        }
        prop_assert!(history.accepted.len() > accepted, "{:?}", history.a.drops());
    }
}

#[test]
fn a_pair_at_its_ceiling_drops_under_its_reason_until_it_is_granted() {
    let mut history = History::new();
    history.down(BLOCK as u8 + 3);
    assert_eq!(history.sequences.len() as u64, BLOCK);
    assert_eq!(history.a.drop_count(DropReason::SequenceUngranted), 3);
    for _ in 0..BLOCK + 2 {
        let esp = history.next_of_peer();
        history.up(&esp);
    }
    assert_eq!(history.accepted.len() as u64, BLOCK);
    assert_eq!(history.a.drop_count(DropReason::InboundUngranted), 2);
    // Asked at each step of the ceilings, not for each packet; and again after a while, since iked may have been away.
    let asks = |gateway: &Gateway| {
        let ask = |notice: &&Notice<_>| matches!(notice, Notice::Sa(Event::CeilingWanted(_)));
        gateway.notices.iter().filter(ask).count()
    };
    let before = asks(&history.a);
    assert!((1..=3).contains(&before), "{before} asks");
    history.a.advance(5);
    assert!(asks(&history.a) > before);
    history.step(&Step::Grant);
    history.down(1);
    assert_eq!(history.sequences.len() as u64, BLOCK + 1);
}

#[test]
fn a_lost_record_resumes_at_the_ceilings_and_asks_for_a_rekey() {
    let mut history = History::new();
    history.down(2);
    let esp = history.next_of_peer();
    history.up(&esp);
    history.step(&Step::Die(true));
    assert!(history.a.notices.iter().any(
        |notice| matches!(notice, Notice::Sa(Event::Resumed(pairs)) if *pairs == [PairId(1)])
    ));
    // Nothing may be sent at the ceiling itself, and what was captured is refused.
    history.down(1);
    assert_eq!(history.a.drop_count(DropReason::SequenceUngranted), 1);
    history.step(&Step::Replay);
    assert_eq!(history.accepted.len(), 1);
    history.step(&Step::Grant);
    history.down(1);
    assert!(history.sequences.contains(&(BLOCK + 1)));
}

#[test]
fn a_kept_record_resumes_a_step_further_on() {
    let mut history = History::new();
    history.down(2);
    history.step(&Step::Die(false));
    history.down(1);
    assert_eq!(
        history.sequences.len(),
        2,
        "beyond the ceiling of this test"
    );
    history.step(&Step::Grant);
    history.down(1);
    assert!(history.sequences.contains(&(2 + RESUME_STEP + 1)));
}

#[test]
fn a_pair_without_record_and_ceilings_is_refused() {
    let mut gateway = Gateway::new(1);
    let mut again = pair(1, 1, false, false);
    again.epoch = 2;
    again.ceilings = Numbers::default();
    let results = gateway.controller.install(&[again]);
    assert_eq!(results[0].1, Err(InstallError::SequenceLost));
}

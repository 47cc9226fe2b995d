//! Random histories of installs, restarts, losses, grants and packets against the rules.

use super::*;
use proptest::prelude::*;

#[test]
fn the_constants_fit_each_other() {
    assert_eq!(
        1 + IV_EPOCH_BITS + IV_COUNTER_BITS,
        63,
        "one node bit more, of two"
    );
    const { assert!(RESUME_STEP < ASK_LEFT && GRANT < NUMBERS_LEFT_SOFT) };
    // A lost record makes the number jump by a grant and a restart's step at most.
    const { assert!(GRANT + RESUME_STEP < 1 << 31) };
}

#[test]
fn an_end_brought_forward_is_told_from_exhaustion_and_no_grant_takes_it_back() {
    let mut counter = Counter::new(0, GRANT, false);
    counter.ceiling().end_at(2);
    counter.take();
    assert_eq!(counter.next(), Ok(2));
    counter.take();
    assert_eq!(counter.next(), Err(Refusal::Expired));
    counter.ceiling().raise(2 * GRANT);
    assert_eq!(counter.next(), Err(Refusal::Expired));
    assert!(!counter.wants());
    // An end beyond the numbers is none, and one beyond the grant waits for it.
    let mut late = Counter::new(GRANT, GRANT, false);
    late.ceiling().end_at(u64::MAX);
    assert!(!late.ceiling().is_ended());
    late.ceiling().end_at(GRANT + 1);
    assert_eq!(late.next(), Err(Refusal::Ungranted));
    late.ceiling().raise(2 * GRANT);
    assert_eq!(late.next(), Ok(GRANT + 1));
    late.take();
    assert_eq!(late.next(), Err(Refusal::Expired));
    let exhausted = Counter::new(LAST_SEQUENCE, LAST_SEQUENCE, false);
    assert_eq!(exhausted.next(), Err(Refusal::Exhausted));
}

#[test]
fn a_first_install_begins_at_nothing_and_later_ones_never() {
    let begin = |epoch, known, ceilings| resume(epoch, known, ceilings);
    let new = Resumption {
        last: Numbers::default(),
        used: Numbers::default(),
        lost: false,
    };
    assert_eq!(begin(1, None, Numbers::FIRST), Ok(new));
    let lost = Resumption {
        last: Numbers::FIRST,
        used: Numbers::FIRST,
        lost: true,
    };
    assert_eq!(begin(2, None, Numbers::FIRST), Ok(lost));
    assert_eq!(begin(2, None, Numbers::default()), Err(Unusable::Lost));
    let known = |epoch| Remembered {
        epoch,
        last: Numbers {
            outbound: 7,
            inbound: 9,
        },
    };
    assert_eq!(
        begin(2, Some(known(2)), Numbers::FIRST),
        Err(Unusable::Epoch)
    );
    let resumed = begin(2, Some(known(1)), Numbers::FIRST).unwrap();
    assert_eq!(
        (resumed.last.outbound, resumed.last.inbound, resumed.lost),
        (7 + RESUME_STEP, 9, false)
    );
    assert_eq!(
        begin(LAST_EPOCH + 1, None, Numbers::FIRST),
        Err(Unusable::Epoch)
    );
}

#[test]
fn a_grant_is_idempotent_and_ends_at_the_last_number() {
    let used = Numbers {
        outbound: 10,
        inbound: LAST_SEQUENCE - 1,
    };
    let granted = Numbers::FIRST.granted(used, false);
    assert_eq!(
        granted,
        Numbers {
            outbound: GRANT + 10,
            inbound: LAST_SEQUENCE
        }
    );
    assert_eq!(granted.granted(used, false), granted);
    assert_eq!(granted.granted(Numbers::default(), false), granted);
    // With extended numbers 32 bits are no end.
    let end = Numbers {
        outbound: LAST_EXTENDED_SEQUENCE - 1,
        inbound: LAST_SEQUENCE,
    };
    let granted = Numbers::FIRST.granted(end, true);
    assert_eq!(
        granted,
        Numbers {
            outbound: LAST_EXTENDED_SEQUENCE,
            inbound: LAST_SEQUENCE + GRANT
        }
    );
}

#[test]
fn a_counter_asks_in_time_and_once() {
    let mut counter = Counter::new(0, GRANT, false);
    counter.last = ASK_LEFT - 1;
    assert!(!counter.wants());
    counter.take();
    assert!(counter.wants());
    counter.ceiling().asked();
    assert!(!counter.wants());
    counter.last = GRANT;
    assert_eq!(counter.next(), Err(Refusal::Ungranted));
    counter.ceiling().raise(GRANT / 2);
    assert_eq!(counter.next(), Err(Refusal::Ungranted), "a late grant");
    counter.ceiling().raise(u64::MAX);
    assert_eq!(counter.next(), Ok(GRANT + 1));
    assert!(!counter.wants(), "there is no more to ask for");
    counter.last = LAST_SEQUENCE;
    assert_eq!(counter.next(), Err(Refusal::Exhausted));
    let extended = Counter::new(LAST_SEQUENCE, u64::MAX, true);
    assert_eq!(extended.next(), Ok(LAST_SEQUENCE + 1));
    assert_eq!(extended.remaining(), LAST_EXTENDED_SEQUENCE - LAST_SEQUENCE);
}

#[derive(Clone, Debug)]
enum Step {
    /// This many packets want to leave.
    Send(u64),
    /// The peer has sent up to this many numbers further.
    Receive(u64),
    /// planed dies after this many packets more than its record says; then its record is lost, or not.
    PlanedDies { unstored: u64, lost: bool },
    /// iked dies: what was under way between them is gone.
    IkedDies,
    /// iked reads what was asked; its grants are under way.
    AskArrives,
    /// planed takes the newest grant, or an old one.
    GrantArrives { newest: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let count = prop_oneof![
        3 => 1u64..1000,
        3 => 1u64..GRANT,
        1 => 1u64..NUMBERS_LEFT_SOFT * 2,
    ];
    prop_oneof![
        6 => count.clone().prop_map(Step::Send),
        4 => count.prop_map(Step::Receive),
        2 => (0u64..RESUME_STEP, any::<bool>()).prop_map(|(unstored, lost)| Step::PlanedDies { unstored, lost }),
        1 => Just(Step::IkedDies),
        4 => Just(Step::AskArrives),
        4 => any::<bool>().prop_map(|newest| Step::GrantArrives { newest }),
    ]
}

/// What iked has stored.
struct Stored {
    epoch: u32,
    ceilings: Numbers,
}

struct Running {
    counter: Counter,
    inbound: Ceiling,
    top: u64,
}

/// A pair with both daemons, and everything that was ever sent and accepted as ranges of numbers.
struct World {
    stored: Stored,
    record: Option<Remembered>,
    running: Option<Running>,
    asks: Vec<Numbers>,
    grants: Vec<Numbers>,
    peer: u64,
    sent: Vec<(u32, u64, u64)>,
    accepted: Vec<(u64, u64)>,
    rekey_wanted: bool,
    stopped: bool,
}

impl World {
    fn new(epoch: u32, outbound: u64, inbound: u64) -> Self {
        let last = Numbers { outbound, inbound };
        let fresh = epoch == 0;
        let mut world = Self {
            stored: Stored {
                epoch,
                ceilings: Numbers::FIRST.granted(last, false),
            },
            record: (!fresh).then_some(Remembered { epoch, last }),
            running: None,
            asks: vec![],
            grants: vec![],
            peer: inbound,
            sent: vec![(0, 0, outbound)],
            accepted: vec![(0, inbound)],
            rekey_wanted: false,
            stopped: false,
        };
        if fresh {
            (world.sent, world.accepted, world.peer) = (vec![], vec![], 0);
        }
        world.install();
        world
    }

    /// iked stores the next epoch, then planed installs, as `Endpoint::reinstall` and the controller do.
    fn install(&mut self) {
        self.rekey_wanted |= is_epoch_soft(self.stored.epoch);
        if self.stored.epoch >= LAST_EPOCH {
            assert!(self.rekey_wanted, "stopped without a rekey");
            self.stopped = true;
            return;
        }
        self.stored.epoch += 1;
        match resume(self.stored.epoch, self.record, self.stored.ceilings) {
            Ok(resumed) => {
                self.rekey_wanted |= resumed.lost;
                self.record = Some(Remembered {
                    epoch: self.stored.epoch,
                    last: resumed.last,
                });
                let running = Running {
                    counter: Counter::new(
                        resumed.last.outbound,
                        self.stored.ceilings.outbound,
                        false,
                    ),
                    inbound: Ceiling::new(self.stored.ceilings.inbound, LAST_SEQUENCE),
                    top: resumed.last.inbound,
                };
                self.running = Some(running);
            }
            Err(_) => panic!("a stored pair is always usable"),
        }
    }

    fn ask(&mut self, inbound: u64) {
        let Some(running) = &mut self.running else {
            return;
        };
        if running.counter.wants() || running.inbound.wants(inbound) {
            self.asks.push(Numbers {
                outbound: running.counter.last(),
                inbound: inbound.max(running.top),
            });
            running.counter.ceiling().asked();
            running.inbound.asked();
        }
    }

    /// Takes up to `count` numbers at once, as one after the other would be.
    fn send(&mut self, count: u64, stored: bool) {
        let Some(running) = &mut self.running else {
            return;
        };
        let counter = &mut running.counter;
        let first = counter.last + 1;
        let room = counter.ceiling.granted.saturating_sub(counter.last);
        let taken = count.min(room);
        if taken > 0 {
            assert_eq!(counter.next(), Ok(first));
            counter.last += taken - 1;
            counter.take();
            self.sent.push((self.stored.epoch, first, counter.last));
            assert!(
                counter.last <= self.stored.ceilings.outbound,
                "a ceiling is passed"
            );
            if let Some(record) = self.record.as_mut().filter(|_| stored) {
                record.last.outbound = counter.last;
            }
        }
        self.rekey_wanted |= counter.is_soft();
        if taken < count {
            match counter.next() {
                Err(Refusal::Exhausted) => {
                    assert!(self.rekey_wanted, "stopped without a rekey");
                    self.stopped = true;
                }
                Err(Refusal::Ungranted) => {}
                other => panic!("room was left: {other:?}"),
            }
        }
        self.ask(0);
    }

    fn receive(&mut self, count: u64) {
        let first = self.peer + 1;
        self.peer = (self.peer + count).min(LAST_SEQUENCE);
        let Some(running) = &mut self.running else {
            return;
        };
        // In order, so the window lets pass what lies right of its edge.
        let from = first.max(running.top + 1);
        let to = self.peer.min(running.inbound.granted);
        if from <= to {
            assert!(running.inbound.admits(to) && to <= self.stored.ceilings.inbound);
            self.accepted.push((from, to));
            running.top = to;
            if let Some(record) = &mut self.record {
                record.last.inbound = to;
            }
        }
        let newest = self.peer;
        self.ask(newest);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send(count) => self.send(count, true),
            Step::Receive(count) => self.receive(count),
            Step::PlanedDies { unstored, lost } => {
                self.send(unstored, false);
                self.running = None;
                self.asks.clear();
                self.grants.clear();
                if lost {
                    self.record = None;
                }
                self.install();
            }
            Step::IkedDies => {
                self.asks.clear();
                self.grants.clear();
                // planed asks again when iked is back.
                if let Some(running) = &self.running {
                    self.asks.push(Numbers {
                        outbound: running.counter.last(),
                        inbound: running.top,
                    });
                }
            }
            Step::AskArrives => {
                for used in self.asks.drain(..) {
                    self.stored.ceilings = self.stored.ceilings.granted(used, false);
                    self.grants.push(self.stored.ceilings);
                }
            }
            Step::GrantArrives { newest } => {
                let at = if newest {
                    self.grants.len().saturating_sub(1)
                } else {
                    0
                };
                if let (Some(grant), Some(running)) = (self.grants.get(at), &mut self.running) {
                    running.counter.ceiling().raise(grant.outbound);
                    running.inbound.raise(grant.inbound);
                }
            }
        }
    }

    /// Everything sent and accepted lies apart, so no number and no explicit IV came twice.
    fn check(&self) {
        let mut sent: Vec<_> = self.sent.iter().map(|(_, from, to)| (*from, *to)).collect();
        let mut accepted = self.accepted.clone();
        for ranges in [&mut sent, &mut accepted] {
            ranges.sort_unstable();
            for pair in ranges.windows(2) {
                assert!(pair[0].1 < pair[1].0, "used twice: {pair:?}");
            }
        }
        let last = |ranges: &[(u64, u64)]| ranges.last().map_or(0, |range| range.1);
        assert!(last(&sent) <= LAST_SEQUENCE && last(&accepted) <= LAST_SEQUENCE);
        let highest = self.sent.iter().map(|(epoch, _, _)| *epoch).max();
        assert!(highest.unwrap_or(0) <= LAST_EPOCH);
    }
}

/// Where a history begins: new, in the middle, or near one of the ends.
fn beginning() -> impl Strategy<Value = (u32, u64, u64)> {
    let epoch = prop_oneof![Just(0), 1u32..LAST_EPOCH, LAST_EPOCH - 8..LAST_EPOCH];
    let number = || prop_oneof![0..LAST_SEQUENCE, LAST_SEQUENCE - 2 * GRANT..LAST_SEQUENCE];
    (epoch, number(), number()).prop_map(|(epoch, out, inn)| match epoch {
        0 => (0, 0, 0),
        epoch => (epoch, out, inn),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_history_uses_a_number_twice((epoch, out, inn) in beginning(), steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new(epoch, out, inn);
        for step in &steps {
            world.step(step);
            world.check();
            if world.stopped {
                break;
            }
        }
    }

    #[test]
    fn the_end_of_the_numbers_is_a_rekey_and_then_a_stop(epoch in 1u32..LAST_EPOCH, losses in 0u32..4) {
        let mut world = World::new(epoch, LAST_SEQUENCE - 3 * GRANT, 0);
        for _ in 0..losses {
            world.step(&Step::PlanedDies { unstored: 0, lost: true });
        }
        let mut wanted_at = None;
        for turn in 0..20 {
            world.step(&Step::Send(GRANT));
            world.step(&Step::AskArrives);
            world.step(&Step::GrantArrives { newest: true });
            wanted_at = wanted_at.or(world.rekey_wanted.then_some(turn));
        }
        prop_assert!(world.stopped && wanted_at.is_some());
        let sent = world.sent.len();
        world.step(&Step::Send(1));
        prop_assert_eq!(world.sent.len(), sent, "nothing after the last number");
    }
}

use super::*;
use crate::tables::IfIndex;

fn limits(packets: u64) -> VolumeLife {
    let volume = |packets| Volume {
        packets,
        ..Volume::UNLIMITED
    };
    VolumeLife {
        soft: volume(packets / 2),
        hard: volume(packets),
    }
}

fn new() -> Carried {
    Carried {
        resumed: Resumption {
            last: Numbers::default(),
            used: Numbers::default(),
            lost: false,
        },
        octets: [0, 0],
    }
}

fn child(pair: u64) -> Arc<Child> {
    Arc::new(Child::new(PairId(pair), (0, 0), IfIndex(1), &[], &[]))
}

fn look(lives: &mut Lives, now: Time) -> (Vec<PairId>, Vec<PairId>) {
    lives.look(now, |_, _| {})
}

#[test]
fn many_pairs_are_looked_at_in_turns_and_each_limit_is_told_once() {
    let count = 2 * PAIRS_PER_ROUND as u64 + 10;
    let mut lives = Lives::default();
    for pair in 0..count {
        let child = child(pair);
        child.traffic.out_packets.add(60);
        lives.enter(limits(100), new(), &child);
    }
    let mut told = Vec::new();
    for _ in 0..5 {
        let (soft, hard) = look(&mut lives, Time(1));
        assert!(soft.len() <= PAIRS_PER_ROUND && hard.is_empty());
        told.extend(soft);
    }
    let all: Vec<_> = (0..count).map(PairId).collect();
    assert_eq!(told, all);
    let (soft, _) = look(&mut lives, Time(1) + PACE);
    assert!(soft.is_empty(), "told once");
    lives.tell_again();
    for _ in 0..3 {
        look(&mut lives, Time(1) + PACE);
    }
    let (soft, _) = look(&mut lives, Time(1) + PACE * 2);
    assert_eq!(soft.len(), PAIRS_PER_ROUND, "told again");
}

#[test]
fn packets_before_a_restart_count_and_the_jump_of_the_numbers_does_not() {
    let mut before = new();
    before.resumed = Resumption {
        last: Numbers {
            outbound: 40 + 65_536,
            inbound: 90,
        },
        used: Numbers {
            outbound: 40,
            inbound: 90,
        },
        lost: false,
    };
    let child = child(1);
    let mut lives = Lives::default();
    let last = lives.enter(limits(200), before, &child);
    assert_eq!(last.unwrap().outbound, 65_536 + 200);
    assert_eq!(look(&mut lives, Time(1)).0, []);
    child.traffic.in_packets.add(10);
    assert_eq!(look(&mut lives, Time(1) + PACE).0, [PairId(1)]);
}

#[test]
fn octets_count_with_what_padding_may_add() {
    let octets = |octets| Volume {
        octets,
        ..Volume::UNLIMITED
    };
    let life = VolumeLife {
        soft: octets(900),
        hard: octets(1000),
    };
    let (fresh, child) = (child(1), child(1));
    let mut lives = Lives::default();
    assert_eq!(lives.enter(life, new(), &child), None);
    child.traffic.in_octets.add(900 - PADDING_OCTETS - 1);
    child.traffic.in_packets.add(1);
    assert_eq!(look(&mut lives, Time(1)), (vec![], vec![]));
    child.traffic.in_octets.add(1);
    assert_eq!(look(&mut lives, Time(1) + PACE), (vec![PairId(1)], vec![]));
    child.traffic.out_octets.add(1000);
    assert_eq!(
        look(&mut lives, Time(1) + PACE * 2),
        (vec![], vec![PairId(1)])
    );
    // What is kept is where the next installation begins.
    let mut kept = None;
    lives.look(Time(1) + PACE * 3, |_, octets| kept = Some(octets));
    assert_eq!(kept, Some([1000, 900]));
    let mut before = new();
    before.octets = kept.unwrap();
    lives.enter(life, before, &fresh);
    assert_eq!(
        look(&mut lives, Time(1) + PACE * 4),
        (vec![], vec![PairId(1)])
    );
    lives.leave(PairId(1));
    lives.tell_again();
    assert_eq!(look(&mut lives, Time(1) + PACE * 5), (vec![], vec![]));
}

use super::*;
use crate::io::memory::{MemoryPool, MemoryPort};
use ravelin_esp::MemoryBuf;

const FRAMES: u32 = 5_000;

/// What comes out of a network with these faults when numbered frames go in.
fn through(seed: u64, faults: Faults) -> (Vec<Vec<u8>>, Arc<Tally>) {
    let mut chaos = Chaos::new(seed, faults);
    let mut out = Vec::new();
    for number in 0..FRAMES {
        let mut frame = vec![0; 60];
        frame[20..24].copy_from_slice(&number.to_be_bytes());
        chaos.take(MemoryBuf::new(&frame), &mut MemoryPool);
        out.extend(std::iter::from_fn(|| chaos.pop()).map(|f: MemoryBuf| f.data().to_vec()));
    }
    while !chaos.is_empty() {
        chaos.idle();
        out.extend(std::iter::from_fn(|| chaos.pop()).map(|f| f.data().to_vec()));
    }
    (out, chaos.tally())
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes([frame[20], frame[21], frame[22], frame[23]])
}

#[test]
fn without_faults_nothing_changes() {
    let (out, tally) = through(1, Faults::default());
    let numbers: Vec<u32> = out.iter().map(|frame| number(frame)).collect();
    assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>());
    assert_eq!(tally.given.get(), u64::from(FRAMES));
}

#[test]
fn each_fault_happens_as_often_as_asked_and_is_counted() {
    let faults = Faults {
        lost: 100,
        damaged: 100,
        doubled: 100,
        delayed: 100,
        overtaken_by: 50,
    };
    let (out, tally) = through(2, faults);
    for (name, count) in [
        ("lost", &tally.lost),
        ("damaged", &tally.damaged),
        ("doubled", &tally.doubled),
        ("delayed", &tally.delayed),
    ] {
        assert!((350..650).contains(&count.get()), "{name}: {count:?}");
    }
    let given = tally.taken.get() - tally.lost.get() + tally.doubled.get();
    assert_eq!((out.len() as u64, tally.given.get()), (given, given));
    assert_eq!(tally.taken.get(), u64::from(FRAMES));
}

#[test]
fn no_frame_is_overtaken_by_more_than_asked() {
    let faults = Faults {
        delayed: 300,
        overtaken_by: 40,
        ..Faults::default()
    };
    let (out, _) = through(3, faults);
    let (mut highest, mut most) = (0, 0);
    for frame in &out {
        highest = highest.max(number(frame));
        most = most.max(highest - number(frame));
    }
    assert!((20..=40).contains(&most), "{most}");
    let mut numbers: Vec<u32> = out.iter().map(|frame| number(frame)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>());
}

#[test]
fn equal_seeds_do_the_same() {
    let faults = Faults {
        lost: 50,
        damaged: 50,
        doubled: 50,
        delayed: 50,
        overtaken_by: 100,
    };
    assert_eq!(through(4, faults).0, through(4, faults).0);
    assert_ne!(through(4, faults).0, through(5, faults).0);
}

#[test]
fn a_port_behind_it_loses_nothing_that_the_network_does_not() {
    let faults = Faults {
        delayed: 200,
        overtaken_by: 30,
        ..Faults::default()
    };
    let wire = MemoryPort::default();
    let chaos = |seed| Chaos::new(seed, faults);
    let mut port = ChaosPort::new(wire.clone(), MemoryPool, chaos(6), chaos(7));
    let (mut received, mut sent) = (Vec::new(), 0);
    for round in 0..400 {
        for _ in 0..10 {
            wire.push(&[round as u8; 60]);
        }
        wire.stall(round % 3 == 0);
        let mut burst = Vec::new();
        port.receive(&mut burst);
        assert!(burst.len() <= BURST);
        port.transmit(&mut burst);
        received.append(&mut burst);
        sent += std::iter::from_fn(|| wire.pop()).count();
    }
    wire.stall(false);
    for _ in 0..100 {
        let mut burst = Vec::new();
        port.receive(&mut burst);
        port.transmit(&mut burst);
        sent += std::iter::from_fn(|| wire.pop()).count();
    }
    assert!(received.is_empty(), "everything was sent on");
    assert_eq!(sent, 4_000);
}

//! Uniqueness, rest, tags, and the rebuild.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn at(s: u64) -> Time {
    Time(s * 1_000_000)
}

#[test]
fn slots_rest_and_come_back_with_another_tag() {
    let mut spis = SpiAllocator::new(NodeId::default(), 1);
    let first = spis.allocate(at(0)).unwrap();
    spis.release(first, at(10));
    spis.release(first, at(11)); // twice is once
    let second = spis.allocate(at(129)).unwrap();
    assert_ne!(second.slot(), first.slot());
    let third = spis.allocate(at(130)).unwrap();
    assert_eq!(third.slot(), first.slot());
    assert_ne!(third.tag(), first.tag());
    spis.release(first, at(131)); // late: the slot has another tag now
    assert_eq!(spis.used(), 2);
}

#[test]
fn every_slot_is_given_out_once_and_never_a_reserved_spi() {
    for node in 0..4 {
        let node = NodeId::new(node).unwrap();
        let mut spis = SpiAllocator::new(node, 0xdead_beef_0000_0007);
        let mut seen = HashSet::new();
        while let Some(spi) = spis.allocate(at(0)) {
            assert!(spi.0 >= 256 && spi.node() == node);
            assert!(seen.insert(spi.slot()));
        }
        assert_eq!(seen.len(), SPI_SLOTS as usize);
        assert_eq!(spis.used(), SPI_SLOTS);
    }
}

#[test]
fn what_was_in_use_before_a_restart_is_not_given_out() {
    let mut spis = SpiAllocator::new(NodeId::default(), 3);
    let kept: Vec<Spi> = (0..1000).map(|_| spis.allocate(at(0)).unwrap()).collect();
    let mut spis = SpiAllocator::new(NodeId::default(), 3);
    for spi in &kept {
        spis.reserve(*spi);
        spis.reserve(*spi);
    }
    assert_eq!(spis.used(), 1000);
    let kept: HashSet<u32> = kept.iter().map(|spi| spi.slot()).collect();
    let mut count = 0;
    while let Some(spi) = spis.allocate(at(0)) {
        assert!(!kept.contains(&spi.slot()));
        count += 1;
    }
    assert_eq!(count, SPI_SLOTS - 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_spi_is_shared_and_no_slot_returns_early(steps in prop::collection::vec((any::<bool>(), 0..60u64, any::<prop::sample::Index>()), 1..200), seed: u64) {
        let mut spis = SpiAllocator::new(NodeId::default(), seed);
        let (mut live, mut freed, mut now) = (Vec::<Spi>::new(), HashMap::<u32, (Time, u32)>::new(), 0);
        for (allocate, wait, pick) in steps {
            now += wait;
            if allocate || live.is_empty() {
                let spi = spis.allocate(at(now)).unwrap();
                prop_assert!(live.iter().all(|other| other.slot() != spi.slot()));
                if let Some((when, tag)) = freed.remove(&spi.slot()) {
                    prop_assert!(at(now).since(when) >= REST);
                    prop_assert_ne!(tag, spi.tag());
                }
                live.push(spi);
            } else {
                let spi = live.swap_remove(pick.index(live.len()));
                spis.release(spi, at(now));
                freed.insert(spi.slot(), (at(now), spi.tag()));
            }
            prop_assert_eq!(spis.used() as usize, live.len());
        }
    }
}

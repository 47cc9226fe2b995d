use super::*;
use proptest::prelude::*;

impl Leaf<u32> for u32 {
    fn of(value: &u32) -> u32 {
        *value
    }
}

type Table = Trie<u32, u32>;

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u8, u32),
    Remove(u32, u8),
    Snapshot,
}

/// Few distinct octets, so that prefixes nest and repeat.
fn key() -> impl Strategy<Value = u32> {
    (0u32..3, 0u32..3, 0u32..3, 0u32..20).prop_map(|(a, b, c, d)| a << 24 | b << 16 | c << 10 | d)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => (key(), 0u8..=32, any::<u32>()).prop_map(|(k, l, v)| Step::Insert(k, l, v)),
        4 => (key(), 0u8..=32).prop_map(|(k, l)| Step::Remove(k, l)),
        1 => Just(Step::Snapshot),
    ];
    proptest::collection::vec(one, 1..150)
}

/// Each probe, by the trie and by the tree of prefixes.
fn agree(trie: &Table, probes: &[u32]) {
    for probe in probes {
        assert_eq!(
            trie.lookup(*probe),
            trie.prefixes.lookup(*probe),
            "{probe:#x}"
        );
    }
}

fn is_flat(trie: &Table) -> bool {
    trie.root
        .iter()
        .all(|entry| matches!(entry, Entry::Leaf(..)))
}

proptest! {
    #[test]
    fn agrees_with_the_tree_of_prefixes(steps in steps(), probes in proptest::collection::vec(key(), 60)) {
        let mut trie = Table::default();
        let mut snapshot: Option<(Table, Vec<Option<u32>>)> = None;
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Insert(key, length, value) => {
                    let former = trie.prefixes.get(key, length).copied();
                    prop_assert_eq!(trie.insert(key, length, value), former);
                    held.push((key, length));
                }
                Step::Remove(key, length) => {
                    let former = trie.prefixes.get(key, length).copied();
                    prop_assert_eq!(trie.remove(key, length), former);
                }
                Step::Snapshot => {
                    let seen = probes.iter().map(|p| trie.lookup(*p).copied()).collect();
                    snapshot = Some((trie.clone(), seen));
                }
            }
            agree(&trie, &probes);
        }
        if let Some((old, seen)) = snapshot {
            let still: Vec<_> = probes.iter().map(|p| old.lookup(*p).copied()).collect();
            prop_assert_eq!(still, seen, "a version changed after it was published");
        }
        for (key, length) in held {
            trie.remove(key, length);
        }
        prop_assert!(trie.prefixes.is_empty() && is_flat(&trie), "nodes are left of nothing");
        prop_assert!(probes.iter().all(|p| trie.lookup(*p).is_none()));
    }
}

#[test]
fn the_ends_of_the_address_space() {
    let mut trie = Table::default();
    trie.insert(0, 0, 1);
    trie.insert(u32::MAX, 32, 2);
    trie.insert(0x8000_0000, 1, 3);
    assert_eq!(trie.lookup(0), Some(&1));
    assert_eq!(trie.lookup(u32::MAX), Some(&2));
    assert_eq!(trie.lookup(u32::MAX - 1), Some(&3));
    assert_eq!(trie.remove(0x8000_0000, 1), Some(3));
    assert_eq!(trie.lookup(u32::MAX - 1), Some(&1));
    assert_eq!(trie.remove(1, 32), None);
}

/// The strides' memory: what a scattered host costs is bounded by nodes of 16 entries.
#[test]
fn entries_are_small() {
    assert_eq!(size_of::<Entry<crate::tables::NextHop>>(), 16);
    assert_eq!(size_of::<Entry<crate::selector::Place>>(), 16);
}

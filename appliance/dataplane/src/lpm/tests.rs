use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The plain definition: a list of prefixes searched from the longest.
#[derive(Default)]
struct Oracle(BTreeMap<(u8, u128), u32>);

impl Oracle {
    fn mask(bits: u8, length: u8) -> u128 {
        if length == 0 {
            0
        } else {
            (u128::MAX >> (128 - u32::from(bits))) & (u128::MAX << (bits - length))
        }
    }

    fn matches(&self, bits: u8, key: u128) -> Vec<u32> {
        let holds = |(length, prefix): &(u8, u128)| key & Self::mask(bits, *length) == *prefix;
        self.0
            .iter()
            .rev()
            .filter(|(at, _)| holds(at))
            .map(|(_, value)| *value)
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u128, u8, u32),
    Remove(u128, u8),
    Snapshot,
}

fn steps(bits: u8) -> impl Strategy<Value = Vec<Step>> {
    // Few distinct octets, so that prefixes nest and repeat.
    let key = (0u128..4, 0u128..4, 0u128..8)
        .prop_map(move |(a, b, c)| (a << (bits - 8)) | (b << (bits - 16)) | c);
    let one = prop_oneof![
        6 => (key.clone(), 0..=bits, any::<u32>()).prop_map(|(k, l, v)| Step::Insert(k, l, v)),
        3 => (key, 0..=bits).prop_map(|(k, l)| Step::Remove(k, l)),
        1 => Just(Step::Snapshot),
    ];
    proptest::collection::vec(one, 1..120)
}

fn churn<K: LpmKey>(steps: Vec<Step>, probes: &[u128], key: impl Fn(u128) -> K) {
    let (mut lpm, mut oracle) = (Lpm::<K, u32>::default(), Oracle::default());
    type Snapshot<K> = (Lpm<K, u32>, Vec<Vec<u32>>);
    let mut snapshot: Option<Snapshot<K>> = None;
    let answers = |oracle: &Oracle| -> Vec<Vec<u32>> {
        probes.iter().map(|p| oracle.matches(K::BITS, *p)).collect()
    };
    for step in steps {
        match step {
            Step::Insert(at, length, value) => {
                let masked = at & Oracle::mask(K::BITS, length);
                assert_eq!(
                    lpm.insert(key(masked), length, value),
                    oracle.0.insert((length, masked), value)
                );
            }
            Step::Remove(at, length) => {
                let masked = at & Oracle::mask(K::BITS, length);
                assert_eq!(
                    lpm.remove(key(masked), length),
                    oracle.0.remove(&(length, masked))
                );
            }
            Step::Snapshot => snapshot = Some((lpm.clone(), answers(&oracle))),
        }
        assert_eq!(lpm.len(), oracle.0.len());
        check(&lpm, probes, &answers(&oracle), &key);
    }
    if let Some((lpm, wanted)) = snapshot {
        check(&lpm, probes, &wanted, &key);
    }
}

fn check<K: LpmKey>(
    lpm: &Lpm<K, u32>,
    probes: &[u128],
    wanted: &[Vec<u32>],
    key: &impl Fn(u128) -> K,
) {
    for (probe, wanted) in probes.iter().zip(wanted) {
        assert_eq!(lpm.lookup(key(*probe)).copied(), wanted.first().copied());
        let mut all = Vec::new();
        let mut longest = u8::MAX;
        lpm.find_map_prefix(key(*probe), |length, value| {
            assert!(length < longest);
            assert_eq!(lpm.get(key(*probe), length), Some(value));
            longest = length;
            all.push(*value);
            None::<()>
        });
        assert_eq!(&all, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ipv4_churn_agrees_with_the_oracle(steps in steps(32), probes in proptest::collection::vec((0u128..4, 0u128..4, 0u128..8), 12)) {
        let probes: Vec<u128> = probes.iter().map(|(a, b, c)| a << 24 | b << 16 | c).collect();
        churn::<u32>(steps, &probes, |key| key as u32);
    }

    #[test]
    fn ipv6_churn_agrees_with_the_oracle(steps in steps(128), probes in proptest::collection::vec((0u128..4, 0u128..4, 0u128..8), 12)) {
        let probes: Vec<u128> = probes.iter().map(|(a, b, c)| a << 120 | b << 112 | c).collect();
        churn::<u128>(steps, &probes, |key| key);
    }
}

#[test]
fn removal_gives_the_nodes_back() {
    let mut lpm = Lpm::<u32, u32>::default();
    for host in 0..2000u32 {
        lpm.insert(host << 7, 32, host);
    }
    for host in 0..2000u32 {
        assert_eq!(lpm.remove(host << 7, 32), Some(host));
    }
    assert!(lpm.is_empty() && lpm.root.is_empty());
}

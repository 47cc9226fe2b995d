//! The vault against a model, cut logs, compaction, bounds, and the file's mode.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// What a vault must hold: the live payloads of each subject in order.
type Model = BTreeMap<u64, Vec<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Step {
    Append(u64, Vec<u8>),
    Replace(u64, Vec<u8>),
    Remove(u64),
    Compact,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payload = || prop::collection::vec(any::<u8>(), 0..60);
    let step = prop_oneof![
        4 => (0..6u64, payload()).prop_map(|(s, p)| Step::Append(s, p)),
        4 => (0..6u64, payload()).prop_map(|(s, p)| Step::Replace(s, p)),
        2 => (0..6u64).prop_map(Step::Remove),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..40)
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Compacts often.
fn eager() -> Limits {
    Limits {
        max_live_octets: 1 << 20,
        compact_above_octets: 64,
    }
}

fn model_of(replay: &Replay) -> Model {
    let mut model = Model::new();
    for live in &replay.records {
        model
            .entry(live.subject)
            .or_default()
            .push(live.payload.to_vec());
    }
    model
}

fn apply(model: &mut Model, op: &Op<'_>) {
    match *op {
        Op::Append(subject, payload) => {
            model.entry(subject).or_default().push(payload.to_vec());
        }
        Op::Replace(subject, payload) => {
            model.insert(subject, vec![payload.to_vec()]);
        }
        Op::Remove(subject) => {
            model.remove(&subject);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_behaves_as_its_model(steps in steps()) {
        let dir = dir();
        let path = dir.path().join("vault");
        let mut model = Model::new();
        let (mut vault, _) = Vault::open_with(&path, eager()).unwrap();
        let mut last = vault.durable();
        for step in &steps {
            let op = match step {
                Step::Append(subject, payload) => Op::Append(*subject, payload),
                Step::Replace(subject, payload) => Op::Replace(*subject, payload),
                Step::Remove(subject) => Op::Remove(*subject),
                Step::Compact => {
                    vault.compact().unwrap();
                    prop_assert_eq!(vault.garbage_octets(), 0);
                    continue;
                }
                Step::Reopen => {
                    drop(vault);
                    let replay;
                    (vault, replay) = Vault::open_with(&path, eager()).unwrap();
                    prop_assert_eq!(model_of(&replay), model.clone());
                    prop_assert_eq!(replay.torn_octets, 0);
                    prop_assert_eq!(vault.durable(), last);
                    continue;
                }
            };
            apply(&mut model, &op);
            let position = vault.append_batch(&[op]).unwrap();
            prop_assert_eq!(position, vault.durable());
            prop_assert_eq!(position, Position(last.0 + 1));
            last = position;
            prop_assert!(vault.garbage_octets() <= vault.live_octets().max(64));
        }
        drop(vault);
        let (_, replay) = Vault::open_with(&path, eager()).unwrap();
        prop_assert_eq!(model_of(&replay), model);
    }

    /// Death at any octet of a batch: the state after some prefix of its operations, and the vault goes on.
    #[test]
    fn a_cut_anywhere_leaves_a_prefix(steps in steps()) {
        let dir = dir();
        let path = dir.path().join("vault");
        let mut model = Model::new();
        let mut states = vec![model.clone()];
        let (mut vault, _) = Vault::open(&path).unwrap();
        for step in &steps {
            let op = match step {
                Step::Append(subject, payload) => Op::Append(*subject, payload),
                Step::Replace(subject, payload) => Op::Replace(*subject, payload),
                Step::Remove(subject) => Op::Remove(*subject),
                Step::Compact | Step::Reopen => continue,
            };
            apply(&mut model, &op);
            states.push(model.clone());
            vault.append_batch(&[op]).unwrap();
        }
        drop(vault);
        let log = fs::read(&path).unwrap();
        let mut least = 0;
        for cut in (0..log.len()).step_by(7).chain([log.len()]) {
            fs::write(&path, &log[..cut]).unwrap();
            let (mut vault, replay) = Vault::open(&path).unwrap();
            let found = model_of(&replay);
            let at = (least..states.len()).find(|&at| states[at] == found);
            prop_assert!(at.is_some(), "cut at {cut} of {}", log.len());
            least = at.unwrap();
            vault.append(99, b"after").unwrap();
            drop(vault);
            let (_, replay) = Vault::open(&path).unwrap();
            prop_assert_eq!(replay.torn_octets, 0);
            prop_assert_eq!(&*replay.records.last().unwrap().payload, b"after");
        }
        prop_assert_eq!(&states[least], states.last().unwrap());
    }
}

/// Whether the file holds these octets anywhere.
fn holds(path: &Path, octets: &[u8]) -> bool {
    let log = fs::read(path).unwrap();
    log.windows(octets.len()).any(|window| window == octets)
}

#[test]
fn what_is_superseded_or_ended_is_erased_at_once() {
    let dir = dir();
    let path = dir.path().join("vault");
    let (mut vault, _) = Vault::open(&path).unwrap();
    let keys: Vec<Vec<u8>> = (1..=4u8).map(|n| vec![n; 5000]).collect();
    vault.append(1, &keys[0]).unwrap();
    vault.append(1, &keys[1]).unwrap();
    vault.append(2, &keys[2]).unwrap();
    assert!(keys[..3].iter().all(|key| holds(&path, &key[..100])));
    vault.replace(1, &keys[3]).unwrap();
    assert!(!holds(&path, &[1; 16]) && !holds(&path, &[2; 16]));
    vault.remove(2).unwrap();
    assert!(!holds(&path, &[3; 16]) && holds(&path, &keys[3]));
    drop(vault);
    let (_, replay) = Vault::open(&path).unwrap();
    assert_eq!(replay.torn_octets, 0);
    let left: Vec<_> = replay
        .records
        .iter()
        .map(|r| (r.subject, r.payload.to_vec()))
        .collect();
    assert_eq!(left, [(1, keys[3].clone())]);
}

#[test]
fn a_death_amid_erasing_loses_nothing_and_the_next_life_ends_it() {
    let dir = dir();
    let path = dir.path().join("vault");
    let (mut vault, _) = Vault::open(&path).unwrap();
    let dead = [7u8; 300];
    vault.append(1, &dead).unwrap();
    let before = fs::read(&path).unwrap();
    vault.append(2, b"other").unwrap();
    vault.remove(1).unwrap();
    drop(vault);
    let erased = fs::read(&path).unwrap();
    let at = before.len() - dead.len();
    for done in [0, 1, 150, 299, 300] {
        let mut log = erased.clone();
        log[at + done..before.len()].copy_from_slice(&dead[done..]);
        fs::write(&path, &log).unwrap();
        let (vault, replay) = Vault::open(&path).unwrap();
        assert_eq!((replay.torn_octets, replay.records.len()), (0, 1), "{done}");
        assert_eq!(&*replay.records[0].payload, b"other");
        assert_eq!(vault.durable(), Position(3));
        assert_eq!(fs::read(&path).unwrap(), erased, "{done}");
    }
}

#[test]
fn positions_rise_by_one_and_outlive_compaction_and_restart() {
    let dir = dir();
    let path = dir.path().join("vault");
    let (mut vault, _) = Vault::open(&path).unwrap();
    assert_eq!(vault.durable(), Position(0));
    assert_eq!(vault.append(1, b"a").unwrap(), Position(1));
    let batch = [Op::Append(1, b"b"), Op::Replace(2, b"c"), Op::Remove(1)];
    assert_eq!(vault.append_batch(&batch).unwrap(), Position(4));
    assert_eq!(vault.remove(77).unwrap(), Position(4));
    assert_eq!(vault.remove(2).unwrap(), Position(5));
    vault.compact().unwrap();
    assert_eq!(vault.durable(), Position(5));
    drop(vault);
    let (mut vault, replay) = Vault::open(&path).unwrap();
    assert!(replay.records.is_empty());
    assert_eq!(vault.durable(), Position(5));
    assert_eq!(vault.append(3, b"d").unwrap(), Position(6));
}

#[test]
fn a_second_process_is_refused_until_the_first_ends() {
    let dir = dir();
    let path = dir.path().join("vault");
    let (vault, _) = Vault::open(&path).unwrap();
    assert!(matches!(Vault::open(&path), Err(Error::InUse { .. })));
    drop(vault);
    assert!(Vault::open(&path).is_ok());
}

#[test]
fn files_are_private_even_when_they_were_not() {
    let dir = dir();
    let path = dir.path().join("vault");
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let (mut vault, _) = Vault::open(&path).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    vault.append(1, b"key").unwrap();
    vault.compact().unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_full_vault_refuses_whole_batches_and_recovers_by_removal() {
    let dir = dir();
    let limits = Limits {
        max_live_octets: 200,
        compact_above_octets: 0,
    };
    let (mut vault, _) = Vault::open_with(&dir.path().join("vault"), limits).unwrap();
    vault.append(1, &[1; 60]).unwrap();
    vault.append(2, &[2; 60]).unwrap();
    let batch = [Op::Append(3, &[3; 1]), Op::Append(4, &[4; 60])];
    assert!(matches!(
        vault.append_batch(&batch),
        Err(Error::Full { .. })
    ));
    assert_eq!((vault.subjects(), vault.durable()), (2, Position(2)));
    vault.replace(2, &[2; 80]).unwrap();
    vault.remove(1).unwrap();
    vault
        .append_batch(&[Op::Append(3, &[3; 1]), Op::Append(4, &[4; 20])])
        .unwrap();
    assert_eq!(vault.subjects(), 3);
    let long = vec![0; MAX_PAYLOAD_OCTETS + 1];
    assert!(matches!(
        vault.append(5, &long),
        Err(Error::RecordTooLong { .. })
    ));
}

#[test]
fn a_leftover_of_compaction_is_ignored() {
    let dir = dir();
    let path = dir.path().join("vault");
    let (mut vault, _) = Vault::open(&path).unwrap();
    vault.append(1, b"kept").unwrap();
    drop(vault);
    fs::write(temporary(&path), b"half a copy").unwrap();
    let (_, replay) = Vault::open(&path).unwrap();
    assert_eq!(&*replay.records[0].payload, b"kept");
    assert!(!temporary(&path).exists());
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let dir = dir();
    let path = dir.path().join("vault");
    fs::write(&path, b"something else entirely, and long enough").unwrap();
    assert!(matches!(Vault::open(&path), Err(Error::Format { .. })));
    assert!(fs::read(&path).unwrap().starts_with(b"something"));
}

#[test]
fn a_failed_compaction_keeps_the_log_in_use() {
    let dir = dir();
    let path = dir.path().join("vault");
    let limits = Limits {
        max_live_octets: 1 << 20,
        compact_above_octets: 0,
    };
    let (mut vault, _) = Vault::open_with(&path, limits).unwrap();
    // A directory in the way of the copy; it is not removed by remove_file.
    fs::create_dir(temporary(&path)).unwrap();
    for round in 0..20u8 {
        vault.replace(1, &[round; 50]).unwrap();
    }
    assert!(
        (1..20).contains(&vault.failed_compactions()),
        "{}",
        vault.failed_compactions()
    );
    drop(vault);
    let (_, replay) = Vault::open(&path).unwrap();
    assert_eq!(
        (replay.records.len(), replay.records[0].payload[0]),
        (1, 19)
    );
}

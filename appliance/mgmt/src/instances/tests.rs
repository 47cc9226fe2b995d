//! Numbers stay with their names.

use super::*;

fn numbers(ids: &VrfIds) -> Vec<(&str, u16)> {
    let all = ids.numbers.iter();
    all.map(|(name, vrf)| (name.as_str(), vrf.0)).collect()
}

#[test]
fn an_instance_keeps_its_number_whatever_comes_and_goes_beside_it() {
    let first = VrfIds::default().renew(&["blue", "red"]);
    assert_eq!(numbers(&first), [("blue", 1), ("red", 2)]);
    let more = first.renew(&["amber", "blue", "red"]);
    assert_eq!(numbers(&more), [("amber", 3), ("blue", 1), ("red", 2)]);
    let fewer = more.renew(&["red"]);
    assert_eq!(numbers(&fewer), [("red", 2)]);
    // Those of the instances that left are free, and the last to be given.
    let again = fewer.renew(&["blue", "red"]);
    assert_eq!(numbers(&again), [("blue", 4), ("red", 2)]);
}

#[test]
fn a_number_that_runs_is_not_given_in_the_commit_that_removes_it() {
    let names: Vec<String> = (0..MAX_INSTANCES).map(|n| format!("v{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let full = VrfIds::default().renew(&names);
    let given: std::collections::BTreeSet<VrfId> = full.numbers.values().copied().collect();
    assert_eq!(given.len(), MAX_INSTANCES);
    assert_eq!(given.first(), Some(&VrfId(1)));
    assert_eq!(given.last(), Some(&VrfId(63)));
    let others = ["blue", "v1"];
    let exchanged = full.renew(&others);
    assert_eq!(exchanged.get("blue"), None);
    let later = exchanged.renew(&others);
    assert!(
        later
            .get("blue")
            .is_some_and(|blue| later.get("v1") != Some(blue))
    );
}

#[test]
fn the_file_outlives_the_process_and_a_broken_one_is_begun_anew() {
    let folder = std::env::temp_dir().join(format!("ravelin-instances-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let configuration = folder.join("ravelin.conf");
    let ids = VrfIds::default().renew(&["blue"]);
    let mut store = IdStore::new(&configuration);
    store.keep(&ids).unwrap();
    assert_eq!(IdStore::new(&configuration).runs(), &ids);
    fs::write(folder.join(FILE_NAME), "{").unwrap();
    assert_eq!(IdStore::new(&configuration).runs(), &VrfIds::default());
    fs::remove_dir_all(&folder).unwrap();
    assert!(
        store.keep(&VrfIds::default()).is_err(),
        "the folder is gone"
    );
    assert_eq!(store.runs(), &ids);
}

//! Lists of pre-shared keys: in the store, not in the configuration.

use super::*;
use std::fs;
use std::os::unix::fs::MetadataExt;

const KEYS: usize = 100_000;

fn part() -> Part {
    let mut config = config();
    config.gateways[0].authentication = Authentication {
        key_list: Some("ran".to_owned()),
        ..Authentication::default()
    };
    Part::Ike(config)
}

fn commit(store: &mut ConfigStore, generation: u64, part: &Part, pki: &Pki) -> Arc<Compiled> {
    let generation = Generation(generation);
    assert_eq!(
        store.prepare(generation, part, pki, &Arc::default()),
        Reply::Prepared(Ok(()))
    );
    store.apply(generation).unwrap()
}

#[test]
fn a_commit_takes_a_list_of_100_000_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::open(folder.path(), NOW).unwrap();
    let mut store = ConfigStore::default();
    let none = commit(&mut store, 1, &part(), &pki);
    let fault = "gateway enb refuses its peers: there are no pre-shared keys `ran`";
    assert_eq!(none.faults, [fault]);
    let who = |n: usize| Identity::Fqdn(format!("ENB{n}.example.net"));
    assert_eq!(none.ike.gateways[0].keys.find(&who(1)), None);

    let line = |n: usize| format!("enb{n}.example.net 0x{n:064x}\n");
    let text: String = (0..KEYS).map(line).collect();
    assert_eq!(pki.save_keys("ran", text.as_bytes()).unwrap(), KEYS);
    let loaded = store.refresh(&pki, &Arc::default()).unwrap();
    assert!(loaded.faults.is_empty());
    let gateway = &loaded.ike.gateways[0];
    let key = gateway.keys.find(&who(KEYS - 1)).unwrap();
    assert_eq!(key.expose()[29..], [0x01, 0x86, 0x9f]);
    assert_eq!(gateway.keys.find(&who(KEYS)), None);

    let file = folder.path().join("psk/ran.psk");
    let before = fs::metadata(&file).unwrap();
    assert_eq!(before.mode() & 0o777, 0o600);
    let committed = commit(&mut store, 2, &part(), &pki);
    let kept = &committed.ike.gateways[0];
    assert!(Arc::ptr_eq(kept, gateway), "negotiations go on");
    let list = |gateway: &ike::Gateway| gateway.keys.list.clone().unwrap();
    assert!(Arc::ptr_eq(&list(kept), &pki.contents().key_lists["ran"]));
    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );

    // What is there is read at the next start; what is wrong replaces nothing.
    let wrong = pki.save_keys("ran", b"a k\nb").unwrap_err().to_string();
    assert_eq!(
        wrong,
        "pre-shared keys: line 2: an identity and a key are wanted"
    );
    let again = Pki::open(folder.path(), NOW).unwrap();
    assert_eq!(again.contents().key_lists["ran"].len(), KEYS);
    assert!(again.remove_keys("ran").unwrap());
    assert!(!again.remove_keys("ran").unwrap() && !file.exists());
}

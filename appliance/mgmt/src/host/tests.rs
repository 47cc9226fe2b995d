use super::*;
use ravelin_ctl::host::wanted::Password;
use std::os::unix::fs::PermissionsExt;

fn config(names: &[&str]) -> HostConfig {
    let user = |name: &&str| User {
        name: (*name).to_owned(),
        uid: 0,
        full_name: None,
        class: Class::Operator,
        password: Password::Locked,
        keys: Vec::new(),
    };
    HostConfig {
        users: names.iter().map(user).collect(),
        ..HostConfig::default()
    }
}

fn ids(keeper: &HostKeeper) -> Vec<(&str, u32)> {
    let users = keeper.runs().users.iter();
    users.map(|u| (u.name.as_str(), u.uid)).collect()
}

#[test]
fn a_user_keeps_its_id_and_a_newcomer_gets_none_of_late() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ravelin.conf");
    let mut keeper = HostKeeper::new(&file);
    keeper.want(&config(&["anna", "bert"])).unwrap();
    assert_eq!(ids(&keeper), [("anna", 2001), ("bert", 2002)]);
    keeper.want(&config(&["bert", "carl"])).unwrap();
    assert_eq!(ids(&keeper), [("bert", 2002), ("carl", 2003)]);
    // A restart of mgmtd knows all that from the file.
    let mut keeper = HostKeeper::new(&file);
    keeper.want(&config(&["anna", "bert"])).unwrap();
    assert_eq!(ids(&keeper), [("anna", 2004), ("bert", 2002)]);
    assert_eq!(keeper.user(2004).unwrap().name, "anna");
    assert!(keeper.user(2001).is_none());
    for _ in 0..2 * UIDS {
        keeper.want(&config(&["bert"])).unwrap();
        keeper.want(&config(&["bert", "dora"])).unwrap();
        let uid = keeper.runs().users[1].uid;
        assert!((FIRST_UID..FIRST_UID + UIDS).contains(&uid) && uid != 2002);
    }
    let mode = fs::metadata(folder.path().join(FILE_NAME)).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/ravelin.conf");
    let mut keeper = HostKeeper::new(&file);
    let error = keeper.want(&config(&["anna"])).unwrap_err().to_string();
    assert!(error.contains("host.json"), "{error}");
    assert!(keeper.runs().users.is_empty());
}

#[test]
fn a_broken_file_is_made_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ravelin.conf");
    fs::write(folder.path().join(FILE_NAME), "{\"version\":").unwrap();
    let mut keeper = HostKeeper::new(&file);
    keeper.want(&config(&["anna"])).unwrap();
    assert_eq!(HostKeeper::new(&file).runs().users.len(), 1);
}

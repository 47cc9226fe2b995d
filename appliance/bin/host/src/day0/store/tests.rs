use super::*;
use ravelin_ctl::day0::{Kind, Source};
use std::os::unix::fs::PermissionsExt;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data/config")).unwrap();
    let store = Store::new(&Root::new(folder.path()));
    (folder, store)
}

#[test]
fn what_mgmtd_keeps_is_a_configuration() {
    for name in KEPT {
        let (_folder, store) = store();
        assert_eq!(store.stored(), Stored::Nothing);
        fs::write(store.0.join(name), "").unwrap();
        assert_eq!(store.stored(), Stored::Configuration, "{name}");
    }
}

#[test]
fn a_configuration_is_for_its_owner_alone() {
    let (_folder, store) = store();
    store.save("set a").unwrap();
    assert!(store.holds("set a") && !store.holds("set b"));
    let meta = fs::metadata(store.0.join(CONFIGURATION)).unwrap();
    let folder = fs::metadata(&store.0).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!((meta.uid(), meta.gid()), (folder.uid(), folder.gid()));
}

#[test]
fn the_record_comes_back_and_is_written_when_new() {
    let (_folder, store) = store();
    assert_eq!(store.record().unwrap(), None);
    let record = Record {
        applied: Some(Source {
            kind: Kind::NoCloud,
            name: "sr0".to_owned(),
            digest: "ab".to_owned(),
        }),
        ..Record::default()
    };
    store.save_record(&record).unwrap();
    let place = store.0.join(RECORD_FILE);
    let written = fs::metadata(&place).unwrap().ino();
    store.save_record(&record).unwrap();
    assert_eq!(fs::metadata(&place).unwrap().ino(), written);
    assert_eq!(store.record().unwrap(), Some(record));
    fs::write(&place, "{").unwrap();
    assert!(
        store
            .record()
            .unwrap_err()
            .to_string()
            .contains(RECORD_FILE)
    );
}

#[test]
fn prompts_get_lines_without_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issue.d/x.issue");
    place(&path, b"").unwrap();
    let text = issue(&["a \\d b".to_owned(), "c".to_owned()]);
    assert_eq!(text, "ravelin: a \\\\d b\nravelin: c\n");
    place(&path, text.as_bytes()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    place(&path, b"").unwrap();
    assert!(!path.exists());
}

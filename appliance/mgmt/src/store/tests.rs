use super::*;
use std::os::unix::fs::PermissionsExt;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(&folder.path().join("ravelin.conf"), folder.path());
    (folder, store)
}

fn text(store: &Store, suffix: &str) -> Option<String> {
    let path = if suffix.is_empty() {
        store.file().to_owned()
    } else {
        store.beside(suffix)
    };
    store.read(&path).unwrap().map(|t| t.to_string())
}

#[test]
fn old_texts_become_rollback_files() {
    let (_folder, store) = store();
    assert_eq!(text(&store, ""), None);
    for number in 0..MAX_ROLLBACKS + 3 {
        store.save(&format!("text {number}")).unwrap();
    }
    assert_eq!(text(&store, "").unwrap(), "text 51");
    assert_eq!(text(&store, "1").unwrap(), "text 50");
    assert_eq!(text(&store, "49").unwrap(), "text 2");
    assert_eq!(text(&store, "50"), None);
    let mode = fs::metadata(store.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn undo_brings_the_old_text_back() {
    let (_folder, store) = store();
    store.save("a").unwrap();
    store.save("b").unwrap();
    store.save("c").unwrap();
    store.undo().unwrap();
    assert_eq!(text(&store, "").unwrap(), "b");
    assert_eq!(text(&store, "1").unwrap(), "a");
    assert_eq!(text(&store, "2"), None);
    store.undo().unwrap();
    store.undo().unwrap();
    assert_eq!(text(&store, ""), None, "there was no file at first");
}

#[test]
fn a_disk_that_refuses_leaves_the_old_text() {
    let (folder, store) = store();
    store.save("a").unwrap();
    // A folder in the way of the temporary file: it cannot be written, even by root.
    fs::create_dir(folder.path().join("ravelin.conf.new")).unwrap();
    let error = store.save("b").unwrap_err().to_string();
    assert!(error.contains("ravelin.conf.new"), "{error}");
    assert_eq!(text(&store, "").unwrap(), "a");
}

#[test]
fn generations_and_the_last_good_text_are_kept() {
    let (_folder, store) = store();
    assert_eq!(store.generation(), Generation(0));
    store.save_generation(Generation(7)).unwrap();
    assert_eq!(store.generation(), Generation(7));
    store.save_last_good("a").unwrap();
    store.save_last_good("b").unwrap();
    assert_eq!(text(&store, "last-good").unwrap(), "b");
}

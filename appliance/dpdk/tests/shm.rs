//! Shared words survive the mapping, are private to the user, and end where they end.
#![allow(clippy::unwrap_used)]

use dpdk_rs::shm::ShmCells;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ravelin-shm-{}-{name}", std::process::id()))
}

#[test]
fn words_survive() {
    let path = path("survive");
    let cells = ShmCells::open(&path, 100).unwrap();
    assert_eq!(cells.word(99).unwrap().load(Ordering::Relaxed), 0);
    assert!(cells.word(100).is_none());
    cells.word(99).unwrap().store(7, Ordering::Relaxed);
    drop(cells);
    let again = ShmCells::open(&path, 100).unwrap();
    assert_eq!(again.word(99).unwrap().load(Ordering::Relaxed), 7);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let path = path("open");
    std::fs::write(&path, []).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ShmCells::open(&path, 1).is_err());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn impossible_sizes_are_refused() {
    assert!(ShmCells::open(&path("none"), 0).is_err());
    assert!(ShmCells::open(&path("huge"), usize::MAX).is_err());
}

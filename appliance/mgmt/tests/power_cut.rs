//! The power goes away at any moment of a commit: the store's writer is killed on entry to each of its system calls that change or
//! flush a file, in turn. `ravelin.conf` must be the old or the new text, whole, and the next commit must work.
//!
//! The writer is this program again, run by strace(1). What a kill does not show, that nothing is renamed before it is on disk, is read
//! from the trace of a whole run.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_mgmt::Store;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the writer works; without it there is none.
const FOLDER: &str = "RAVELIN_POWER_CUT_FOLDER";
/// What changes or flushes a file. strace counts each by itself.
const CALLS: &[&str] = &[
    "openat", "write", "fsync", "rename", "unlink", "link", "linkat",
];
/// More than a commit makes of one kind.
const MOST_CALLS: u32 = 2000;
/// As many as make rollback files move.
const BEFORE: usize = 3;

fn store(folder: &Path) -> Store {
    Store::new(&folder.join("ravelin.conf"), folder)
}

fn text(number: usize) -> String {
    format!("system {{ host-name number-{number}; }}\n").repeat(500)
}

/// A folder after some commits.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=BEFORE {
        store(folder.path()).save(&text(number)).unwrap();
        store(folder.path()).save_last_good(&text(number)).unwrap();
    }
    folder
}

/// The writer, when this program runs as one: a commit and its confirmation.
#[test]
fn the_writer_writes() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    store(&folder).save(&text(BEFORE + 1)).unwrap();
    store(&folder).save_last_good(&text(BEFORE + 1)).unwrap();
}

/// Runs the writer under strace.
fn writer(folder: &Path, more: &[String]) -> (bool, String) {
    let log = folder.join("strace.txt");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qqq",
        "-y",
        "-e",
        &format!("trace={}", CALLS.join(",")),
        "-o",
    ]);
    command.arg(&log).args(more);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "the_writer_writes", "--test-threads=1"]);
    let ended = command.env(FOLDER, folder).output().unwrap();
    let trace = fs::read_to_string(&log).unwrap_or_default();
    (ended.status.success(), trace)
}

#[test]
fn whenever_the_power_goes_a_whole_text_is_there() {
    let cuts: Vec<(u32, u32)> = CALLS.iter().map(|call| cut_at(call)).collect();
    let (old, new) = cuts
        .iter()
        .fold((0, 0), |sum, cut| (sum.0 + cut.0, sum.1 + cut.1));
    assert!(
        old > 40 && new > 8,
        "{old} before, {new} after: strace killed nothing"
    );
}

/// Cuts at each call of a kind; tells after how many the old text was there, and after how many the new one.
fn cut_at(call: &str) -> (u32, u32) {
    let (mut old, mut new) = (0, 0);
    for nth in 1..MOST_CALLS {
        let at = format!("{call} {nth}");
        let folder = folder();
        let kill = [
            "-e".to_owned(),
            format!("inject={call}:signal=KILL:when={nth}"),
        ];
        let (survived, _) = writer(folder.path(), &kill);
        let store = store(folder.path());
        let read = |path: &Path| store.read(path).unwrap().map(|text| text.to_string());
        let stored = read(store.file()).unwrap();
        if stored == text(BEFORE) {
            old += 1;
        } else {
            assert!(stored == text(BEFORE + 1), "{at}: a mixture");
            new += 1;
        }
        let good = read(&store.last_good()).unwrap();
        assert!([text(BEFORE), text(BEFORE + 1)].contains(&good), "{at}");
        store.save(&text(9)).unwrap();
        assert!(read(store.file()).unwrap() == text(9), "{at}");
        let first = folder.path().join("ravelin.conf.1");
        assert!(read(&first).unwrap() == stored, "{at}: the rollback file");
        store.undo().unwrap();
        assert!(read(store.file()).unwrap() == stored, "{at}: undone");
        if survived {
            return (old, new);
        }
    }
    panic!("{call}: no end");
}

#[test]
fn nothing_is_renamed_before_it_is_on_disk() {
    let folder = folder();
    let (survived, trace) = writer(folder.path(), &[]);
    assert!(survived, "{trace}");
    let after = |from: usize, what: &str, file: &str| {
        let mut lines = trace.lines().enumerate().skip(from);
        let found = lines.find(|(_, line)| line.contains(what) && line.contains(file));
        found
            .unwrap_or_else(|| panic!("no {what} {file}:\n{trace}"))
            .0
    };
    let folder = format!("{}>", folder.path().display());
    for name in ["ravelin.conf.new", "ravelin.conf.last-good.new"] {
        let flushed = after(0, "fsync(", &format!("{name}>"));
        let renamed = after(flushed, "rename", &format!("{name}\""));
        after(renamed, "fsync(", &folder);
        let early = trace
            .lines()
            .take(flushed)
            .find(|line| line.contains("rename") && line.contains(&format!("{name}\"")));
        assert!(early.is_none(), "{early:?}");
    }
}

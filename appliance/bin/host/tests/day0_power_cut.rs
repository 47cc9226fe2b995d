//! The power goes away at any moment of day 0: `ravelin-host` is killed on entry to each of its system calls that change or flush a
//! file, in turn, and the next boot must end with the seed applied, once, and a record of it.
//!
//! What a kill does not show, that nothing is renamed before it is on disk, is read from the trace of a whole run.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_ctl::day0::{Outcome, Record};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TEXT: &str = "system {\n    host-name gw1;\n}\n";
/// What changes or flushes a file. strace counts each by itself.
const CALLS: &[&str] = &[
    "openat", "write", "fsync", "rename", "unlink", "fchmod", "chown", "fchownat",
];
/// More than a run makes of one kind.
const MOST_CALLS: u32 = 2000;

/// A machine with a seed in its drive, before its first boot.
fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["dev", "data/config", "sys/class/block/sr0", "seed"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    fs::write(at("sys/class/block/sr0/size"), "800\n").unwrap();
    fs::write(at("seed/user-data"), TEXT).unwrap();
    fs::write(at("seed/meta-data"), "").unwrap();
    let mut iso = Command::new("xorriso");
    iso.args(["-as", "mkisofs", "-quiet", "-V", "cidata", "-R", "-o"]);
    let made = iso.arg(at("dev/sr0")).arg(at("seed")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    folder
}

fn boot(machine: &Path, wrapper: &[String]) -> bool {
    let own = env!("CARGO_BIN_EXE_ravelin-host").to_owned();
    let words: Vec<&String> = wrapper.iter().chain([&own]).collect();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg("--root")
        .arg(machine)
        .arg("day0");
    command.output().unwrap().status.success()
}

fn strace(log: &Path, more: &[String]) -> Vec<String> {
    let mut words = ["strace", "-f", "-qqq", "-o"].map(str::to_owned).to_vec();
    words.push(log.display().to_string());
    words.extend(["-e".to_owned(), format!("trace={}", CALLS.join(","))]);
    words.extend(more.iter().cloned());
    words
}

fn files(machine: &Path) -> (PathBuf, PathBuf) {
    let folder = machine.join("data/config");
    (folder.join("ravelin.conf"), folder.join("day0.json"))
}

#[test]
fn whenever_the_power_goes_the_next_boot_has_the_seed() {
    let cuts: u32 = CALLS.iter().map(|call| cut_at(call)).sum();
    assert!(cuts > 20, "{cuts} cuts: strace killed nothing");
}

/// Cuts at each call of a kind; tells how many there are.
fn cut_at(call: &str) -> u32 {
    for nth in 1..MOST_CALLS {
        let at = format!("{call} {nth}");
        let machine = machine();
        let log = machine.path().join("strace.txt");
        let kill = [
            "-e".to_owned(),
            format!("inject={call}:signal=KILL:when={nth}"),
        ];
        let survived = boot(machine.path(), &strace(&log, &kill));
        let (configuration, record) = files(machine.path());
        if let Ok(text) = fs::read_to_string(&configuration) {
            assert_eq!(text, TEXT, "{at}: whole or not at all");
        }
        assert!(boot(machine.path(), &[]), "{at}");
        assert_eq!(fs::read_to_string(&configuration).unwrap(), TEXT, "{at}");
        let record: Record = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        assert!(record.applied.is_some(), "{at}: {record:?}");
        let outcomes = [Outcome::Applied, Outcome::Configured];
        assert!(outcomes.contains(&record.outcome), "{at}: {record:?}");
        if survived {
            return nth - 1;
        }
    }
    panic!("{call}: no end");
}

#[test]
fn nothing_is_renamed_before_it_is_on_disk() {
    let machine = machine();
    let log = machine.path().join("strace.txt");
    assert!(boot(machine.path(), &strace(&log, &["-y".to_owned()])));
    let trace = fs::read_to_string(&log).unwrap();
    for name in ["ravelin.conf", "day0.json"] {
        let fresh = format!("{name}.new");
        let find = |what: &str, file: &str| {
            let line = |line: &str| line.contains(what) && line.contains(file);
            trace
                .lines()
                .position(line)
                .unwrap_or_else(|| panic!("no {what} {file}:\n{trace}"))
        };
        let flushed = find("fsync(", &format!("{fresh}>"));
        let renamed = find("rename", &format!("{fresh}\""));
        let lines = trace.lines().enumerate();
        let folder = |line: &str| line.contains("fsync(") && line.contains("data/config>");
        let mut kept = lines.filter(|(at, line)| *at > renamed && folder(line));
        assert!(flushed < renamed, "{trace}");
        assert!(
            kept.next().is_some(),
            "the folder is flushed last:\n{trace}"
        );
    }
}

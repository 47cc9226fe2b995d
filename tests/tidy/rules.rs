//! The rules about source files. Each takes a path (relative to the checkout) and its text, and returns what it found.

use super::lexer::{Line, has_word, split, without_inline_tests};
use std::fmt;

/// A file has at most this many lines: one state, exchange, payload or concern each.
pub const MAX_LINES: usize = 600;
/// Lines above an `unsafe` in which its `SAFETY:` comment may stand.
const SAFETY_REACH_LINES: usize = 10;

/// Crates whose purpose is the foreign interface, with why.
pub const UNSAFE_CRATES: &[(&str, &str)] = &[
    ("dpdk-sys", "the raw DPDK bindings"),
    ("dpdk-rs", "the safe wrapper around them"),
    (
        "ravelin-fuzz",
        "libFuzzer's macro exports a C symbol; the targets have no unsafe of their own",
    ),
];

/// Single files of other crates that call foreign functions, with why.
pub const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "appliance/crypto/src/dh/kem/sys.rs",
        "two calls of OpenSSL's KEM interface that no library wraps",
    ),
    (
        "appliance/tuntap/src/sys.rs",
        "ioctls of /dev/net/tun that no library wraps",
    ),
    (
        "tests/guard/allocations/counter.rs",
        "an allocator that counts is an unsafe trait",
    ),
    (
        "tests/guard/memory/ledger.rs",
        "an allocator that keeps a ledger is an unsafe trait",
    ),
];

/// Crates that take time, randomness and octets from their caller.
pub const SANS_IO: &[&str] = &["appliance/ike/", "appliance/esp/", "appliance/wire/"];

/// Words that mean a clock, randomness, a socket, a thread or an executor.
const IO_WORDS: &[&str] = &[
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "thread",
    "tokio",
    "rand",
    "getrandom",
    "OsRng",
    "rand_bytes",
    "std::fs",
    "std::env",
    "std::process",
];

/// The one place that may let time pass in a test.
const WAITING: &str = "qemu/src/wait.rs";

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub rule: &'static str,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.file,
            self.line,
            self.rule,
            self.text.trim()
        )
    }
}

fn violation(file: &str, index: usize, rule: &'static str, text: &str) -> Violation {
    Violation {
        file: file.to_owned(),
        line: index + 1,
        rule,
        text: text.to_owned(),
    }
}

/// True for files that only tests see.
pub fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Size of any source file.
pub fn size(path: &str, text: &str) -> Vec<Violation> {
    let lines = text.lines().count();
    if lines <= MAX_LINES {
        return vec![];
    }
    let text = format!("{lines} lines, at most {MAX_LINES}");
    vec![violation(path, MAX_LINES, "file too long", &text)]
}

/// No marks of unfinished work, in code or comments. The words are spelled in halves, or this file would break its own rule.
pub fn unfinished(path: &str, text: &str) -> Vec<Violation> {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
    ];
    find(path, text, "unfinished", |line| {
        marks.iter().any(|mark| has_word(line, mark))
    })
}

/// No path of somebody's home folder.
pub fn home_paths(path: &str, text: &str) -> Vec<Violation> {
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
    ];
    find(path, text, "home path", |line| {
        homes.iter().any(|home| {
            line.match_indices(home).any(|(at, _)| {
                // `$dir/home/x` and `foo/root/x` are relative to something.
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "_-.}*".contains(c))
            })
        })
    })
}

fn find(
    path: &str,
    text: &str,
    rule: &'static str,
    matches: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| matches(line))
        .map(|(index, line)| violation(path, index, rule, line))
        .collect()
}

/// A module opens with what it does. A `tests.rs` is named by the file it stands beside.
pub fn opening(path: &str, text: &str) -> Vec<Violation> {
    if text.starts_with("//!") || path.ends_with("/tests.rs") {
        return vec![];
    }
    let first = text.lines().next().unwrap_or("");
    vec![violation(path, 0, "no //! at the top", first)]
}

/// `unsafe` only in the named crates and files, and there never without a reason.
pub fn unsafe_code(path: &str, text: &str, crate_name: &str) -> Vec<Violation> {
    let lines = split(text);
    let allowed = UNSAFE_CRATES.iter().any(|(name, _)| *name == crate_name)
        || UNSAFE_FILES.iter().any(|(file, _)| *file == path);
    let used = |line: &Line| has_word(&line.code, "unsafe");
    let mut found = vec![];
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| used(line)) {
        if !allowed {
            let rule = "unsafe outside the named crates and files";
            found.push(violation(path, index, rule, &line.code));
        } else if needs_reason(&line.code) && !has_reason(&lines, index) {
            found.push(violation(
                path,
                index,
                "unsafe without // SAFETY:",
                &line.code,
            ));
        }
    }
    found
}

/// Blocks and impls need one; declarations state their contract in a `# Safety` section, attributes and types in none.
fn needs_reason(code: &str) -> bool {
    let rest = code.split("unsafe").nth(1).unwrap_or("").trim_start();
    rest.starts_with('{') || rest.starts_with("impl") || rest.is_empty()
}

fn has_reason(lines: &[Line], index: usize) -> bool {
    let from = index.saturating_sub(SAFETY_REACH_LINES);
    let reason = |line: &Line| line.comment.contains("SAFETY:");
    lines[from..=index].iter().any(reason)
}

/// The root of a crate forbids unsafe code, or denies it where one file is excepted.
pub fn crate_root(path: &str, text: &str, crate_name: &str) -> Vec<Violation> {
    if UNSAFE_CRATES.iter().any(|(name, _)| *name == crate_name) {
        return vec![];
    }
    // A crate has its modules in `src`, a test program in the folder of its name.
    let own = path.strip_suffix(".rs").unwrap_or(path);
    let folder = path
        .rfind("/src/")
        .map_or(own, |at| &path[..at + "/src".len()]);
    let excepted = UNSAFE_FILES.iter().any(|(file, _)| {
        file.strip_prefix(folder)
            .is_some_and(|f| f.starts_with('/'))
    });
    let wanted = if excepted {
        "#![deny(unsafe_code)]"
    } else {
        "#![forbid(unsafe_code)]"
    };
    if split(text).iter().any(|line| line.code.trim() == wanted) {
        return vec![];
    }
    vec![violation(path, 0, "crate root without unsafe lint", wanted)]
}

/// No clock, randomness, socket, thread or executor where the caller provides them. Tests may use all of it.
pub fn sans_io(path: &str, text: &str) -> Vec<Violation> {
    if !SANS_IO.iter().any(|folder| path.starts_with(folder)) || is_test_file(path) {
        return vec![];
    }
    let lines = without_inline_tests(split(text));
    let mut found = vec![];
    for (index, line) in lines.iter().enumerate() {
        if let Some(word) = IO_WORDS.iter().find(|word| has_word(&line.code, word)) {
            found.push(violation(path, index, "I/O in a sans-IO crate", word));
        }
        if has_word(&line.code, "ravelin_crypto") && statement_has(&lines[index..], "random") {
            found.push(violation(path, index, "I/O in a sans-IO crate", "random"));
        }
    }
    found
}

/// True if the statement that begins at the first line holds `word`.
fn statement_has(lines: &[Line], word: &str) -> bool {
    for line in lines {
        let (statement, ends) = match line.code.split_once(';') {
            Some((statement, _)) => (statement, true),
            None => (line.code.as_str(), false),
        };
        if has_word(statement, word) {
            return true;
        }
        if ends {
            break;
        }
    }
    false
}

/// Tests wait for a condition with a deadline, they do not sleep and hope.
pub fn sleep_in_tests(path: &str, text: &str) -> Vec<Violation> {
    // The harness of virtual machines runs in tests only.
    let runs_in_tests = is_test_file(path) || path.starts_with("qemu/");
    if !runs_in_tests || path == WAITING {
        return vec![];
    }
    let sleeps = |line: &Line| {
        ["thread::sleep", "park_timeout", "time::sleep"]
            .iter()
            .any(|call| line.code.contains(call))
    };
    let lines = split(text);
    let lines = lines.iter().enumerate().filter(|(_, line)| sleeps(line));
    lines
        .map(|(index, line)| violation(path, index, "sleep in a test", &line.code))
        .collect()
}

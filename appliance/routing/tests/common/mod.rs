//! A network namespace per test thread, and `ip`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use nix::sched::{CloneFlags, unshare};
use std::process::Command;

/// Runs `test` in a thread with a network namespace of its own, in which `lo` is up. Needs uid 0.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (uid 0)");
        ip("link set lo up");
        test();
    })
    .join()
    .unwrap_or_else(|cause| std::panic::resume_unwind(cause));
}

/// Runs `ip` with the given words and returns what it prints.
pub fn ip(words: &str) -> String {
    let out = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .expect("iproute2");
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "ip {words}: {error}");
    String::from_utf8(out.stdout).expect("UTF-8")
}

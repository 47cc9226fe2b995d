//! Two builds of the image of one commit are the same octets, by `image/build/compare.sh`.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

const COMPARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/build/compare.sh");

#[test]
#[ignore = "vm: builds the image twice"]
fn two_builds_are_the_same_octets() {
    let output = Command::new("sh")
        .args([COMPARE, "--profile", "dev"])
        .output()
        .unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{errors}");
    assert_eq!(out.lines().last(), Some("compare: identical"), "{errors}");
    assert!(errors.contains("same: ravelin-"), "{errors}");
}

//! The tests tested: a gateway with one fault on purpose must fail the demo, for exactly that reason; the unbroken one must pass in
//! the same short run. The programs of the product have none of the faults in them.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::demo::{BREAKS, Reason};
use std::path::Path;
use std::process::Command;

const DEMO: &str = env!("CARGO_BIN_EXE_ravelin-demo");
/// The programs that a gateway consists of.
const PRODUCT: [&str; 5] = [
    "ravelin",
    "ravelin-iked",
    "ravelin-mgmtd",
    "ravelin-netd",
    "ravelin-planed",
];

struct Outcome {
    status: Option<i32>,
    output: String,
    errors: String,
}

fn demo(arguments: &[&str]) -> Outcome {
    let output = Command::new(DEMO).args(arguments).output().unwrap();
    let outcome = Outcome {
        status: output.status.code(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    };
    // Shown when the test fails.
    println!("{}\n{}", outcome.output, outcome.errors);
    outcome
}

fn finds(reason: Reason) {
    let name = reason.name();
    let outcome = demo(&["--break", name]);
    let last = outcome.output.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("demo: FAILED reason={name} tunnels=1 ")),
        "{last}"
    );
    assert_eq!(outcome.status, Some(1));
    // Not one reason among several: every single fault is of this kind.
    let lines = outcome.output.lines();
    let faults: Vec<&str> = lines.filter_map(|l| l.strip_prefix("  FAULT ")).collect();
    assert!(!faults.is_empty());
    let others: Vec<_> = faults
        .iter()
        .filter(|f| !f.starts_with(&format!("{name}: ")))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn the_unbroken_gateway_passes() {
    let outcome = demo(&["--quick"]);
    let last = outcome.output.lines().last().unwrap();
    assert!(last.starts_with("demo: ok tunnels=1 "), "{last}");
    assert!(!outcome.output.contains("FAULT"));
    assert_eq!(outcome.status, Some(0));
}

#[test]
fn cleartext_is_found() {
    finds(Reason::Clear);
}

#[test]
fn accepted_replays_are_found() {
    finds(Reason::Replay);
}

#[test]
fn repeated_nonces_are_found() {
    finds(Reason::Nonce);
}

#[test]
fn packets_outside_selectors_are_found() {
    finds(Reason::Selector);
}

#[test]
fn a_route_that_stays_is_found() {
    finds(Reason::Route);
}

#[test]
fn silent_loss_is_found() {
    finds(Reason::Loss);
}

#[test]
fn an_unknown_break_is_refused_with_the_names_of_the_others() {
    let outcome = demo(&["--break", "everything"]);
    assert_eq!(outcome.status, Some(2));
    assert!(outcome.errors.contains("`everything`"));
    for reason in BREAKS {
        assert!(outcome.errors.contains(reason.name()), "{}", outcome.errors);
    }
}

#[test]
fn the_product_has_no_fault_in_it() {
    let folder = Path::new(DEMO).parent().unwrap();
    let holds = |program: &str, word: &str| {
        let octets = std::fs::read(folder.join(program)).unwrap();
        octets.windows(word.len()).any(|w| w == word.as_bytes())
    };
    // The variable that names the fault, and the source file that line tables would name.
    for word in ["RAVELIN_MISBEHAVE", "misbehave.rs"] {
        assert!(holds("ravelin-planed-misbehaving", word), "{word}");
        for program in PRODUCT {
            assert!(!holds(program, word), "{program} holds {word}");
        }
    }
}

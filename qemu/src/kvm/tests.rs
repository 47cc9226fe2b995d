use super::{Probe, probe, run};
use crate::seconds;
use std::time::Duration;

#[test]
fn the_tiny_guest_runs_translated() {
    run(&["-accel", "tcg"], seconds(60)).unwrap();
}

#[test]
fn a_guest_that_hangs_is_given_up() {
    // Stopped at its first instruction.
    let error = run(&["-accel", "tcg", "-S"], Duration::from_millis(500)).unwrap_err();
    assert!(
        error.to_string().contains("the end of the probe"),
        "{error}"
    );
}

#[test]
fn a_qemu_that_refuses_is_quoted() {
    let error = run(&["-accel", "none-such"], seconds(30)).unwrap_err();
    assert!(error.to_string().contains("none-such"), "{error}");
}

#[test]
fn the_result_says_what_is_used() {
    let text = probe().to_string();
    assert!(text.starts_with("KVM: "), "{text}");
    let slow = Probe::Unusable("why".to_owned()).to_string();
    assert_eq!(slow, "KVM: why; guests are translated (TCG), slowly");
}

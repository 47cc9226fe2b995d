use super::{Deadline, pause, wait_until};
use std::time::{Duration, Instant};

#[test]
fn a_value_ends_the_wait() {
    let mut calls = 0;
    let value: Result<u32, Deadline> = wait_until("a value", Duration::from_secs(10), || {
        calls += 1;
        Ok((calls == 3).then_some(calls))
    });
    assert_eq!(value, Ok(3));
}

#[test]
fn an_error_ends_the_wait() {
    let error = Deadline {
        what: "another".to_owned(),
        seconds: 1,
    };
    let found: Result<(), Deadline> =
        wait_until("a value", Duration::from_secs(10), || Err(error.clone()));
    assert_eq!(found, Err(error));
}

#[test]
fn the_deadline_names_what_was_awaited() {
    let begin = Instant::now();
    let found: Result<(), Deadline> =
        wait_until("the impossible", Duration::from_millis(60), || Ok(None));
    assert_eq!(
        found.unwrap_err().to_string(),
        "not within 0 s: the impossible"
    );
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_pause_is_not_cut_short_by_an_early_wake() {
    let begin = Instant::now();
    std::thread::current().unpark();
    pause(Duration::from_millis(30));
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

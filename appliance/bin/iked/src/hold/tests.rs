use super::*;

fn at(seconds: u64) -> Time {
    Time::default() + Duration::from_secs(seconds)
}

/// Planed forwards, in step, at second 0.
fn serving() -> Hold {
    let mut hold = Hold::new(at(0));
    hold.said(true, at(0));
    assert_eq!(
        hold.poll(false, at(0)),
        None,
        "not before the pairs are compared"
    );
    assert_eq!(hold.poll(true, at(0)), Some(Change::Restore));
    hold
}

#[test]
fn a_planed_that_returns_in_time_changes_nothing() {
    let mut hold = serving();
    hold.gone(at(1));
    assert_eq!(hold.next(), at(11));
    // It is there again and starts; what it says meanwhile does not lengthen the hold.
    hold.said(false, at(3));
    assert_eq!(hold.poll(false, at(10)), None);
    hold.said(true, at(10));
    assert_eq!(hold.poll(true, at(10)), None);
    assert_eq!(hold.next(), at(16), "only its silence");
}

#[test]
fn routes_go_when_the_time_is_over_and_return_with_planed_in_step() {
    let mut hold = serving();
    hold.set_length(4);
    hold.gone(at(1));
    assert_eq!(hold.poll(false, at(4)), None);
    assert_eq!(hold.poll(false, at(5)), Some(Change::Withdraw));
    assert_eq!(hold.poll(false, at(6)), None, "once");
    assert_eq!(hold.next(), Time::MAX);
    hold.said(true, at(60));
    assert_eq!(hold.poll(false, at(60)), None);
    assert_eq!(hold.poll(true, at(61)), Some(Change::Restore));
    assert_eq!(hold.poll(true, at(61)), None, "once");
}

#[test]
fn a_planed_that_hangs_counts_as_lost() {
    let mut hold = serving();
    hold.said(true, at(5));
    assert_eq!(hold.next(), at(11));
    assert_eq!(hold.poll(true, at(11)), None);
    assert_eq!(hold.next(), at(21));
    assert_eq!(hold.poll(true, at(21)), Some(Change::Withdraw));
    hold.said(true, at(30));
    assert_eq!(hold.poll(true, at(30)), Some(Change::Restore));
}

#[test]
fn routes_of_a_former_life_are_held_and_then_go() {
    let mut hold = Hold::new(at(100));
    assert_eq!(hold.poll(false, at(109)), None);
    assert_eq!(hold.poll(false, at(110)), Some(Change::Withdraw));
    let mut heard = Hold::new(at(100));
    heard.said(true, at(105));
    assert_eq!(heard.poll(false, at(110)), None);
}

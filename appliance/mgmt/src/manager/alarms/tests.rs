use super::*;

#[test]
fn less_than_a_twentieth_is_nearly_full() {
    assert_eq!(nearly_full(50 * MIB, 1000 * MIB), None);
    let text = nearly_full(50 * MIB - 1, 1000 * MIB).unwrap();
    assert!(text.contains("49 of 1000 MiB"), "{text}");
    assert!(nearly_full(0, 1000 * MIB).is_some());
    // What has no size of its own is never full.
    assert_eq!(nearly_full(0, 0), None);
}

#[test]
fn a_disk_that_is_not_there_is_no_alarm() {
    assert_eq!(space(Path::new("/nowhere/at/all")), None);
}

use super::*;

#[test]
fn times_are_shown_as_in_rfc_3339() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(WallTime(seconds).to_string(), text);
    }
}

#[test]
fn days_left_are_whole_ones() {
    let now = WallTime(1_000_000);
    assert_eq!(now.days_until(now + Duration::from_secs(86_399)), 0);
    assert_eq!(now.days_until(now + Duration::from_secs(86_400)), 1);
    assert_eq!(now.days_until(WallTime(999_999)), -1);
}

#[test]
fn generalized_times_are_read() {
    for (text, seconds) in [
        (&b"19700101000000Z"[..], Some(0)),
        (b"20000229000000Z", Some(951_782_400)),
        (b"99991231235959Z", Some(253_402_300_799)),
        (b"00000101000000Z", Some(-62_167_219_200)),
        (b"20010229000000Z", None),
        (b"20011301000000Z", None),
        (b"20010001000000Z", None),
        (b"20010100000000Z", None),
        (b"20010101240000Z", None),
        (b"20010101006000Z", None),
        (b"20010101000060Z", None),
        (b"20010101000000", None),
        (b"20010101000000+0000", None),
        (b"2001010100000\xffZ", None),
        (b"", None),
    ] {
        let read = WallTime::from_generalized(text);
        assert_eq!(read, seconds.map(WallTime), "{text:?}");
    }
}

//! Comparison, splitting, and silence in `Debug`.

use super::*;

#[test]
fn comparison_covers_the_full_length() {
    assert!(ct_eq(b"", b""));
    assert!(ct_eq(b"abc", b"abc"));
    assert!(!ct_eq(b"abc", b"abd"));
    assert!(!ct_eq(b"abc", b"ab"));
    assert!(!ct_eq(b"abc", b""));
    assert!(!ct_eq(b"", b"a"));
}

#[test]
fn split_gives_consecutive_parts() {
    let secret = Secret::from_slice(&[1, 2, 3, 4, 5]);
    let [a, b, c] = secret.split([2, 0, 3]).unwrap();
    assert_eq!(
        (a.as_bytes(), b.is_empty(), c.as_bytes()),
        (&[1, 2][..], true, &[3, 4, 5][..])
    );
    assert!(secret.split([3, 3]).is_none());
}

#[test]
fn debug_shows_no_content() {
    assert_eq!(
        format!("{:?}", Secret::from_slice(b"hunter2")),
        "Secret(..)"
    );
}

use super::*;

fn skf(number: u16, total: u16) -> Skf {
    Skf {
        first: if number == 1 { 33 } else { 0 },
        number,
        total,
        body: Vec::new(),
    }
}

fn piece(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(octets.to_vec())
}

#[test]
fn pieces_join_in_order_whatever_the_order_they_come_in() {
    let mut j = Joining::default();
    assert_eq!(j.add(5, &skf(3, 3), piece(b"ef")), Ok(None));
    assert_eq!(j.add(5, &skf(1, 3), piece(b"ab")), Ok(None));
    assert_eq!(
        j.add(5, &skf(1, 3), piece(b"xx")),
        Err(Discard::FragmentRepeated)
    );
    let whole = j.add(5, &skf(2, 3), piece(b"cd")).unwrap().unwrap();
    assert_eq!((whole.0, &whole.1[..]), (33, &b"abcdef"[..]));
    assert_eq!(j.octets, 0, "nothing is kept");
}

#[test]
fn a_finer_cut_replaces_a_coarser_one_and_another_message_everything() {
    let mut j = Joining::default();
    assert_eq!(j.add(5, &skf(1, 2), piece(b"ab")), Ok(None));
    assert_eq!(j.add(5, &skf(1, 4), piece(b"a")), Ok(None));
    assert_eq!(
        j.add(5, &skf(2, 2), piece(b"cd")),
        Err(Discard::FragmentRefused)
    );
    assert_eq!((j.pieces.len(), j.total), (1, 4));
    assert_eq!(j.add(6, &skf(1, 2), piece(b"ab")), Ok(None));
    assert_eq!((j.pieces.len(), j.total, j.id), (1, 2, 6));
}

#[test]
fn what_is_held_is_bounded() {
    let mut j = Joining::default();
    assert_eq!(
        j.add(1, &skf(1, MAX_FRAGMENTS + 1), piece(b"a")),
        Err(Discard::FragmentRefused)
    );
    let long = vec![0; MAX_JOINED_OCTETS / 2];
    assert_eq!(j.add(1, &skf(1, 3), piece(&long)), Ok(None));
    assert_eq!(j.add(1, &skf(2, 3), piece(&long)), Ok(None));
    assert_eq!(
        j.add(1, &skf(3, 3), piece(b"a")),
        Err(Discard::FragmentRefused)
    );
}

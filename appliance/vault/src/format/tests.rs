//! Any octets are safe to parse; a cut log gives a prefix; a flipped octet ends the log.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Owned = (u64, u64, Kind, Vec<u8>);

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Append), Just(Kind::Replace), Just(Kind::Remove)]
}

fn build(records: &[(u64, Kind, Vec<u8>)]) -> (Vec<u8>, Vec<usize>) {
    let mut log = header(7).to_vec();
    let mut ends = vec![log.len()];
    for (position, (subject, kind, payload)) in (7..).zip(records) {
        write_record(&mut log, position, *subject, *kind, payload);
        ends.push(log.len());
    }
    (log, ends)
}

fn owned(parsed: &Parsed<'_>) -> Vec<Owned> {
    parsed
        .records
        .iter()
        .map(|r| (r.position, r.subject, r.kind, r.payload.to_vec()))
        .collect()
}

/// What the records amount to.
fn live(records: &[Owned]) -> BTreeMap<u64, Vec<Vec<u8>>> {
    let mut live: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for (_, subject, kind, payload) in records {
        if *kind != Kind::Append {
            live.remove(subject);
        }
        if *kind != Kind::Remove {
            live.entry(*subject).or_default().push(payload.clone());
        }
    }
    live
}

fn records() -> impl Strategy<Value = Vec<(u64, Kind, Vec<u8>)>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((0..5u64, kind(), payload), 0..8)
}

proptest! {
    #[test]
    fn a_log_cut_anywhere_gives_a_prefix(records in records()) {
        let (log, ends) = build(&records);
        let whole = owned(&parse(&log).unwrap());
        prop_assert_eq!(whole.len(), records.len());
        for cut in 0..=log.len() {
            let parsed = parse(&log[..cut]).unwrap();
            let expected = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
            prop_assert_eq!(owned(&parsed), whole[..expected].to_vec());
            prop_assert_eq!(parsed.valid_octets, ends.iter().copied().filter(|&e| e <= cut).max().unwrap_or(0));
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_log_before_its_record_unless_that_is_superseded(records in records(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let (mut log, ends) = build(&records);
        prop_assume!(log.len() > HEADER_OCTETS);
        let at = HEADER_OCTETS + at.index(log.len() - HEADER_OCTETS);
        let whole = owned(&parse(&log).unwrap());
        log[at] ^= 1u8 << bit;
        let untouched = ends.iter().filter(|&&end| end <= at).count() - 1;
        let flipped = &whole[untouched];
        let superseded = whole[untouched + 1..].iter().any(|r| r.1 == flipped.1 && r.2 != Kind::Append);
        let in_payload = at >= ends[untouched] + RECORD_HEADER_OCTETS;
        let left = if in_payload && superseded { whole.len() } else { untouched };
        prop_assert_eq!(live(&owned(&parse(&log).unwrap())), live(&whole[..left]));
    }

    #[test]
    fn any_octets_are_safe(octets in prop::collection::vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let log = if headed { [&header(1)[..], &octets].concat() } else { octets };
        if let Ok(parsed) = parse(&log) {
            prop_assert!(parsed.valid_octets <= log.len());
        }
    }
}

#[test]
fn a_foreign_header_is_named() {
    let mut log = header(1).to_vec();
    log[8] = 9;
    assert_eq!(parse(&log).err(), Some(FormatError::Version { found: 9 }));
    let mut log = header(1).to_vec();
    log[12] ^= 1;
    assert_eq!(parse(&log).err(), Some(FormatError::Header));
    assert_eq!(parse(b"\x7fELF").err(), Some(FormatError::Magic));
    assert_eq!(parse(&[0; 64]).err(), Some(FormatError::Magic));
}

#[test]
fn positions_never_go_back() {
    let mut log = header(5).to_vec();
    write_record(&mut log, 6, 1, Kind::Append, b"a");
    write_record(&mut log, 6, 1, Kind::Append, b"replayed");
    let parsed = parse(&log).unwrap();
    assert_eq!((parsed.records.len(), parsed.next_position), (1, 7));
    // After compaction the header counts on from where it was; the copied records are older.
    let mut log = header(50).to_vec();
    write_record(&mut log, 6, 1, Kind::Append, b"old");
    write_record(&mut log, 50, 1, Kind::Append, b"new");
    assert_eq!(parse(&log).unwrap().next_position, 51);
    assert_eq!(parse(&log[..log.len() - 1]).unwrap().next_position, 50);
}

use super::*;

#[test]
fn stages_are_named_by_their_files() {
    #[track_caller]
    fn called() -> &'static str {
        stage(Location::caller())
    }
    assert_eq!(called(), "tests");
}

#[test]
fn old_notes_give_way_to_new_ones() {
    let recorder = Recorder::new(Selection::default(), 2);
    let note = |number: u64| Note {
        time: Time(number),
        stage: "tests",
        done: Done::Sent,
        interface: IfIndex(1),
        octets: 1,
        source: ([10, 0, 0, 1].into(), None),
        destination: ([10, 0, 0, 2].into(), None),
        protocol: 1,
        esp: None,
    };
    for number in 0..RECORDS as u64 + 10 {
        recorder.note(0, note(number));
    }
    recorder.note(1, note(5));
    recorder.note(2, note(6));
    let times: Vec<u64> = recorder.take().map(|note| note.time.0).collect();
    let mut expected: Vec<u64> = (10..RECORDS as u64 + 10).collect();
    expected.push(5);
    assert_eq!(times, expected);
    assert_eq!(recorder.take().count(), 0);
}

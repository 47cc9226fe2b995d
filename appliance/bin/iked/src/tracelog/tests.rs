use super::*;
use ravelin_types::Time;

fn options(files: u16) -> TraceOptions {
    TraceOptions {
        file: "ike".to_owned(),
        size_octets: 10_240,
        files,
        messages: true,
        notes: true,
        local: None,
        remote: None,
    }
}

fn entry(number: usize) -> TraceEntry {
    TraceEntry {
        at: Time(1_500_000),
        direction: Direction::Received,
        local: "192.0.2.1:500".parse().ok(),
        remote: "192.0.2.10:4500".parse().unwrap(),
        lines: vec![format!("message {number}"), "SA: one".to_owned()],
    }
}

#[test]
fn entries_are_read_as_they_were_traced() {
    let mut text = String::new();
    describe(&mut text, &entry(7), 1_700_000_000_000_000);
    assert_eq!(
        text,
        "2023-11-14T22:13:21.500000Z received 192.0.2.10:4500 > 192.0.2.1:500\n  message 7\n    SA: one\n"
    );
}

#[test]
fn files_are_rotated_by_size_and_bounded_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::new(folder.path(), &options(3));
    for number in 0..1000 {
        let mut text = String::new();
        describe(&mut text, &entry(number), 0);
        files.write(&text).unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["ike", "ike.0", "ike.1"]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let all = ["ike.1", "ike.0", "ike"].map(read);
    assert!(all.iter().all(|text| text.len() <= 10_240));
    // The newest entries, none of them twice, none missing.
    let told: Vec<usize> = all
        .concat()
        .lines()
        .filter_map(|line| line.strip_prefix("  message ")?.parse().ok())
        .collect();
    assert_eq!(told, (told[0]..1000).collect::<Vec<_>>());
    // A later start goes on in the same file.
    let mut later = Files::new(folder.path(), &options(3));
    later.write("later\n").unwrap();
    assert!(read("ike").ends_with("SA: one\nlater\n"));
}

#[test]
fn only_files_of_the_log_are_shown_and_only_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = TraceLog::new(folder.path().to_owned());
    let complaint = |log: &TraceLog, name| log.show(name).unwrap_err().to_string();
    assert!(complaint(&log, "ike").ends_with("writes none"));
    assert!(log.set(Some(&options(2))));
    assert!(!log.set(Some(&options(2))), "nothing has changed");
    fs::write(folder.path().join("other"), "secret").unwrap();
    for name in ["other", "../ike", "ike.1", "ike.", "/etc/passwd"] {
        assert!(complaint(&log, name).contains("no log"), "{name}");
    }
    let line = format!("{}\n", "x".repeat(99));
    fs::write(folder.path().join("ike.0"), line.repeat(10_000)).unwrap();
    let shown = log.show("ike.0").unwrap();
    assert!(shown.len() as u64 <= MAX_SHOWN_OCTETS && shown.len() % 100 == 0);
    assert!(shown.len() as u64 > MAX_SHOWN_OCTETS - 200);
    assert!(log.set(None));
    assert!(log.show("ike.0").is_err());
}

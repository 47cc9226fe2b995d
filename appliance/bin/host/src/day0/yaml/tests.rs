use super::*;

fn refused(text: &str) -> String {
    read(text).map(drop).unwrap_err().to_string()
}

fn entries(text: &str) -> Vec<Entry> {
    match read(text).unwrap().unwrap().value {
        Value::Mapping(entries) => entries,
        _ => panic!("no mapping"),
    }
}

#[test]
fn values_have_their_lines() {
    let text = "#cloud-config\nhostname: a\nkeys:\n  - one\n  - \"two\"\nblock: |\n\n  first\n   second\nlast: 010\n";
    let entries = entries(text);
    let shown: Vec<(&str, u32, u32)> = entries
        .iter()
        .map(|e| (e.key.as_str(), e.line, e.value.line))
        .collect();
    assert_eq!(
        shown,
        [
            ("hostname", 2, 2),
            ("keys", 3, 4),
            ("block", 6, 8),
            ("last", 10, 10)
        ]
    );
    let Value::Sequence(keys) = &entries[1].value.value else {
        panic!("no sequence");
    };
    assert_eq!((keys[1].text(), keys[1].line), (Some("two"), 5));
    let Value::Text { text, lines_from } = &entries[2].value.value else {
        panic!("no text");
    };
    assert_eq!(
        (text.as_str(), *lines_from),
        ("\nfirst\n second\n", Some(7))
    );
    assert_eq!(
        entries[3].value.text(),
        Some("010"),
        "no number is made of it"
    );
}

#[test]
fn nothing_is_none() {
    assert!(read("").unwrap().is_none());
    assert!(read("#cloud-config\n").unwrap().is_none());
}

#[test]
fn what_could_grow_or_mislead_is_refused() {
    for (text, expected) in [
        ("a: &x 1\nb: *x\n", ":1: anchors (`&`) are not accepted"),
        ("a: !!binary aGk=\n", ":1: tags (`!`) are not accepted"),
        ("a: 1\n---\nb: 2\n", ":2: a second document"),
        ("a: 1\nb: 2\na: 3\n", ":3: `a` is given twice"),
        ("[1]: 2\n", ":1: a key that is not a word"),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
    assert!(refused("a: 1\n  b: 2\n").starts_with(":2: not YAML: "));
    let deep = refused(&"[".repeat(100_000));
    assert!(deep.starts_with(":1: "), "{deep}");
    let deep = refused(&"- ".repeat(40));
    assert_eq!(deep, ":1: nested too deeply, or too many values");
    assert!(refused(&"- a\n".repeat(MAX_NODES + 1)).contains("too many values"));
}

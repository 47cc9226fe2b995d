use super::*;

#[test]
fn a_digest_knows_names_contents_and_where_they_end() {
    let of = |parts: &[(&str, &str)]| {
        let parts = parts.iter().map(|(name, text)| (*name, text.as_bytes()));
        digest(parts).unwrap()
    };
    let all = [
        of(&[]),
        of(&[("a", "b")]),
        of(&[("ab", "")]),
        of(&[("", "ab")]),
        of(&[("a", "b"), ("", "")]),
    ];
    assert!(all.iter().all(|digest| digest.len() == 64));
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(of(&[("a", "b")]), all[1]);
}

#[test]
fn host_names_are_those_of_the_model() {
    let longest = "a".repeat(63);
    for name in ["a", "A-1.b", &longest] {
        Content::default().set_host_name(name, 1).unwrap();
    }
    let too_long = "a".repeat(64);
    for name in [
        "",
        "-a",
        "a-",
        "a..b",
        "a b",
        "a;",
        "ä",
        &too_long,
        &"a.".repeat(127),
    ] {
        assert!(Content::default().set_host_name(name, 1).is_err(), "{name}");
    }
}

#[test]
fn keys_are_taken_once_and_bounded() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
    let mut content = Content::default();
    content
        .add_keys(&format!("# mine\n{key}\n\n{key}\n"), 3)
        .unwrap();
    assert_eq!(content.keys.len(), 1);
    for number in 1..MAX_KEYS {
        content.add_keys(&format!("{key} {number}"), 3).unwrap();
    }
    let fault = content.add_keys(&format!("{key} more"), 3).unwrap_err();
    assert_eq!(fault.to_string(), ":3: more than 16 SSH keys");
}

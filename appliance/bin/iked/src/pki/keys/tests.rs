use super::*;

fn key(list: &KeyList, who: Identity) -> Option<&[u8]> {
    list.find(&who).map(SecretBytes::expose)
}

#[test]
fn each_kind_of_identity_and_of_key_is_read() {
    let text = "# the cells of the north\n\nenb1.ran.example  \"with spaces # and more\"\r\n  192.0.2.7\t0x00fF \n\
                2001:db8::7 word\nField@Ran.example x\nkeyid:cell-1 k1\nkeyid:0x0a0b k2";
    let list = read(text.as_bytes()).unwrap();
    assert_eq!(list.len(), 6);
    let fqdn = Identity::Fqdn("ENB1.ran.example".into());
    assert_eq!(key(&list, fqdn), Some(&b"with spaces # and more"[..]));
    let v4 = Identity::Ipv4("192.0.2.7".parse().unwrap());
    assert_eq!(key(&list, v4), Some(&[0, 0xff][..]));
    let v6 = Identity::Ipv6("2001:db8::7".parse().unwrap());
    assert_eq!(key(&list, v6), Some(&b"word"[..]));
    let email = Identity::Email("field@ran.example".into());
    assert_eq!(key(&list, email), Some(&b"x"[..]));
    assert_eq!(
        key(&list, Identity::KeyId(b"cell-1".to_vec())),
        Some(&b"k1"[..])
    );
    assert_eq!(key(&list, Identity::KeyId(vec![10, 11])), Some(&b"k2"[..]));
    assert_eq!(key(&list, Identity::Fqdn("enb2.ran.example".into())), None);
}

#[test]
fn errors_name_the_line_and_never_the_key() {
    for (text, wanted) in [
        ("", "there is no key in the file"),
        ("# only\n\n", "there is no key in the file"),
        ("a k\nb", "line 2: an identity and a key are wanted"),
        (
            "a k\nB s3cret\n\nA s3cret",
            "line 4: A has a key in line 1 already",
        ),
        (
            "a s3cret s3cret",
            "line 1: a key with spaces stands in quotes",
        ),
        (
            "a \"s3cret",
            "line 1: the quote is not closed at the end of the line",
        ),
        ("a \"\"", "line 1: the key is empty"),
        (
            "a 0xs3",
            "line 1: hexadecimal is an even number of the digits 0-9 and a-f",
        ),
        (
            "a 0x123",
            "line 1: hexadecimal is an even number of the digits 0-9 and a-f",
        ),
        ("@b s3cret", "line 1: this is no mail address"),
        ("keyid: s3cret", "line 1: the key identifier is empty"),
        (
            "a/b s3cret",
            "line 1: this is no host name, mail address, IP address or `keyid:`",
        ),
    ] {
        let error = read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, wanted, "{text}");
        assert!(!error.contains("s3cret"));
    }
    let long = format!("a {}", "k".repeat(256));
    let error = read(long.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "line 1: a key has 255 octets at most");
    assert_eq!(
        read(b"a k\n\xff k").unwrap_err().to_string(),
        "line 2: this is not UTF-8"
    );
}

#[test]
fn a_list_has_a_bound() {
    let line = |n: usize| format!("enb{n}.ran.example 0x{n:064x}\n");
    let mut text: String = (0..MAX_KEYS).map(line).collect();
    let list = read(text.as_bytes()).unwrap();
    assert_eq!(list.len(), MAX_KEYS);
    let who = Identity::Fqdn("enb99999.ran.example".into());
    assert_eq!(key(&list, who).unwrap()[29..], [0x01, 0x86, 0x9f]);
    text.push_str(&line(MAX_KEYS));
    let line = MAX_KEYS + 1;
    assert_eq!(read(text.as_bytes()), Err(KeysError::TooMany { line }));
}

use super::*;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

#[test]
fn a_key_becomes_a_statement() {
    let key = Key::read(&format!("  {ED25519}   a \"b\"\t\\c j\u{fc}r\u{7} ")).unwrap();
    assert_eq!(
        key.to_string(),
        format!("ssh-ed25519 \"{ED25519} a \\\"b\\\" \\\\c\"")
    );
}

#[test]
fn what_is_no_key_is_refused() {
    for (line, expected) in [
        ("", "not an SSH public key"),
        ("ssh-dss AAAA", "not an SSH public key"),
        (
            &format!("command=\"/bin/sh\" {ED25519}"),
            "not an SSH public key",
        ),
        ("ssh-ed25519", "is not base64"),
        ("ssh-ed25519 A*", "is not base64"),
        (
            &ED25519.replacen("ssh-ed25519", "ssh-rsa", 1),
            "not one of type ssh-rsa",
        ),
        (
            &format!("{ED25519} {}", "c".repeat(MAX_KEY_OCTETS)),
            "octets",
        ),
    ] {
        let error = Key::read(line).map(drop).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

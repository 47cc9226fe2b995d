use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

fn of(files: &[(&'static str, &str)]) -> Result<Content, String> {
    let octets = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let files = files.iter().map(|(name, text)| (*name, octets(text)));
    read(&files.collect())
}

fn user(text: &str) -> Content {
    of(&[("user-data", text)]).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    of(&[("user-data", text)]).map(drop).unwrap_err()
}

fn configuration(content: &Content) -> (&str, Option<u32>) {
    let text = content.text.as_ref().unwrap();
    (&text.text, text.shift_lines)
}

#[test]
fn a_plain_text_is_the_configuration() {
    let text = "## ravelin\nsystem {\n    host-name a;\n}\n";
    assert_eq!(configuration(&user(text)), (text, Some(0)));
    assert_eq!(
        configuration(&user("\u{feff}set x\n")),
        ("set x\n", Some(0))
    );
    assert!(user(" \n").is_empty());
}

#[test]
fn a_cloud_config_is_understood_in_part() {
    let text = format!(
        "#cloud-config\nhostname: gw1\nfqdn: gw2.example.net\nssh_authorized_keys:\n  - {KEY} a\npackages: [x]\nravelin: |\n  system {{\n      host-name b;\n  }}\n"
    );
    let content = user(&text);
    assert_eq!(content.host_name.as_deref(), Some("gw1"));
    assert_eq!(content.keys.len(), 1);
    assert_eq!(content.notes, ["user-data:6: `packages` is not used"]);
    let expected = "system {\n    host-name b;\n}\n";
    assert_eq!(configuration(&content), (expected, Some(7)));
    let content = user("#cloud-config\nfqdn: gw2.example.net\n");
    assert_eq!(content.host_name.as_deref(), Some("gw2.example.net"));
    assert!(user("#cloud-config\n").is_empty());
}

#[test]
fn write_files_may_carry_it() {
    let text = "#cloud-config\nwrite_files:\n- path: /etc/motd\n  content: hello\n- path: /config/ravelin.conf\n  permissions: '0600'\n  content: |\n    set a\n    set b\n";
    let content = user(text);
    assert_eq!(configuration(&content), ("set a\nset b\n", Some(7)));
    assert_eq!(content.notes.len(), 1);
    assert!(content.notes[0].starts_with("user-data:3: a file of `write_files` is not written"));
    let text = "#cloud-config\nwrite_files:\n- path: /x/ravelin.conf\n  encoding: b64\n  content: |\n    c2V0\n    IGE=\n";
    assert_eq!(configuration(&user(text)), ("set a", None));
}

#[test]
fn faults_have_their_lines() {
    let script = refused("#!/bin/sh\n");
    assert_eq!(
        script,
        "user-data:1: a script is not accepted; a Ravelin configuration or #cloud-config"
    );
    for (text, expected) in [
        (
            "#cloud-config\nhostname: [a]\n",
            ":2: `hostname` wants a text",
        ),
        (
            "#cloud-config\n\nhostname: a b\n",
            ":3: the host name is not one of letters, digits and `-`",
        ),
        ("#cloud-config\n- a\n", ":2: not `key: value` lines"),
        (
            "#cloud-config\nravelin: {a: b}\n",
            ":2: the configuration is not a text; write `|` behind the key",
        ),
        (
            "#cloud-config\nravelin: a\nwrite_files:\n- {path: /ravelin.conf, content: b}\n",
            ":4: a second configuration",
        ),
        (
            "#cloud-config\nwrite_files:\n- path: /ravelin.conf\n",
            ":3: a file of `write_files` without `content`",
        ),
        (
            "#cloud-config\nwrite_files: x\n",
            ":2: `write_files` wants a list of files",
        ),
        (
            "#cloud-config\nwrite_files:\n- {path: /ravelin.conf, encoding: gz+b64, content: x}\n",
            ":3: this encoding is not accepted; text/plain or base64",
        ),
    ] {
        assert_eq!(refused(text), format!("user-data{expected}"), "{text}");
    }
    let key = refused("#cloud-config\nssh_authorized_keys:\n- ssh-dss x\n");
    assert!(
        key.starts_with("user-data:3: not an SSH public key"),
        "{key}"
    );
}

#[test]
fn octets_that_are_no_text_are_refused() {
    let of = |octets: &[u8]| text(octets).map(drop).unwrap_err().to_string();
    assert_eq!(of(&[0x1f, 0x8b, 8]), ": compressed data is not accepted");
    assert_eq!(of(b"a\nb\n\xff"), ":3: not UTF-8 text");
}

#[test]
fn meta_data_gives_name_and_keys() {
    let meta = format!(
        "instance-id: i-1\nlocal-hostname: gw3\npublic-keys:\n  mine: {KEY}\n  theirs: [\"{KEY} x\"]\n"
    );
    let content = of(&[("meta-data", &meta)]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(content.host_name.as_deref(), Some("gw3"));
    assert_eq!(content.keys.len(), 2);
    assert!(content.notes.is_empty());
    let both = of(&[
        ("meta-data", "{\"local-hostname\": \"gw3\", \"x\": 1}"),
        ("user-data", "#cloud-config\nhostname: gw1\n"),
        ("network-config", "version: 2"),
    ]);
    let both = both.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(both.host_name.as_deref(), Some("gw1"));
    assert_eq!(both.notes.len(), 2);
    assert_eq!(both.notes[0], "meta-data:1: `x` is not used");
    assert!(both.notes[1].starts_with("network-config is not used"));
    assert!(
        of(&[("meta-data", "instance-id: x\n")])
            .unwrap_or_else(|e| panic!("{e}"))
            .is_empty()
    );
}

use super::*;
use crate::day0::seed::Content;

fn text(file: &str, text: &str, shift_lines: Option<u32>) -> Text {
    Text {
        file: file.to_owned(),
        text: Zeroizing::new(text.to_owned()),
        shift_lines,
    }
}

fn composed(content: &Content) -> Result<Composed, Vec<String>> {
    let model = Model::new().unwrap();
    compose(
        &model,
        content,
        &text("factory", "system { host-name factory; }", Some(0)),
    )
}

fn faults(configuration: Text) -> Vec<String> {
    let content = Content {
        text: Some(configuration),
        ..Content::default()
    };
    composed(&content).map(drop).unwrap_err()
}

#[test]
fn a_text_alone_is_stored_as_it_came() {
    let given = "/* ours */ system { host-name a; }";
    let content = Content {
        text: Some(text("user-data", given, Some(0))),
        ..Content::default()
    };
    assert_eq!(
        *composed(&content).unwrap_or_else(|e| panic!("{e:?}")).text,
        given
    );
}

#[test]
fn a_host_name_is_added_where_the_text_has_none() {
    let mut content = Content {
        host_name: Some("gw".to_owned()),
        ..Content::default()
    };
    let made = composed(&content).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(*made.text, "system {\n    host-name gw;\n}\n");
    content.text = Some(text("user-data", "system { host-name mine; }", Some(0)));
    let made = composed(&content).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(*made.text, "system {\n    host-name mine;\n}\n");
    assert_eq!(
        made.notes,
        ["the host name of the configuration is used, not the other one"]
    );
    content.text = Some(text("user-data", "## ravelin\n", Some(0)));
    let made = composed(&content).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(*made.text, "system {\n    host-name gw;\n}\n");
}

#[test]
fn faults_have_the_lines_of_the_file() {
    let wrong = "system {\n    hostname b;\n}\n";
    for (shift, place) in [
        (Some(0), "user-data:2:5: [system] "),
        (Some(7), "user-data:9: [system] "),
        (None, "user-data: line 2 of the configuration: [system] "),
    ] {
        let faults = faults(text("user-data", wrong, shift));
        assert!(faults[0].starts_with(place), "{faults:?}");
        assert!(
            faults[0].contains("unknown statement `hostname`"),
            "{faults:?}"
        );
    }
}

#[test]
fn what_mgmtd_cannot_carry_out_is_refused_too() {
    let site = include_str!("../../../../../../tests/configs/site.conf");
    let wrong = site.replacen("local-address 192.0.2.1;", "local-address 192.0.2.9;", 1);
    let faults = faults(text("ravelin.conf", &wrong, Some(0)));
    assert!(
        faults[0].contains("`local-address` 192.0.2.9 is not"),
        "{faults:?}"
    );
    assert!(faults[0].starts_with("ravelin.conf:"), "{faults:?}");
}

const KEYS: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g a@b\n\
    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g \"c\" \\d";

#[test]
fn keys_are_those_of_the_administrator() {
    let mut content = Content::default();
    content.add_keys(KEYS, 1).unwrap();
    for base in ["", "system { login { user admin { class super-user; } } }"] {
        content.text = Some(text("user-data", base, Some(0)));
        let made = composed(&content).unwrap_or_else(|e| panic!("{e:?}"));
        let model = Model::new().unwrap();
        let tree = model.parse("made", &made.text).unwrap();
        let lines = model.print_set(&tree, Secrets::Show);
        let user = "set system login user admin";
        assert!(
            lines.starts_with(&format!("{user} class super-user\n")),
            "{}",
            *lines
        );
        let keys = lines
            .matches(&format!("{user} authentication ssh-ed25519 "))
            .count();
        assert_eq!(keys, 2, "{}", *lines);
    }
}

use super::*;
use ravelin_ctl::host::wanted::Class;

#[test]
fn bad_passwords_are_told_why() {
    for (password, expected) in [
        ("short", Some("too short")),
        ("aaaaaaaaaa", Some("guess")),
        ("myadmin99", Some("guess")),
        ("with\ttab12", Some("no character")),
        ("correct horse", None),
        ("größer8!", None),
    ] {
        let fault = fault(password, "admin");
        match expected {
            Some(words) => assert!(fault.unwrap().contains(words), "{password}"),
            None => assert_eq!(fault, None, "{password}"),
        }
    }
    assert!(
        fault(&"ab".repeat(65), "admin")
            .unwrap()
            .contains("too long")
    );
}

#[test]
fn a_greeting_tells_the_gravest_alarms() {
    let mut session = Session {
        user: "admin".to_owned(),
        class: Class::SuperUser,
        password_wanted: false,
        host_name: None,
        software: "0.1.0".to_owned(),
        alarms: Vec::new(),
    };
    assert_eq!(greeting(&session), "Ravelin 0.1.0, no host name yet\n");
    session.host_name = Some("gw1".to_owned());
    session.alarms = (0..10).map(|n| format!("fault {n}")).collect();
    let text = greeting(&session);
    assert!(
        text.starts_with("Ravelin 0.1.0, gw1\nalarm: fault 0\n"),
        "{text}"
    );
    assert!(
        text.ends_with("alarm: fault 7\nand 2 more alarms: show system alarms\n"),
        "{text}"
    );
}

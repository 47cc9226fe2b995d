use super::{Console, TYPED_OCTETS, pieces};
use crate::{Lab, VmError, seconds};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const SOON: Duration = seconds(20);

fn console(name: &str) -> (Lab, Console, UnixStream) {
    let lab = Lab::new(name).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let console = Console::new("guest", ours, &lab.artifacts().join("serial.log")).unwrap();
    (lab, console, theirs)
}

/// Reads what is typed up to `end`.
fn typed(guest: &mut UnixStream, end: &str) -> String {
    let mut text = String::new();
    let mut octet = [0];
    while !text.ends_with(end) && guest.read(&mut octet).unwrap() == 1 {
        text.push(char::from(octet[0]));
    }
    text
}

#[test]
fn patterns_match_behind_the_last_match() {
    let (lab, mut console, mut guest) = console("console_patterns");
    guest.write_all(b"one \x1b[1mtwo\x1b[0m\r\nthr").unwrap();
    let two = console.expect("t(w)o(x)?", SOON).unwrap();
    assert_eq!(two.before, "one ");
    assert_eq!(two.groups, ["two", "w", ""]);
    guest.write_all(b"ee one\r\n").unwrap();
    assert_eq!(
        console.expect("^three (.*)$", SOON).unwrap().groups[1],
        "one"
    );
    assert_eq!(console.text(), "one two\nthree one\n");
    let log = std::fs::read(lab.artifacts().join("serial.log")).unwrap();
    assert_eq!(log, b"one \x1b[1mtwo\x1b[0m\r\nthree one\r\n");
}

#[test]
fn the_words_of_a_process_that_ended_are_told() {
    let (lab, console, guest) = console("console_words");
    let words = lab.artifacts().join("qemu.log");
    std::fs::write(&words, "qemu: Assertion failed\n").unwrap();
    drop(guest);
    let error = console.with_words(&words).expect("login:", SOON);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("(QEMU printed: qemu: Assertion failed)"),
        "{text}"
    );
}

#[test]
fn the_match_that_begins_first_counts() {
    let (_lab, mut console, mut guest) = console("console_first");
    guest.write_all(b"abc").unwrap();
    console.expect(r"c\z", SOON).unwrap();
    guest.write_all(b"abc").unwrap();
    let found = console.expect_any(&["c", "bc", "b"], SOON).unwrap();
    assert_eq!((found.pattern, found.before.as_str()), (1, "a"));
}

#[test]
fn a_deadline_shows_what_came_instead() {
    let (_lab, mut console, mut guest) = console("console_deadline");
    guest.write_all(b"kernel panic\r\n").unwrap();
    console.expect("kernel", SOON).unwrap();
    let error = console.expect("login:", Duration::from_millis(100));
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("login:") && text.ends_with(" panic\n"),
        "{text}"
    );
}

#[test]
fn a_closed_console_is_told_from_silence() {
    let (_lab, mut console, guest) = console("console_closed");
    drop(guest);
    let error = console.expect("login:", SOON).unwrap_err();
    assert!(
        matches!(&error, VmError::Unexpected(text) if text.contains("closed")),
        "{error}"
    );
    assert!(matches!(
        console.expect("(", SOON),
        Err(VmError::Pattern(_))
    ));
}

#[test]
fn login_and_commands() {
    let (_lab, mut console, mut guest) = console("console_login");
    let dialogue = std::thread::spawn(move || {
        guest.write_all(b"\r\nRavelin\r\n\r\ngw login: ").unwrap();
        assert_eq!(typed(&mut guest, "\r"), "admin\r");
        guest.write_all(b"admin\r\nPassword: ").unwrap();
        assert_eq!(typed(&mut guest, "\r"), "secret\r");
        guest.write_all(b"\r\nWelcome\r\nadmin@gw> ").unwrap();
        assert_eq!(typed(&mut guest, "\r"), "show it\r");
        // A line editor draws the line again, prompt and all.
        guest
            .write_all(b"\radmin@gw> show it\x1b[K\r\nit is\r\nso\r\n")
            .unwrap();
        guest.write_all(b"admin@gw> ").unwrap();
        assert_eq!(typed(&mut guest, "\r"), "none\r");
        guest.write_all(b"none\r\nadmin@gw> ").unwrap();
        guest
    });
    console
        .login("admin", Some("secret"), r"\w+@\w+> ", SOON)
        .unwrap();
    assert_eq!(console.command("show it", SOON).unwrap(), "it is\nso\n");
    assert_eq!(console.command("none", SOON).unwrap(), "");
    dialogue.join().unwrap();
}

#[test]
fn a_refused_login_says_so() {
    let (_lab, mut console, mut guest) = console("console_refused");
    guest.write_all(b"gw login: ").unwrap();
    let answer = std::thread::spawn(move || {
        typed(&mut guest, "\r");
        guest.write_all(b"admin\r\nPassword: ").unwrap();
        guest
    });
    let error = console.login("admin", None, "> ", SOON).unwrap_err();
    assert!(error.to_string().contains("asks for a password"), "{error}");
    assert!(console.command("x", SOON).is_err(), "no prompt is known");
    answer.join().unwrap();
}

#[test]
fn lines_are_pasted_one_by_one() {
    let (_lab, mut console, mut guest) = console("console_paste");
    let long = "y".repeat(TYPED_OCTETS + 5);
    let expected = ["set a { b*", long.as_str(), "", "end"].map(str::to_owned);
    let echo = std::thread::spawn(move || {
        let mut lines = vec![String::new()];
        let mut octet = [0];
        while lines.len() < 5 && guest.read(&mut octet).unwrap() == 1 {
            if octet[0] == b'\r' {
                guest.write_all(b"\r\n").unwrap();
                lines.push(String::new());
            } else {
                guest.write_all(&octet).unwrap();
                lines.last_mut().unwrap().push(char::from(octet[0]));
            }
        }
        lines
    });
    console.paste(&expected.join("\n"), SOON).unwrap();
    assert_eq!(echo.join().unwrap()[..4], expected);
}

#[test]
fn pieces_keep_characters_whole() {
    let line = "é".repeat(TYPED_OCTETS);
    let found = pieces(&line);
    assert!(found.iter().all(|piece| piece.len() <= TYPED_OCTETS));
    assert_eq!(found.concat(), line);
}

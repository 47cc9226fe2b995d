use super::*;
use ravelin_ctl::host::wanted::Class;
use ravelin_ctl::host::{Alarm, Severity};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::InstanceId;
use std::os::unix::net::UnixListener;
use std::thread;

fn session() -> Session {
    Session {
        user: "admin".to_owned(),
        class: Class::SuperUser,
        password_wanted: false,
        host_name: None,
        software: "0.1.0".to_owned(),
        alarms: Vec::new(),
    }
}

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
    let mut session = session();
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

/// The alarms of a login at an mgmtd that gives this answer to the question for them, or none.
fn alarms_told(name: &str, answer: Option<Reply>, limit: Duration) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("ravelin-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("mgmtd.sock")).unwrap();
    let mut session = session();
    session.alarms = vec!["known without asking".to_owned()];
    thread::scope(|scope| {
        let mgmtd = scope.spawn(|| {
            let (socket, _) = listener.accept().unwrap();
            let hello = Hello::new(Role::Mgmtd, InstanceId(1));
            let mut stream =
                Stream::accept(socket, &hello, Duration::from_secs(10), &[Role::Operator]).unwrap();
            let asked: Envelope<Request> = stream.receive().unwrap();
            assert!(matches!(asked.body, Request::ShowAlarms));
            if let Some(body) = answer {
                let id = asked.id;
                stream.send(&Envelope { id, body }).unwrap();
            }
            // Kept open until the login is through.
            stream
        });
        tell_all(&Client::new(&folder), &mut session, limit);
        mgmtd.join().unwrap();
    });
    std::fs::remove_dir_all(folder).unwrap();
    session.alarms
}

#[test]
fn a_login_tells_what_the_daemons_know_and_waits_for_none_of_them() {
    let alarm = Alarm {
        severity: Severity::Major,
        subject: "crypto_aesni_mb0".to_owned(),
        text: "it takes no packets".to_owned(),
    };
    let long = Duration::from_secs(10);
    let asked = alarms_told("told", Some(Reply::Alarms(vec![alarm])), long);
    assert_eq!(asked, ["it takes no packets"]);
    let failed = Reply::Failed(vec!["the daemon went away".to_owned()]);
    let failed = alarms_told("failed", Some(failed), long);
    assert_eq!(failed, ["known without asking"]);
    let silent = alarms_told("silent", None, Duration::from_millis(1));
    assert_eq!(silent, ["known without asking"]);
}

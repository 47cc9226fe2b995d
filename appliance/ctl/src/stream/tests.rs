//! The handshake.

use super::*;
use crate::{PROTOCOL_VERSION, Role};
use ravelin_types::InstanceId;

#[test]
fn handshake_tells_the_roles_and_messages_pass() {
    let (a, b) = UnixStream::pair().unwrap();
    let other = std::thread::spawn(move || {
        let mut b = Stream::open(b, &Hello::new(Role::Planed, InstanceId(2))).unwrap();
        let text: String = b.receive().unwrap();
        (b.peer().role, text)
    });
    let mut a = Stream::open(a, &Hello::new(Role::Iked, InstanceId(1))).unwrap();
    assert_eq!(a.peer().role, Role::Planed);
    a.send(&"hello").unwrap();
    assert_eq!(other.join().unwrap(), (Role::Iked, "hello".to_owned()));
    assert!(matches!(a.receive::<String>(), Err(StreamError::Closed)));
}

#[test]
fn another_version_is_refused_by_name() {
    let (a, b) = UnixStream::pair().unwrap();
    let other = std::thread::spawn(move || {
        let hello = Hello {
            version: 99,
            ..Hello::new(Role::Planed, InstanceId(2))
        };
        Stream::open(b, &hello).is_ok()
    });
    let error = Stream::open(a, &Hello::new(Role::Iked, InstanceId(1)))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        format!("ravelin-planed speaks control protocol 99, we speak {PROTOCOL_VERSION}")
    );
    other.join().unwrap();
}

#[test]
fn a_listener_that_never_greets_is_given_up() {
    // The system accepts connections into the backlog of a process that hangs.
    let (socket, _silent) = UnixStream::pair().unwrap();
    let hello = Hello::new(Role::Planed, InstanceId(1));
    let error = Stream::open(socket, &hello).err().unwrap();
    assert!(matches!(error, StreamError::Io(e) if e.kind() == io::ErrorKind::WouldBlock));
}

#[test]
fn a_client_whose_role_is_not_served_is_turned_away() {
    for (role, served) in [(Role::Iked, true), (Role::Operator, false)] {
        let (a, b) = UnixStream::pair().unwrap();
        let client =
            std::thread::spawn(move || Stream::open(b, &Hello::new(role, InstanceId(2))).map(drop));
        let hello = Hello::new(Role::Planed, InstanceId(1));
        let accepted = Stream::accept(a, &hello, GREETING_LIMIT, &[Role::Iked]);
        match accepted {
            Ok(_) => assert!(served),
            Err(error) => {
                assert!(!served);
                assert_eq!(error.to_string(), "ravelin has no business at this socket");
            }
        }
        client.join().unwrap().unwrap();
    }
}

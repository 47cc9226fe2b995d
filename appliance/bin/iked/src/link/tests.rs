//! Greeting, messages, reconnection, and refusal of another version.

use ravelin_ctl::Role;
use ravelin_types::InstanceId;
use tokio::net::UnixListener;

use super::*;

type Events = mpsc::Receiver<LinkEvent<u32, u32>>;

fn start(path: &std::path::Path) -> Events {
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let hello = Hello::new(Role::Iked, InstanceId(1));
    tokio::spawn(run::<u32, u32>(
        path.to_owned(),
        hello,
        Role::Planed,
        sender,
    ));
    events
}

async fn accept(listener: &UnixListener, version: u32) -> (OwnedReadHalf, OwnedWriteHalf, Decoder) {
    accept_as(listener, version, Role::Planed).await
}

async fn accept_as(
    listener: &UnixListener,
    version: u32,
    role: Role,
) -> (OwnedReadHalf, OwnedWriteHalf, Decoder) {
    let (socket, _) = listener.accept().await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let mut decoder = Decoder::new();
    let hello = Hello {
        version,
        ..Hello::new(role, InstanceId(2))
    };
    writer.write_all(&encode(&hello).unwrap()).await.unwrap();
    let theirs: Hello = receive(&mut reader, &mut decoder).await.unwrap();
    assert_eq!(theirs.role, Role::Iked);
    (reader, writer, decoder)
}

#[tokio::test]
async fn it_connects_when_the_other_side_appears_and_again_after_a_break() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("planed.sock");
    let mut events = start(&path);
    let listener = UnixListener::bind(&path).unwrap();
    for round in 0..2 {
        let (mut reader, mut writer, mut decoder) = accept(&listener, PROTOCOL_VERSION).await;
        let Some(LinkEvent::Up { peer, sender }) = events.recv().await else {
            panic!("not up")
        };
        assert_eq!(peer.instance, InstanceId(2));
        sender.send(round).await.unwrap();
        assert_eq!(
            receive::<u32>(&mut reader, &mut decoder).await.unwrap(),
            round
        );
        writer
            .write_all(&encode(&(round + 10)).unwrap())
            .await
            .unwrap();
        let Some(LinkEvent::Message(got)) = events.recv().await else {
            panic!("no message")
        };
        assert_eq!(got, round + 10);
        drop((reader, writer));
        assert!(matches!(events.recv().await, Some(LinkEvent::Down)));
        assert!(sender.is_closed());
    }
}

#[tokio::test]
async fn another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("planed.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut events = start(&path);
    let _connection = accept(&listener, PROTOCOL_VERSION + 1).await;
    assert!(matches!(events.recv().await, Some(LinkEvent::Down)));
}

#[tokio::test]
async fn another_daemon_at_the_socket_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("planed.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut events = start(&path);
    let _connection = accept_as(&listener, PROTOCOL_VERSION, Role::Netd).await;
    assert!(matches!(events.recv().await, Some(LinkEvent::Down)));
}

//! The program itself, with mgmtd and planed played by the test: start in any order, protections, configuration in two
//! phases, orderly end, and the vault on the way.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ravelin_ctl::daemon::{Part, Reply, Request};
use ravelin_ctl::ike::IkeConfig;
use ravelin_ctl::operator::{DaemonQuery, DaemonReply};
use ravelin_ctl::plane::PlaneConfig;
use ravelin_ctl::sa::{self, FromPlaned};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::{Generation, InstanceId};

/// Killed on drop.
struct Iked(Child);

impl Iked {
    fn start(run_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin-iked"));
        command
            .arg("--run-dir")
            .arg(run_dir)
            .stderr(Stdio::inherit());
        Self(command.spawn().unwrap())
    }

    fn stop(mut self) -> ExitStatus {
        kill(
            Pid::from_raw(i32::try_from(self.0.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Iked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn accept(listener: &UnixListener, role: Role) -> Stream {
    let (socket, _) = listener.accept().unwrap();
    let stream = Stream::open(socket, &Hello::new(role, InstanceId(1))).unwrap();
    assert_eq!(stream.peer().role, Role::Iked);
    stream
}

fn ask(mgmtd: &mut Stream, id: u32, body: Request) -> Reply {
    mgmtd.send(&Envelope { id, body }).unwrap();
    let reply: Envelope<Reply> = mgmtd.receive().unwrap();
    assert_eq!(reply.id, id);
    reply.body
}

fn configure(mgmtd: &mut Stream, number: u64) {
    let generation = Generation(number);
    let part = Part::Ike(IkeConfig::default());
    let prepared = ask(mgmtd, 1, Request::Prepare { generation, part });
    assert_eq!(prepared, Reply::Prepared(Ok(())));
    assert_eq!(
        ask(mgmtd, 2, Request::Apply(generation)),
        Reply::Applied(Ok(generation))
    );
}

#[test]
fn it_serves_mgmtd_and_planed_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let iked = Iked::start(dir.path());
    // It was first; the others come later.
    let mgmtd = UnixListener::bind(dir.path().join("mgmtd.sock")).unwrap();
    let planed = UnixListener::bind(dir.path().join("planed.sock")).unwrap();
    let mut plane = accept(&planed, Role::Planed);
    let mut mgmt = accept(&mgmtd, Role::Mgmtd);

    let limits = fs::read_to_string(format!("/proc/{}/limits", iked.0.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let vault = dir.path().join("iked.vault");
    assert_eq!(
        fs::metadata(&vault).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let generation = Generation(1);
    let wrong = Part::Plane(PlaneConfig::default());
    let refused = ask(
        &mut mgmt,
        1,
        Request::Prepare {
            generation,
            part: wrong,
        },
    );
    assert!(matches!(refused, Reply::Prepared(Err(_))));
    assert!(matches!(
        ask(&mut mgmt, 2, Request::Apply(generation)),
        Reply::Applied(Err(_))
    ));
    configure(&mut mgmt, 2);
    // planed is asked for its list only now that iked knows what it wants there.
    let list: sa::ToPlaned = plane.receive().unwrap();
    assert_eq!(list.body, sa::Request::List);
    let answer = FromPlaned::Reply(sa::Reply::Pairs(Vec::new()));
    plane
        .send(&Envelope {
            id: list.id,
            body: answer,
        })
        .unwrap();
    let sync: sa::ToPlaned = plane.receive().unwrap();
    assert_eq!(sync.body, sa::Request::SyncDone);

    let sas = ask(&mut mgmt, 3, Request::Operator(DaemonQuery::IkeSas));
    assert_eq!(sas, Reply::Operator(DaemonReply::IkeSas(Vec::new())));
    let foreign = ask(&mut mgmt, 4, Request::Operator(DaemonQuery::Interfaces));
    assert!(matches!(foreign, Reply::Operator(DaemonReply::Failed(_))));

    // A second iked must not touch the vault of the first.
    assert!(!Iked::start(dir.path()).0.wait().unwrap().success());
    assert!(iked.stop().success());
}

#[test]
fn a_new_mgmtd_finds_the_daemon_again() {
    let dir = tempfile::tempdir().unwrap();
    let mgmtd = UnixListener::bind(dir.path().join("mgmtd.sock")).unwrap();
    let iked = Iked::start(dir.path());
    for generation in 1..3 {
        let mut mgmt = accept(&mgmtd, Role::Mgmtd);
        configure(&mut mgmt, generation);
    }
    assert!(iked.stop().success());
}

#[test]
fn arguments_are_explained() {
    let output = Command::new(env!("CARGO_BIN_EXE_ravelin-iked"))
        .arg("--wrong")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("`--wrong`")
    );
}

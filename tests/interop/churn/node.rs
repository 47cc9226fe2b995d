//! planed and netd in a namespace of their own; mgmtd and iked are played here.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ravelin_ctl::buffers::Buffers;
use ravelin_ctl::daemon::{self, Part};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, Drop};
use ravelin_ctl::plane::PlaneConfig;
use ravelin_ctl::sa::{Event, FromPlaned, Reply, Request};
use ravelin_ctl::stream::Writer;
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_tests::netns::{Netns, run};
use ravelin_tests::process::Process;
use ravelin_tests::{artifacts, runtime_folder};
use ravelin_types::{Generation, InstanceId};
use serde_json::Value;

/// For answers of a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was counted outside of the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    pub drops: Vec<Drop>,
    pub buffers: Buffers,
    /// Packets that the kernel gave to the twins, and took from them.
    pub from_host: u64,
    pub to_host: u64,
}

impl Books {
    pub fn dropped(&self) -> u64 {
        self.drops.iter().map(|drop| drop.packets).sum()
    }
}

pub struct Node {
    pub netns: Netns,
    pub folder: PathBuf,
    planed: Process,
    _netd: Process,
    mgmtd: Stream,
    iked: Writer,
    /// Answers and what else planed says to iked.
    said: Receiver<FromPlaned>,
    asked: u32,
    generation: u64,
}

impl Node {
    pub fn start(label: &str, workers: usize) -> Self {
        let netns = Netns::new(label).unwrap();
        let folder = runtime_folder(netns.name()).unwrap();
        let logs = artifacts(label).unwrap();
        let programs = programs();
        let listener = UnixListener::bind(folder.join("mgmtd.sock")).unwrap();
        let start = |name: &str, arguments: &[&str]| {
            let mut command = netns.command("env");
            command.arg("RAVELIN_NO_HUGE=1").arg(programs.join(name));
            command.arg("--run-dir").arg(&folder).args(arguments);
            Process::start(name, &logs, &mut command).unwrap()
        };
        let netd = start("ravelin-netd", &[]);
        let workers = workers.to_string();
        let planed = start(
            "ravelin-planed",
            &["--workers", &workers, "--memory-mib", "128"],
        );
        let (socket, _) = listener.accept().unwrap();
        let mgmtd = Stream::open(socket, &Hello::new(Role::Mgmtd, InstanceId(1))).unwrap();
        mgmtd.set_receive_timeout(Some(PATIENCE)).unwrap();
        let (iked, said) = play_iked(&folder.join("planed.sock"));
        Self {
            netns,
            folder,
            planed,
            _netd: netd,
            mgmtd,
            iked,
            said,
            asked: 0,
            generation: 0,
        }
    }

    fn ask(&mut self, body: daemon::Request) -> daemon::Reply {
        self.asked += 1;
        let id = self.asked;
        self.mgmtd.send(&Envelope { id, body }).unwrap();
        let answer: Envelope<daemon::Reply> = self.mgmtd.receive().unwrap();
        answer.body
    }

    fn query(&mut self, query: DaemonQuery) -> DaemonReply {
        match self.ask(daemon::Request::Operator(query)) {
            daemon::Reply::Operator(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// A commit.
    pub fn configure(&mut self, config: PlaneConfig) {
        self.generation += 1;
        let generation = Generation(self.generation);
        let part = Part::Plane(config);
        let prepared = self.ask(daemon::Request::Prepare { generation, part });
        assert!(
            matches!(prepared, daemon::Reply::Prepared(Ok(()))),
            "{prepared:?}"
        );
        let applied = self.ask(daemon::Request::Apply(generation));
        assert!(
            matches!(applied, daemon::Reply::Applied(Ok(_))),
            "{applied:?}"
        );
    }

    /// iked's request.
    pub fn request(&mut self, body: Request) -> Reply {
        self.asked += 1;
        let id = self.asked;
        self.iked.send(&Envelope { id, body }).unwrap();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(FromPlaned::Reply(reply)) => return reply,
                Ok(FromPlaned::Event(Event::InstallFailed { pair, reason, .. })) => {
                    panic!("{pair:?}: {reason}")
                }
                Ok(FromPlaned::Event(_)) => {}
                Err(error) => panic!("planed says nothing: {error}"),
            }
        }
    }

    /// Tells planed that iked is in step, and waits until it forwards.
    pub fn synchronise(&mut self) {
        self.request(Request::SyncDone);
        let forwards = FromPlaned::Event(Event::State { forwarding: true });
        while self.said.recv_timeout(PATIENCE).unwrap() != forwards {}
    }

    /// Runs `ip` with these lines.
    pub fn ip(&self, lines: &str) {
        let path = self.folder.join("ip.batch");
        std::fs::write(&path, lines).unwrap();
        run(self.netns.command("ip").arg("-batch").arg(&path)).unwrap();
    }

    pub fn books(&mut self) -> Books {
        let DaemonReply::Drops(drops) = self.query(DaemonQuery::Drops) else {
            panic!("no drops")
        };
        let DaemonReply::Buffers(buffers) = self.query(DaemonQuery::Buffers) else {
            panic!("no buffers")
        };
        let links = self.netns.sh("ip -s -j link show").unwrap();
        let links: Value = serde_json::from_str(&links).unwrap();
        let is_twin = |link: &&Value| {
            let name = link["ifname"].as_str().unwrap();
            name.starts_with("ge-") || name.starts_with("st0")
        };
        let twins = || links.as_array().unwrap().iter().filter(is_twin);
        let sum = |way: &str| {
            twins()
                .map(|link| link["stats64"][way]["packets"].as_u64().unwrap())
                .sum()
        };
        Books {
            drops,
            buffers,
            from_host: sum("tx"),
            to_host: sum("rx"),
        }
    }

    /// Fails when planed has ended.
    pub fn check(&mut self) {
        self.planed.check().unwrap();
    }
}

/// Where the daemons are: what the suite says, else beside this program.
fn programs() -> PathBuf {
    match std::env::var_os("RAVELIN_BIN_DIR") {
        Some(folder) => folder.into(),
        None => {
            let exe = std::env::current_exe().unwrap();
            exe.ancestors().nth(2).unwrap().to_owned()
        }
    }
}

/// Connects as iked. Everything that planed says is taken from the socket at once.
fn play_iked(path: &Path) -> (Writer, Receiver<FromPlaned>) {
    let hello = Hello::new(Role::Iked, InstanceId(1));
    let mut stream = Stream::connect(path, &hello, Role::Planed).unwrap();
    let writer = stream.writer().unwrap();
    let (sender, said) = channel();
    std::thread::spawn(move || {
        while let Ok(Envelope { body, .. }) = stream.receive::<Envelope<FromPlaned>>() {
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (writer, said)
}

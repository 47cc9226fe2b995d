//! planed and mgmtd as iked meets them: the configuration, and a data plane that takes every pair and remembers what it has.

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ravelin_ctl::daemon::{self, Part};
use ravelin_ctl::ike::IkeConfig;
use ravelin_ctl::sa::{
    Event, FromPlaned, Outbound, PairState, Reply, Request, STATE_BEAT, ToPlaned,
};
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError};
use ravelin_types::{Generation, InstanceId, PairId};

use crate::Failure;

/// How long iked may take to greet.
const GREETING: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

/// The pairs that planed would have; they outlive a restart of iked.
#[derive(Default)]
struct Plane {
    pairs: Mutex<HashMap<PairId, PairState>>,
    installed: AtomicU64,
}

/// Both daemons, played.
pub struct StandIns {
    plane: Arc<Plane>,
    synced: Receiver<()>,
    /// Connections of iked to mgmtd.
    mgmt: Receiver<Stream>,
    connection: Option<Stream>,
    generation: u64,
}

impl StandIns {
    /// Listens where iked looks for them.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        let bind = |name: &'static str| {
            let path = folder.join(format!("{name}.sock"));
            UnixListener::bind(path).map_err(|error| Failure::Socket { name, error })
        };
        let (planed, mgmtd) = (bind("planed")?, bind("mgmtd")?);
        let plane = Arc::new(Plane::default());
        let (synced_to, synced) = channel();
        let shared = Arc::clone(&plane);
        thread::spawn(move || {
            for socket in planed.incoming().flatten() {
                let hello = Hello::new(Role::Planed, InstanceId(1));
                if let Ok(stream) = Stream::accept(socket, &hello, GREETING, &[Role::Iked]) {
                    // It ends when iked does.
                    let _ = serve(stream, &shared, &synced_to);
                }
            }
        });
        let (connected, mgmt) = channel();
        thread::spawn(move || {
            for socket in mgmtd.incoming().flatten() {
                let hello = Hello::new(Role::Mgmtd, InstanceId(1));
                let stream = Stream::accept(socket, &hello, GREETING, &[Role::Iked]);
                if stream.is_ok_and(|stream| connected.send(stream).is_err()) {
                    return;
                }
            }
        });
        Ok(Self {
            plane,
            synced,
            mgmt,
            connection: None,
            generation: 0,
        })
    }

    /// Gives an iked that was just started its configuration, and waits until it has compared its pairs.
    pub fn welcome(&mut self, config: &IkeConfig) -> Result<(), Failure> {
        let stream = self.mgmt.recv_timeout(PATIENCE);
        self.connection = Some(stream.map_err(|_| silent("iked's connection to mgmtd"))?);
        self.configure(config)?;
        let synced = self.synced.recv_timeout(PATIENCE);
        synced.map_err(|_| silent("iked's comparison with planed"))
    }

    /// Another configuration.
    pub fn configure(&mut self, config: &IkeConfig) -> Result<(), Failure> {
        self.generation += 1;
        let generation = Generation(self.generation);
        let part = Part::Ike(config.clone());
        match self.ask(daemon::Request::Prepare { generation, part })? {
            daemon::Reply::Prepared(Ok(())) => {}
            other => return Err(Failure::Refused(format!("{other:?}"))),
        }
        match self.ask(daemon::Request::Apply(generation))? {
            daemon::Reply::Applied(Ok(_)) => Ok(()),
            other => Err(Failure::Refused(format!("{other:?}"))),
        }
    }

    fn ask(&mut self, body: daemon::Request) -> Result<daemon::Reply, Failure> {
        let stream = self.connection.as_mut();
        let stream = stream.ok_or_else(|| silent("iked's connection to mgmtd"))?;
        stream.set_receive_timeout(Some(PATIENCE))?;
        stream.send(&Envelope { id: 1, body })?;
        let answer: Envelope<daemon::Reply> = stream.receive()?;
        Ok(answer.body)
    }

    /// Pairs that planed would have.
    pub fn pairs(&self) -> usize {
        let pairs = self.plane.pairs.lock();
        pairs.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Installations so far.
    pub fn installed(&self) -> u64 {
        self.plane.installed.load(Ordering::Relaxed)
    }
}

fn silent(what: &'static str) -> Failure {
    Failure::Silent {
        what,
        seconds: PATIENCE.as_secs(),
    }
}

/// Answers until iked goes away. Like planed it says every second that it forwards, once it is in step.
fn serve(mut stream: Stream, plane: &Plane, synced: &Sender<()>) -> Result<(), StreamError> {
    stream.set_receive_timeout(Some(STATE_BEAT))?;
    let mut next_beat = None;
    loop {
        match stream.receive::<ToPlaned>() {
            Ok(Envelope { id, body }) => {
                let done = matches!(body, Request::SyncDone);
                let body = FromPlaned::Reply(plane.answer(body));
                stream.send(&Envelope { id, body })?;
                if done {
                    next_beat = Some(Instant::now());
                    // Nobody waits for it any more when the run is over.
                    let _ = synced.send(());
                }
            }
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error),
        }
        if next_beat.is_some_and(|at| at <= Instant::now()) {
            next_beat = Some(Instant::now() + STATE_BEAT);
            let body = FromPlaned::Event(Event::State { forwarding: true });
            stream.send(&Envelope { id: 0, body })?;
        }
    }
}

impl Plane {
    fn answer(&self, request: Request) -> Reply {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        match request {
            Request::Install(wanted) => {
                self.installed
                    .fetch_add(wanted.len() as u64, Ordering::Relaxed);
                let results = wanted.into_iter().map(|pair| {
                    let state = PairState {
                        pair: pair.pair,
                        inbound: pair.inbound.spi,
                        outbound: pair.outbound.spi,
                        epoch: pair.epoch,
                        outer: pair.outer,
                        active: pair.state == Outbound::Active,
                    };
                    pairs.insert(pair.pair, state);
                    (pair.pair, Ok(()))
                });
                Reply::Installed(results.collect())
            }
            Request::Activate(pair) => {
                if let Some(state) = pairs.get_mut(&pair) {
                    state.active = true;
                }
                Reply::Done
            }
            Request::Remove { pair, .. } => {
                pairs.remove(&pair);
                Reply::Done
            }
            Request::List => Reply::Pairs(pairs.values().copied().collect()),
            Request::Counters(_) => Reply::Counters(Vec::new()),
            Request::SyncDone | Request::Move { .. } | Request::Grant(_) => Reply::Done,
        }
    }
}

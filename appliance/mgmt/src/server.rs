//! `mgmtd.sock`: accepts daemons and operators, one thread each, and turns what they say into events.
//!
//! The socket is for its owner and the operators' group. Daemons are handed keys, so whoever says to be one must run as its user
//! ([`ravelin_ctl::peer`]), and a daemon's user is no operator.

use crate::error::MgmtError;
use crate::manager::Event;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use nix::unistd::{Group, chown};
use ravelin_ctl::daemon::Reply;
use ravelin_ctl::operator::{self as ops};
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Connections at once: two daemons and many operators' terminals and scripts.
const MAX_CONNECTIONS: usize = 128;
/// A partner that has not greeted by then, or that does not read for so long, is dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Operators, and the daemons that take configuration.
const CLIENTS: [Role; 3] = [Role::Operator, Role::Planed, Role::Iked];
/// The group whose users reach the socket. Without it (a developer's machine) the socket keeps the group of the process.
const OPERATORS: &str = "ravelin-cli";
/// The longest an operator waits: a commit with both its steps at their limits, twice for the way back.
const ANSWER_LIMIT: Duration = Duration::from_secs(150);

/// The socket, bound.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    hello: Hello,
    connections: Arc<AtomicUsize>,
    next_link: AtomicU64,
}

/// Binds `mgmtd.sock` in `run_dir`.
///
/// # Errors
/// When another mgmtd serves it, or the folder refuses.
pub fn serve(run_dir: &Path, hello: Hello) -> Result<Server, MgmtError> {
    fs::create_dir_all(run_dir).map_err(|e| MgmtError::file("make", run_dir, e))?;
    let path = run_dir.join("mgmtd.sock");
    let bad = |error| MgmtError::file("serve", &path, error);
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(&path).is_ok() {
                return Err(MgmtError::Running(run_dir.to_owned()));
            }
            fs::remove_file(&path).map_err(bad)?;
            UnixListener::bind(&path)
        }
        other => other,
    };
    let listener = listener.map_err(bad)?;
    // The group first: until then nobody but the owner gets in.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(bad)?;
    if let Ok(Some(group)) = Group::from_name(OPERATORS) {
        // Who is not in the group himself serves his own group.
        chown(&path, None, Some(group.gid)).unwrap_or_else(|errno| {
            log::warn!("{} is not for {OPERATORS}: {errno}", path.display())
        });
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).map_err(bad)?;
    Ok(Server {
        listener,
        path,
        hello,
        connections: Arc::new(AtomicUsize::new(0)),
        next_link: AtomicU64::new(1),
    })
}

impl Server {
    /// Accepts for ever.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub fn run(&self, events: &Sender<Event>) -> Result<std::convert::Infallible, MgmtError> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if transient(&error) => continue,
                Err(error) => return Err(MgmtError::file("accept on", &self.path, error)),
            };
            self.connection(socket, events);
        }
    }

    fn connection(&self, socket: UnixStream, events: &Sender<Event>) {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            log::warn!("more than {MAX_CONNECTIONS} connections: one is turned away");
            return;
        }
        let slot = Slot(Arc::clone(&self.connections));
        let link = self.next_link.fetch_add(1, Ordering::Relaxed);
        let (hello, events) = (self.hello.clone(), events.clone());
        let spawned = thread::Builder::new()
            .name("connection".to_owned())
            .spawn(move || {
                let _slot = slot;
                match converse(socket, link, &hello, &events) {
                    Ok(()) => {}
                    Err(error @ (StreamError::Impostor { .. } | StreamError::Role { .. })) => {
                        log::warn!("a connection is refused: {error}");
                    }
                    Err(error) => log::debug!("connection {link}: {error}"),
                }
            });
        if let Err(error) = spawned {
            log::warn!("a connection is turned away: {error}");
        }
    }
}

/// Gives a connection's place back.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted | io::ErrorKind::WouldBlock
    )
}

fn converse(
    socket: UnixStream,
    link: u64,
    hello: &Hello,
    events: &Sender<Event>,
) -> Result<(), StreamError> {
    let uid = peer_uid(&socket);
    let stream = Stream::accept(socket, hello, PATIENCE, &CLIENTS)?;
    match stream.peer().role {
        Role::Operator => operator(stream, uid, events),
        _ => daemon(stream, link, events),
    }
}

/// The user id of the process at the other end.
fn peer_uid(socket: &UnixStream) -> Option<u32> {
    let peer = getsockopt(socket, PeerCredentials);
    peer.ok().map(|peer| peer.uid())
}

/// Whether a process of this user is one of us.
pub(crate) fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn daemon(mut stream: Stream, link: u64, events: &Sender<Event>) -> Result<(), StreamError> {
    let joined = Event::Joined {
        link,
        hello: stream.peer().clone(),
        writer: stream.writer()?,
        socket: stream.socket().try_clone()?,
    };
    if events.send(joined).is_err() {
        return Ok(());
    }
    let ended = loop {
        let envelope: Envelope<Reply> = match stream.receive() {
            Ok(envelope) => envelope,
            Err(error) => break error,
        };
        let answer = Event::Answer {
            link,
            id: envelope.id,
            reply: envelope.body,
        };
        if events.send(answer).is_err() {
            return Ok(());
        }
    };
    let _ = events.send(Event::Gone { link });
    Err(ended)
}

fn operator(
    mut stream: Stream,
    uid: Option<u32>,
    events: &Sender<Event>,
) -> Result<(), StreamError> {
    loop {
        let envelope: Envelope<ops::Request> = stream.receive()?;
        let (answer, inbox) = channel();
        let asked = Event::Operator {
            uid,
            request: envelope.body,
            answer,
        };
        if events.send(asked).is_err() {
            return Ok(());
        }
        let body = match inbox.recv_timeout(ANSWER_LIMIT) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => {
                ops::Reply::Failed(vec!["the daemon does not answer".to_owned()])
            }
            Err(RecvTimeoutError::Disconnected) => {
                ops::Reply::Failed(vec!["the daemon went away".to_owned()])
            }
        };
        stream.send(&Envelope {
            id: envelope.id,
            body,
        })?;
    }
}

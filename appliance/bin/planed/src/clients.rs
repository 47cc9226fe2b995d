//! `planed.sock`: iked's requests go to the control thread, its answers and events come back through one writer per client.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use ravelin_ctl::sa::{Event, FromPlaned, Reply, ToPlaned};
use ravelin_ctl::stream::Writer;
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError};
use ravelin_platform::Listener;

use crate::control::Input;
use crate::error::Error;

/// Frames that wait for a slow client; one that falls further behind is cut off and reconciles anew.
const QUEUE: usize = 1024;
/// How long a client may take to greet or to take a frame.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients at one time: iked, and some that are just being replaced.
const MOST: usize = 8;

/// Names one connection.
pub type ClientId = u64;

/// The listening socket, locked against a second planed.
pub struct Server {
    listener: Listener,
    hello: Hello,
}

impl Server {
    /// Makes `planed.sock` in `dir`, replacing one that a dead planed left.
    ///
    /// # Errors
    /// [`Error::Platform`], also while another planed lives.
    pub fn bind(dir: &Path, hello: Hello) -> Result<Self, Error> {
        Ok(Self {
            listener: Listener::bind(dir, "planed")?,
            hello,
        })
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(self, control: SyncSender<Input>) -> Result<(), Error> {
        spawn("clients", move || self.accept(&control))
    }

    fn accept(self, control: &SyncSender<Input>) {
        for id in 1.. {
            let socket = match self.listener.accept() {
                Ok(socket) => socket,
                Err(error) => {
                    log::error!("{error}");
                    return;
                }
            };
            let (hello, control) = (self.hello.clone(), control.clone());
            let served = spawn("client", move || {
                match converse(id, socket, &hello, &control) {
                    Ok(()) | Err(StreamError::Closed) => {}
                    Err(error) => log::info!("a client left: {error}"),
                }
                let _ = control.send(Input::ClientGone(id));
            });
            served.unwrap_or_else(|error| log::warn!("{error}"));
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|source| Error::Thread {
            name: name.to_owned(),
            source,
        })
}

fn converse(
    id: ClientId,
    socket: UnixStream,
    hello: &Hello,
    control: &SyncSender<Input>,
) -> Result<(), StreamError> {
    let mut stream = Stream::accept(socket, hello, PATIENCE, &[Role::Iked])?;
    let peer = stream.peer();
    log::info!(
        "{} (process {}) is connected",
        peer.role.process_name(),
        peer.pid
    );
    let (sender, frames) = sync_channel(QUEUE);
    let client = Client {
        id,
        role: peer.role,
        socket: stream.socket().try_clone()?,
        sender,
    };
    let writer = stream.writer()?;
    let written = spawn("client writer", move || write(writer, &frames));
    if let Err(error) = written {
        log::warn!("{error}");
        return Ok(());
    }
    let gone = |_| StreamError::Closed;
    control.send(Input::Client(client)).map_err(gone)?;
    loop {
        let Envelope { id: number, body } = stream.receive::<ToPlaned>()?;
        control.send(Input::Sa(id, number, body)).map_err(gone)?;
    }
}

fn write(mut writer: Writer, frames: &Receiver<Envelope<FromPlaned>>) {
    for frame in frames {
        if writer.send(&frame).is_err() {
            return;
        }
    }
}

/// A connected client.
pub struct Client {
    id: ClientId,
    role: Role,
    socket: UnixStream,
    sender: SyncSender<Envelope<FromPlaned>>,
}

impl Client {
    /// Its connection.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Whether it is iked.
    pub fn is_iked(&self) -> bool {
        self.role == Role::Iked
    }

    /// False when the client does not keep up or is gone; it is cut off then.
    fn send(&self, id: u32, body: FromPlaned) -> bool {
        match self.sender.try_send(Envelope { id, body }) {
            Ok(()) => true,
            Err(error) => {
                if matches!(error, TrySendError::Full(_)) {
                    log::warn!("{} does not keep up: cut off", self.role.process_name());
                }
                let _ = self.socket.shutdown(std::net::Shutdown::Both);
                false
            }
        }
    }
}

/// The clients as the control thread knows them.
#[derive(Default)]
pub struct Clients(Vec<Client>);

impl Clients {
    /// A client has come.
    pub fn add(&mut self, client: Client) {
        if self.0.len() >= MOST {
            log::warn!("a client is refused: {MOST} are connected");
            let _ = client.socket.shutdown(std::net::Shutdown::Both);
            return;
        }
        self.0.push(client);
    }

    /// A client has left.
    pub fn remove(&mut self, id: ClientId) {
        self.0.retain(|client| client.id != id);
    }

    /// Answers request `number` of a client.
    pub fn reply(&mut self, id: ClientId, number: u32, reply: Reply) {
        let mut reply = Some(reply);
        self.0.retain(|client| {
            client.id != id
                || reply
                    .take()
                    .is_none_or(|reply| client.send(number, FromPlaned::Reply(reply)))
        });
    }

    /// Tells iked.
    pub fn event(&mut self, event: &Event) {
        self.0.retain(|client| {
            client.role != Role::Iked || client.send(0, FromPlaned::Event(event.clone()))
        });
    }
}

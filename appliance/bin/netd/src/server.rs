//! The control socket: one thread per client, one registry behind a lock. Clients come and go; twins stay.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ravelin_ctl::netd::SIGNAL_SILENCE;
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError, netd};
use ravelin_platform::notify::Notifier;
use ravelin_platform::{Listener, instance};

use crate::error::Error;
use crate::registry::Registry;
use crate::signal::{self, ClientId};
use crate::sysctl::Tree;
use crate::watchdog;

/// Clients at one time: planed, one that is just being replaced, and a few tools.
const CLIENTS_MAX: usize = 8;
/// Who may ask: planed for everything, mgmtd whether we live.
const CLIENTS: [Role; 2] = [Role::Planed, Role::Mgmtd];
/// How long a client may take to greet or to take an answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// A bound socket, locked against a second netd.
pub struct Server {
    listener: Listener,
    hello: Hello,
}

impl Server {
    /// Makes `netd.sock` in `dir`, replacing one that a dead netd left.
    ///
    /// # Errors
    /// [`Error::Platform`], also while another netd lives.
    pub fn bind(dir: &Path) -> Result<Self, Error> {
        Ok(Server {
            listener: Listener::bind(dir, "netd")?,
            hello: Hello::new(Role::Netd, instance()?),
        })
    }

    /// Serves clients until the process is ended.
    ///
    /// # Errors
    /// [`Error::Platform`] when the socket itself fails, [`Error::Thread`].
    pub fn serve(self, signals: signal::Shared, notifier: Notifier) -> Result<Infallible, Error> {
        let registry = Arc::new(Mutex::new(Registry::new(Tree::system())));
        watchdog::start(notifier, Arc::clone(&registry), Arc::clone(&signals))?;
        let clients = Arc::new(AtomicUsize::new(0));
        let mut id: ClientId = 0;
        loop {
            let socket = self.listener.accept()?;
            id += 1;
            let seat = Seat::take(&clients);
            let Some(seat) = seat else {
                log::warn!("a client is refused: {CLIENTS_MAX} are connected");
                continue;
            };
            let client = Client {
                id,
                registry: Arc::clone(&registry),
                signals: Arc::clone(&signals),
            };
            let hello = self.hello.clone();
            let work = move || {
                let _seat = seat;
                if let Err(error) = client.converse(socket, &hello) {
                    log::info!("a client left: {error}");
                }
                signal::lock(&client.signals).release(client.id);
            };
            if let Err(error) = std::thread::Builder::new()
                .name("client".to_owned())
                .spawn(work)
            {
                log::warn!("a client is refused: {error}");
            }
        }
    }
}

/// One connection.
struct Client {
    id: ClientId,
    registry: Arc<Mutex<Registry>>,
    signals: signal::Shared,
}

impl Client {
    fn converse(&self, socket: UnixStream, hello: &Hello) -> Result<(), StreamError> {
        let mut stream = Stream::accept(socket, hello, CLIENT_PATIENCE, &CLIENTS)?;
        let peer = stream.peer();
        log::info!(
            "{} (process {}) is connected",
            peer.role.process_name(),
            peer.pid
        );
        loop {
            let Envelope { id, body } = match stream.receive::<Envelope<netd::Request>>() {
                Err(error) if error.is_timeout() => {
                    self.silent();
                    // It may speak again after any time.
                    stream.set_receive_timeout(None)?;
                    continue;
                }
                received => received?,
            };
            let body = self.answer(&stream, &body)?;
            stream.send(&Envelope { id, body })?;
        }
    }

    fn answer(&self, stream: &Stream, body: &netd::Request) -> Result<netd::Reply, StreamError> {
        if stream.peer().role != Role::Planed && *body != netd::Request::List {
            let refusal = "twins and signal routes are planed's alone";
            return Ok(netd::Reply::Failed(refusal.to_owned()));
        }
        let netd::Request::Signal(addresses) = body else {
            // A request changes one entry at a time, so the registry is sound even after a panic elsewhere.
            let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(registry.answer(body));
        };
        let silence = (!addresses.is_empty()).then_some(SIGNAL_SILENCE);
        stream.set_receive_timeout(silence)?;
        let outcome = signal::lock(&self.signals).claim(self.id, addresses);
        Ok(match outcome {
            Ok(()) => netd::Reply::Done,
            Err(error) => netd::Reply::Failed(error.to_string()),
        })
    }

    /// The client hangs: its process is stopped, or its threads are.
    fn silent(&self) {
        if signal::lock(&self.signals).release(self.id) {
            log::warn!(
                "silent for {} ms: its signal routes are withdrawn",
                SIGNAL_SILENCE.as_millis()
            );
        }
    }
}

/// One of the bounded places for clients.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(clients: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = |n: usize| (n < CLIENTS_MAX).then_some(n + 1);
        clients
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken)
            .ok()?;
        Some(Seat(Arc::clone(clients)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

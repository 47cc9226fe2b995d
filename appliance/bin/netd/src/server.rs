//! The control socket: one thread per client, one registry behind a lock. Clients come and go; twins stay.

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError, netd};
use ravelin_platform::{Listener, instance};

use crate::error::Error;
use crate::registry::Registry;
use crate::sysctl::Tree;

/// Clients at one time: planed, one that is just being replaced, and a few tools.
const CLIENTS_MAX: usize = 8;
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
    /// [`Error::Platform`] when the socket itself fails.
    pub fn serve(self) -> Result<Infallible, Error> {
        let registry = Arc::new(Mutex::new(Registry::new(Tree::system())));
        let clients = Arc::new(AtomicUsize::new(0));
        loop {
            let socket = self.listener.accept()?;
            let seat = Seat::take(&clients);
            let (hello, registry) = (self.hello.clone(), Arc::clone(&registry));
            let Some(seat) = seat else {
                log::warn!("a client is refused: {CLIENTS_MAX} are connected");
                continue;
            };
            let work = move || {
                let _seat = seat;
                if let Err(error) = converse(socket, &hello, &registry) {
                    log::info!("a client left: {error}");
                }
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

fn converse(
    socket: UnixStream,
    hello: &Hello,
    registry: &Mutex<Registry>,
) -> Result<(), StreamError> {
    socket.set_write_timeout(Some(CLIENT_PATIENCE))?;
    socket.set_read_timeout(Some(CLIENT_PATIENCE))?;
    let mut stream = Stream::open(socket, hello)?;
    stream.set_receive_timeout(None)?;
    let peer = stream.peer();
    log::info!(
        "{} (process {}) is connected",
        peer.role.process_name(),
        peer.pid
    );
    loop {
        let Envelope { id, body } = stream.receive::<Envelope<netd::Request>>()?;
        // A request changes one entry at a time, so the registry is sound even after a panic elsewhere.
        let body = registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answer(&body);
        stream.send(&Envelope { id, body })?;
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

//! A daemon's connection as the manager sees it: numbered requests, and what each answer is awaited for.

use ravelin_ctl::daemon::Request;
use ravelin_ctl::host::Alarm;
use ravelin_ctl::operator::{DaemonQuery, Reply};
use ravelin_ctl::stream::Writer;
use ravelin_ctl::{Envelope, Hello, Role};
use ravelin_types::Generation;
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::time::Instant;

/// Questions of operators that one daemon may owe at once; more are refused, so that a stuck daemon gathers no heap.
const MAX_AWAITED: usize = 256;

/// Number of a connection, never used again in one life of the process.
pub type LinkId = u64;

/// What an answer is awaited for.
pub(crate) enum Awaited {
    /// Prepared.
    Prepared(Generation),
    /// Applied.
    Applied(Generation),
    /// An operator waits here.
    Operator(Sender<Reply>),
    /// An operator waits for the alarms, to which this daemon may add some.
    Alarms(Gathering),
}

/// Alarms on their way together.
pub(crate) struct Gathering {
    /// Who waits for them.
    pub answer: Sender<Reply>,
    /// Those of the daemons that have answered.
    pub found: Vec<Alarm>,
    /// Whom to ask yet, the last first.
    pub left: Vec<Role>,
}

/// A connected daemon.
pub(crate) struct Link {
    pub id: LinkId,
    pub hello: Hello,
    pub since: Instant,
    /// What it says it runs.
    pub generation: Generation,
    /// Why it refused the last part.
    pub error: Option<String>,
    writer: Writer,
    socket: UnixStream,
    last_request: u32,
    awaited: HashMap<u32, Awaited>,
}

/// A request that did not reach the daemon.
pub(crate) enum Unsent {
    /// It owes too many answers.
    Busy,
    /// The connection is gone.
    Gone,
}

impl Link {
    pub fn new(id: LinkId, hello: Hello, writer: Writer, socket: UnixStream) -> Self {
        Self {
            id,
            hello,
            since: Instant::now(),
            generation: Generation::default(),
            error: None,
            writer,
            socket,
            last_request: 0,
            awaited: HashMap::new(),
        }
    }

    /// Sends a request whose answer is awaited.
    pub fn ask(&mut self, request: Request, awaited: Awaited) -> Result<(), Unsent> {
        let of_operator = matches!(awaited, Awaited::Operator(_));
        let id = self.number(request, of_operator)?;
        self.awaited.insert(id, awaited);
        Ok(())
    }

    /// Asks for alarms; gives back who waits for them when the daemon cannot be asked.
    pub fn ask_alarms(
        &mut self,
        query: DaemonQuery,
        gathering: Gathering,
    ) -> Result<(), Gathering> {
        match self.number(Request::Operator(query), true) {
            Ok(id) => {
                self.awaited.insert(id, Awaited::Alarms(gathering));
                Ok(())
            }
            Err(_) => Err(gathering),
        }
    }

    /// Sends a request; its number. Those of operators are bounded.
    fn number(&mut self, request: Request, of_operator: bool) -> Result<u32, Unsent> {
        if of_operator && self.awaited.len() >= MAX_AWAITED {
            return Err(Unsent::Busy);
        }
        let id = self.next_request();
        self.send(id, request)?;
        Ok(id)
    }

    /// Sends a request that is not answered.
    pub fn tell(&mut self, request: Request) -> Result<(), Unsent> {
        let id = self.next_request();
        self.send(id, request)
    }

    /// What the answer number `id` was awaited for.
    pub fn settle(&mut self, id: u32) -> Option<Awaited> {
        self.awaited.remove(&id)
    }

    fn next_request(&mut self) -> u32 {
        self.last_request = self.last_request.wrapping_add(1).max(1);
        self.last_request
    }

    fn send(&mut self, id: u32, body: Request) -> Result<(), Unsent> {
        self.writer.send(&Envelope { id, body }).map_err(|error| {
            log::warn!("{}: {error}", self.hello.role.process_name());
            Unsent::Gone
        })
    }
}

impl Drop for Link {
    /// Ends the connection, so that its reading thread ends too.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

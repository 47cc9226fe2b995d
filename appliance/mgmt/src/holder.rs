//! Asks the device holder whether it lives, for `show system processes`. It takes no configuration from us.

use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError, netd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// netd answers from memory; an operator waits no longer for one that hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection to netd, made when it is first needed and again when it broke.
pub(crate) struct Holder {
    path: PathBuf,
    own: Hello,
    stream: Option<(Stream, Instant)>,
}

impl Holder {
    pub fn new(run_dir: &std::path::Path, own: Hello) -> Self {
        Self {
            path: run_dir.join("netd.sock"),
            own,
            stream: None,
        }
    }

    /// Who netd is and since when we know it; `None` when it is away.
    pub fn probe(&mut self) -> Option<(Hello, Instant)> {
        let alive = self.stream.as_mut().is_some_and(|(s, _)| ask(s).is_ok());
        if !alive {
            self.stream = self.connect().ok().map(|s| (s, Instant::now()));
        }
        let (stream, since) = self.stream.as_ref()?;
        Some((stream.peer().clone(), *since))
    }

    fn connect(&self) -> Result<Stream, StreamError> {
        let socket = UnixStream::connect(&self.path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let stream = Stream::open(socket, &self.own)?;
        match stream.peer().role {
            Role::Netd => Ok(stream),
            _ => Err(StreamError::Closed),
        }
    }
}

/// One question, to see whether it is answered.
fn ask(stream: &mut Stream) -> Result<(), StreamError> {
    stream.send(&Envelope {
        id: 1,
        body: netd::Request::List,
    })?;
    stream.receive::<Envelope<netd::Reply>>().map(drop)
}

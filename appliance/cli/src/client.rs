//! The connection to mgmtd: one per command, so that a restart of mgmtd between two of them goes unnoticed.

use crate::CliError;
use ravelin_ctl::operator::{Reply, Request};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::InstanceId;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for an answer: a large configuration is validated and applied by all daemons meanwhile. Longer than mgmtd's own
/// limit (150 s), so that it is mgmtd that says what became of a slow commit.
const ANSWER_LIMIT: Duration = Duration::from_secs(160);

/// Asks mgmtd.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    instance: InstanceId,
}

impl Client {
    /// A client of the mgmtd whose socket is in `run_dir`.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            path: run_dir.join("mgmtd.sock"),
            instance: InstanceId(RandomState::new().build_hasher().finish()),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] or [`CliError::NoAnswer`].
    pub fn ask(&self, request: Request) -> Result<Reply, CliError> {
        self.converse()?.ask(request)
    }

    /// Asks what nobody shall wait for longer than this.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) fn ask_within(&self, request: Request, limit: Duration) -> Result<Reply, CliError> {
        let mut conversation = self.converse()?;
        let stream = &conversation.stream;
        (stream.set_receive_timeout(Some(limit))).map_err(CliError::NoAnswer)?;
        conversation.ask(request)
    }

    /// A connection for several questions.
    ///
    /// # Errors
    /// [`CliError::Unreachable`].
    pub(crate) fn converse(&self) -> Result<Conversation, CliError> {
        let hello = Hello::new(Role::Operator, self.instance);
        let stream = Stream::connect(&self.path, &hello, Role::Mgmtd).map_err(|source| {
            CliError::Unreachable {
                path: self.path.clone(),
                source,
            }
        })?;
        stream
            .set_receive_timeout(Some(ANSWER_LIMIT))
            .map_err(CliError::NoAnswer)?;
        Ok(Conversation { stream, last: 0 })
    }
}

/// A connection to mgmtd.
pub(crate) struct Conversation {
    stream: Stream,
    last: u32,
}

impl Conversation {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`CliError::NoAnswer`].
    pub fn ask(&mut self, request: Request) -> Result<Reply, CliError> {
        // 0 would be an event, which nobody answers.
        self.last = self.last.wrapping_add(1).max(1);
        let envelope = Envelope {
            id: self.last,
            body: request,
        };
        self.stream.send(&envelope).map_err(CliError::NoAnswer)?;
        loop {
            let answer: Envelope<Reply> = self.stream.receive().map_err(CliError::NoAnswer)?;
            if answer.id == self.last {
                return Ok(answer.body);
            }
        }
    }
}

//! The connection to mgmtd: one per question, so that a restart of mgmtd between two commands goes unnoticed.

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
/// Number of the only request of a connection.
const REQUEST_ID: u32 = 1;

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
        let hello = Hello::new(Role::Operator, self.instance);
        let mut stream = Stream::connect(&self.path, &hello, Role::Mgmtd).map_err(|source| {
            CliError::Unreachable {
                path: self.path.clone(),
                source,
            }
        })?;
        stream
            .set_receive_timeout(Some(ANSWER_LIMIT))
            .map_err(CliError::NoAnswer)?;
        let envelope = Envelope {
            id: REQUEST_ID,
            body: request,
        };
        stream.send(&envelope).map_err(CliError::NoAnswer)?;
        loop {
            let answer: Envelope<Reply> = stream.receive().map_err(CliError::NoAnswer)?;
            if answer.id == REQUEST_ID {
                return Ok(answer.body);
            }
        }
    }
}

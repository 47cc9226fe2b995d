//! Why there is no result.

use std::path::PathBuf;

use ravelin_ctl::StreamError;
use ravelin_tests::BenchError;
use ravelin_tests::rate::Unfair;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("unknown argument {0}; there are --targets, --quick, --workers and --json FILE")]
    Argument(String),
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("cannot {what}: {errno}")]
    System {
        what: &'static str,
        errno: nix::Error,
    },
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("a control socket cannot be made: {0}")]
    Socket(std::io::Error),
    #[error("planed's control socket: {0}")]
    Stream(#[from] StreamError),
    #[error("planed refused: {0}")]
    Refused(String),
    #[error("the released planed is not there: run `./x bench esp`")]
    NotBuilt,
    #[error(
        "ipsec-secgw's source is not the one this benchmark knows: its checksum offload is not found"
    )]
    PeerSource,
    #[error("{name} has no thread {thread}")]
    NoThread { name: &'static str, thread: String },
    #[error(
        "{name} has pages of another kind than the others: RAVELIN_HUGEPAGES=0 gives all of them ordinary ones"
    )]
    Pages { name: &'static str },
    #[error("{name} does not answer")]
    Silent { name: &'static str },
    #[error("{name}: {why}")]
    Unfair { name: &'static str, why: Unfair },
    #[error("{case}: {failure}; drops of planed: {drops}")]
    Case {
        case: String,
        failure: Box<Failure>,
        drops: String,
    },
    #[error("the cipher refuses what it sealed itself")]
    Cipher,
    #[error("the run is invalid: {0}")]
    SlowPeer(String),
}

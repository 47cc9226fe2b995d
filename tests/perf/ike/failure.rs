//! Why there is no result.

use std::path::{Path, PathBuf};

use ravelin_ctl::StreamError;
use ravelin_tests::BenchError;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("unknown argument {0}; there are --quick, --scale and --json FILE")]
    Argument(String),
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("the test CA: {0}")]
    Authority(#[from] ravelin_pki::testca::Error),
    #[error("iked's store of certificates: {0}")]
    Store(#[from] ravelin_pki::StoreError),
    #[error("a file of the test CA: {0}")]
    Certificate(#[from] ravelin_pki::Error),
    #[error("control socket of {name}: {error}")]
    Socket {
        name: &'static str,
        error: std::io::Error,
    },
    #[error("iked's control socket: {0}")]
    Stream(#[from] StreamError),
    #[error("the released {0} is not there: run `./x bench ike`")]
    NotBuilt(&'static str),
    #[error("iked refused its configuration: {0}")]
    Refused(String),
    #[error("{what} did not happen within {seconds} s")]
    Silent { what: &'static str, seconds: u64 },
    #[error("{got} of {wanted} tunnels were set up: {why}")]
    SetUp { got: u64, wanted: u32, why: String },
    #[error("{got} of {wanted} tunnels outlived the restart of iked: {why}")]
    Lost { got: u64, wanted: u32, why: String },
}

impl Failure {
    pub fn file(path: &Path, error: std::io::Error) -> Self {
        Failure::File {
            path: path.to_owned(),
            error,
        }
    }
}

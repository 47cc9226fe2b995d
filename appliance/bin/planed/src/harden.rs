//! What the process gives up before it holds keys: core dumps, being traced, and readable files.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

use crate::error::Error;

/// No core dump ever, no tracing by others of the same user, files of ours private.
///
/// # Errors
/// When the kernel refuses.
pub fn harden() -> Result<(), Error> {
    let failed = |what| move |errno| Error::System { what, errno };
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("limit core dumps to 0"))?;
    prctl::set_dumpable(false).map_err(failed("clear the dumpable flag"))?;
    umask(Mode::from_bits_truncate(0o077));
    Ok(())
}

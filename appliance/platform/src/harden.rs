//! What the process gives up before it holds keys: core dumps, being traced, and readable files.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

use crate::Error;

/// No core dump ever (limit 0 and not dumpable, which also forbids tracing by others of the same user), files of ours
/// private. Call it before any key is read.
///
/// # Errors
/// [`Error::System`] when the kernel refuses; do not go on then.
pub fn harden() -> Result<(), Error> {
    let failed = |what| move |errno| Error::System { what, errno };
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("limit core dumps to 0"))?;
    prctl::set_dumpable(false).map_err(failed("clear the dumpable flag"))?;
    umask(Mode::from_bits_truncate(0o077));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::getrlimit;

    #[test]
    fn core_dumps_are_off_afterwards() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        assert!(!prctl::get_dumpable().unwrap());
    }
}

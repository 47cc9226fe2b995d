//! `ravelin-host prepare`: the machine is looked at once per boot, before the daemons start, and what was found and decided is
//! written to `/run/ravelin/host/platform.json`.
//!
//! It does *not* start daemons or read the configuration's text; an operator's wishes come from the file that mgmtd derives.

mod machine;

use ravelin_ctl::RUN_DIR;
use ravelin_ctl::host::{PLATFORM_FILE, Platform};

use crate::error::Error;
use crate::files;
use crate::root::Root;

/// Everybody on the machine may read what it is made of.
const PLATFORM_MODE: u32 = 0o644;

/// Does it.
///
/// # Errors
/// When the result cannot be written; everything else becomes an alarm in it.
pub fn run(root: &Root, arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Unexpected(argument.clone()));
    }
    let platform = Platform {
        machine: machine::look(root),
        ..Platform::default()
    };
    files::replace_json(
        &root.path(RUN_DIR).join(PLATFORM_FILE),
        &platform,
        PLATFORM_MODE,
    )
}

//! The number by which the partners of a daemon tell one run of it from the next.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ravelin_types::InstanceId;

use crate::Error;

/// A random one: a counter or the process number would repeat after a restart of the machine.
///
/// # Errors
/// [`Error::File`] when the system has no randomness.
pub fn instance() -> Result<InstanceId, Error> {
    let path = Path::new("/dev/urandom");
    let mut octets = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut octets))
        .map_err(Error::file(path))?;
    Ok(InstanceId(u64::from_ne_bytes(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_differ() {
        assert_ne!(instance().unwrap(), instance().unwrap());
    }
}

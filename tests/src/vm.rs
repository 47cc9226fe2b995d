//! Virtual machines of the tests: the booted appliance between an eNodeB with a kernel's own ESP and a host of the core.
//!
//! ```text
//!   enb guest                          gateway guest (the image)                   core guest
//!   10.45.0.1, 2001:db8:45::1   fxp0: QEMU's own network
//!   192.0.2.10 ---- access link ---- ge-0/0/0   ge-0/0/1 ---- core link ---- 198.51.100.10
//! ```
//! Both links are outside of the guests and record each frame, so that what crossed is judged without asking the gateway. The
//! addresses are those of [`crate::site`]. Nothing here needs a privilege, a bridge or a TAP device.

pub mod appliance;
pub mod demo;
pub mod evidence;
pub mod peer;
pub mod site;
pub mod ssh;
pub mod xfrm;

pub use appliance::Appliance;
pub use peer::Peer;
pub use site::{Options, Site};

use crate::{BenchError, Result};
use std::path::PathBuf;

/// Folder of the image's artifacts (`RAVELIN_IMAGE_DIR`), as `./x image` fills it.
///
/// # Errors
/// When the variable is not set.
pub fn image_dir() -> Result<PathBuf> {
    std::env::var_os("RAVELIN_IMAGE_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| {
            BenchError::Unexpected("RAVELIN_IMAGE_DIR is not set: ./x test vm sets it".to_owned())
        })
}

/// The appliance's disk image.
///
/// # Errors
/// When the folder holds none.
pub fn image() -> Result<PathBuf> {
    let folder = image_dir()?;
    let step = || format!("read {}", folder.display());
    let entries = std::fs::read_dir(&folder).map_err(|e| BenchError::io(step(), e))?;
    let mut disks: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "qcow2"))
        .collect();
    disks.sort();
    disks
        .pop()
        .ok_or_else(|| BenchError::Unexpected(format!("{} holds no qcow2", folder.display())))
}

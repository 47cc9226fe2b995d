//! Virtual machines for the tests and for `./x vm`: guests under QEMU, their serial consoles, and the links between them.
//!
//! ```no_run
//! use ravelin_qemu::{Guest, Lab, Link, Nic, NicModel, minutes};
//! # fn main() -> ravelin_qemu::Result<()> {
//! let lab = Lab::new("two_guests")?;
//! let access = Link::new(&lab, "access")?;
//! let mut gateway = Guest::named("gateway")
//!     .image("target/image/ravelin.qcow2".as_ref())
//!     .nic(Nic::new(NicModel::virtio()).on(&access))
//!     .start(&lab)?;
//! gateway.console()?.login("admin", None, r"admin@\S+> ", minutes(5))?;
//! println!("{}", gateway.console()?.command("show version", minutes(1))?);
//! println!("{} frames", access.captured()?.len());
//! # Ok(())
//! # }
//! ```
//!
//! * [`Guest`] describes, starts, resets, cuts the power of and ends one QEMU; its disk is a copy-on-write layer over an image.
//! * [`Console`] types and expects on the guest's first serial port.
//! * [`Link`] is a cable or hub outside of the guests that records each frame; [`End`] is a test's own plug in it.
//! * [`Lab`] owns the folders of one test: what is kept (artifacts) and what is not (sockets, disks).
//!
//! What is started here ends here: with the value that owns it, or with the harness itself, however that dies
//! ([`process`]). No privilege is needed. Nothing in here is part of the appliance.
#![forbid(unsafe_code)]

pub mod accel;
pub mod boot_sector;
pub mod calibration;
pub mod console;
pub mod error;
pub mod guest;
pub mod kvm;
pub mod lab;
pub mod link;
pub mod media;
pub mod pcap;
pub mod process;
pub mod qmp;
pub mod terminal;
pub mod wait;

pub use accel::Accel;
pub use console::Console;
pub use error::VmError;
pub use guest::{Disk, DiskBus, Firmware, Guest, GuestPlan, Nic, NicModel};
pub use lab::Lab;
pub use link::{End, Link};
pub use qmp::Qmp;

use std::time::Duration;

/// Result of the harness.
pub type Result<T> = std::result::Result<T, VmError>;

/// So many seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many minutes: guests are emulated, about twenty times slower than the machine, and share it with others.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

//! TAP and TUN devices that outlive the process that moves their packets.
//!
//! ```text
//!   netd:    Device::hold   TUNSETIFF (multi-queue), TUNSETPERSIST, TUNSETQUEUE detach --> keeps the device alive
//!   planed:  Queue::attach  TUNSETIFF on the same name --> packets; closing it changes nothing for the kernel
//! ```
//! While a [`Device`] is held, closing the last [`Queue`] leaves carrier, addresses and routes as they are; without
//! a holder, a closed TUN loses them all. Both ends may drive the carrier.
//!
//! What it does *not*: addresses, routes, names of logical units, or event loops (a [`Queue`] is non-blocking and
//! offers its descriptor). Kernel documentation: `Documentation/networking/tuntap.rst`.
//!
//! All `unsafe` is in `sys.rs`.
#![deny(unsafe_code)]

mod device;
mod error;
mod name;
mod queue;
#[allow(unsafe_code)]
mod sys;

pub use device::{Device, index, set_mac, set_mtu, set_up};
pub use error::Error;
pub use name::{DeviceName, NAME_MAX_OCTETS};
pub use queue::Queue;

/// What a device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Ethernet frames.
    Tap,
    /// IP packets.
    Tun,
}

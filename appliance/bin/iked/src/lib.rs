//! The IKE daemon: everything around the sans-IO `ike` crate that has a socket, a clock, a thread or a file.
#![forbid(unsafe_code)]

pub mod clock;
pub mod harden;
pub mod install;
pub mod link;
pub mod pool;
pub mod sockets;
pub mod spi;

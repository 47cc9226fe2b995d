//! What the operating system gives a daemon, once for all of them.
//!
//! What it does *not*: the messages on the sockets (`ctl`), the command lines, the threads and event loops. Those belong to the
//! programs.
#![forbid(unsafe_code)]

pub mod clock;
mod error;
mod harden;
mod instance;
mod listener;
pub mod logging;
pub mod nft;
pub mod notify;

pub use error::Error;
pub use harden::harden;
pub use instance::instance;
pub use listener::Listener;

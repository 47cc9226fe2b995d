//! ravelin-mgmtd: owns the configuration, hands each process its part at a generation, and answers operators.
//!
//! ```text
//!   operator --load--> Manager --1 validate, compile--> parts
//!                        |  2 Prepare --> planed, iked: both say yes, or Abort and nothing changed
//!                        |  3 store the text (temporary file, fsync, rename; the old one becomes a rollback file)
//!                        |  4 Apply --> planed, iked       (design decision D12)
//!                        +--5 kernel: addresses and static routes, reconciled whenever links come and go
//! ```
//!
//! A daemon may connect at any time and as often as it likes; it gets the running generation by the same two steps. The
//! daemons keep working while this process is away. It opens no network port, and decides nothing about packets.
#![forbid(unsafe_code)]

pub mod compile;
mod error;
pub mod hardware;
mod holder;
mod host;
mod instances;
mod judge;
pub mod kernel;
mod link;
mod manager;
mod server;
mod store;

pub use error::MgmtError;
pub use host::Who;
pub use instances::VrfIds;
pub use judge::read_text;
pub use link::LinkId;
pub use manager::{Event, Manager, Pulse, Settings};
pub use server::{Server, serve};
pub use store::Store;

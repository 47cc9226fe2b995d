//! What the host side of the appliance (`ravelin-host`) and mgmtd tell each other, by JSON files that are replaced whole.
//!
//! | file | written by | read by | contents |
//! |---|---|---|---|
//! | [`PLATFORM_FILE`] | `ravelin-host prepare`, at boot | mgmtd | [`Platform`] |

mod platform;

pub use platform::{Alarm, Binding, DriverWish, Machine, Nic, Pages, Plan, Platform, Severity};

/// Where [`Platform`] is, below the folder of the daemons' sockets.
pub const PLATFORM_FILE: &str = "host/platform.json";

//! What the host side of the appliance (`ravelin-host`) and mgmtd tell each other, by JSON files that are replaced whole.
//!
//! | file | written by | read by | contents |
//! |---|---|---|---|
//! | [`PLATFORM_FILE`] | `ravelin-host prepare`, at boot | mgmtd | [`Platform`] |
//! | [`APPLIED_FILE`] | `ravelin-host apply` | mgmtd | [`wanted::Applied`] |
//! | [`POWER_FILE`] | mgmtd, for an operator | `ravelin-host power`, as soon as it is there | `reboot`, `power-off`, `zeroize` |
//! | `host.json` beside the configuration | mgmtd, at each configuration that runs | `ravelin-host apply` | [`wanted::HostConfig`] |

mod platform;
pub mod wanted;

pub use platform::{Alarm, Binding, DriverWish, Machine, Nic, Pages, Plan, Platform, Severity};

/// Where [`Platform`] is, below the folder of the daemons' sockets.
pub const PLATFORM_FILE: &str = "host/platform.json";
/// Where mgmtd asks for the end of the node, below the folder of the daemons' sockets.
pub const POWER_FILE: &str = "mgmtd/power";
/// Where [`wanted::Applied`] is, below the folder of the daemons' sockets.
pub const APPLIED_FILE: &str = "host/apply.json";

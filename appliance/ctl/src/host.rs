//! What the host side of the appliance (`ravelin-host`) and mgmtd tell each other, by JSON files that are replaced whole.
//!
//! | file | written by | read by | contents |
//! |---|---|---|---|
//! | [`PLATFORM_FILE`] | `ravelin-host prepare`, at boot | mgmtd | [`Platform`] |
//! | [`DAY0_FILE`] | `ravelin-host day0`, at a boot at which something went wrong | mgmtd | [`Told`] |
//! | [`APPLIED_FILE`] | `ravelin-host apply` | mgmtd | [`wanted::Applied`] |
//! | [`POWER_FILE`] | mgmtd, for an operator | `ravelin-host power`, as soon as it is there | `reboot`, `power-off`, `zeroize` |
//! | `host.json` beside the configuration | mgmtd, at each configuration that runs | `ravelin-host apply` | [`wanted::HostConfig`] |

mod platform;
pub mod wanted;

pub use platform::{
    Alarm, Binding, CryptoFunction, DriverWish, Machine, Nic, Pages, Plan, Platform, Severity,
    is_userspace,
};

use serde::{Deserialize, Serialize};

/// Where [`Platform`] is, below the folder of the daemons' sockets.
pub const PLATFORM_FILE: &str = "host/platform.json";
/// Where the alarms of day 0 are, below the folder of the daemons' sockets.
pub const DAY0_FILE: &str = "host/day0.json";
/// Where mgmtd asks for the end of the node, below the folder of the daemons' sockets.
pub const POWER_FILE: &str = "mgmtd/power";
/// Where [`wanted::Applied`] is, below the folder of the daemons' sockets.
pub const APPLIED_FILE: &str = "host/apply.json";

/// The part that each file of the host side may have: what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Each is shown by `show system alarms` and at a login.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

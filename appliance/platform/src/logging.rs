//! Where the log lines of a daemon go: standard error, as `RUST_LOG` says.

use env_logger::{Builder, Env};
use log::LevelFilter;

/// Starts logging. Call it once, first of all.
///
/// Without `RUST_LOG` the level is info. The netlink parser warns of each attribute that is newer than itself, for each link and
/// each change; of it only errors are logged unless `RUST_LOG` names it.
pub fn init() {
    Builder::new()
        .filter_module("netlink_packet_route", LevelFilter::Error)
        .parse_env(Env::default().default_filter_or("info"))
        .init();
}

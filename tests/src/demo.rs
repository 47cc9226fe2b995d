//! The main job, shown: an eNodeB's traffic crosses the gateway, and a checker that trusts only what it sees from outside.
//!
//! ```text
//!   per tunnel:  up -> traffic -> replay -> outside selectors -> down -> traffic for a tunnel that is gone
//!                       |           |              |               |             |
//!                       +---- marks in the captures of both links -+-------------+---> checker -> verdict
//! ```
//! The checker is tested in turn: `--break NAME` runs a gateway with one fault on purpose, which must be found for that reason.

mod checker;
mod provoke;
mod reason;
mod steps;

pub use checker::{Evidence, Fault, Links, Passed, Phase, Round, Verdict};
pub use reason::{BREAKS, Reason, UnknownBreak};
pub use steps::{Options, run};

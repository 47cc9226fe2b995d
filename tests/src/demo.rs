//! The main job, shown: an eNodeB's traffic crosses the gateway, and a checker that trusts only what it sees from outside.

mod checker;
mod steps;

pub use checker::{Evidence, Verdict};
pub use steps::{Options, run};

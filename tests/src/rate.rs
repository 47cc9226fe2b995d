//! What comes of a run of `./x bench esp` (`tests/perf/secgw.rs`): its rows, the verdict on the targets, what is drawn of them, and what
//! makes a run worthless. Nothing here measures.

mod chart;
mod fair;
mod row;
mod stages;
mod verdict;
mod workers;

pub use chart::{bars, svg};
pub use fair::{LOSS_MOST, Passed, Unfair, check_binary, check_passed};
pub use row::{PEER_MODES, Round, Row, median, rows_json, table};
pub use stages::{between, stages_table};
pub use verdict::{Facts, MOST_SAS, RouteLoad, Verdict};
pub use workers::{Spent, Workers};

#[cfg(test)]
mod tests;

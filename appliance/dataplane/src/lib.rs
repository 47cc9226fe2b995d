//! The data plane: a run-to-completion vector pipeline (design decision D9).
//!
//! ```text
//! port rx -> ethernet -> ip_input -> local -> esp_input ~crypto~ -+-> local -> punt rings -> punt thread -> TAP, TUN
//!                           |                                      |
//!                           +-> policy -> forward <----------------+
//!                                          |   |
//!        esp_output <- selectors, owner <--+   +--> egress -> port tx
//!            +~crypto~------------------------------^
//! ```
//!
//! A [`worker::Worker`] runs bursts through the stages, which are plain functions over vectors that keep their capacity: nothing
//! is allocated, locked, logged or dispatched dynamically per packet. What workers read is published by the
//! [`control::Controller`]; what they own (SAs, held packets, fragments) reaches them by bounded rings. This crate opens no socket,
//! reads no clock (but counts cycles, see [`laps`]) and starts no thread: the daemon does.
#![forbid(unsafe_code)]

pub mod address;
pub mod adjacency;
pub mod control;
pub mod counters;
pub mod drop;
pub mod engine;
mod few;
pub mod handoff;
pub mod held;
pub mod io;
pub mod laps;
pub mod link;
pub mod lpm;
pub mod packet;
pub mod platform;
pub mod policer;
pub mod punt;
pub mod reassembly;
pub mod recent;
pub mod sa;
pub mod selector;
pub mod spread;
pub mod stages;
pub mod state;
pub mod stations;
pub mod tables;
pub mod trie;
pub mod warm;
pub mod watch;
mod worker;

pub use control::Controller;
pub use drop::DropReason;
pub use link::Shared;
pub use platform::{BURST, Platform, Pool, PortIo};
pub use worker::Worker;

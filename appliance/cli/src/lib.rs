//! The operator's command line: commands, their completion and help, and the rendering of the answers.
//!
//! One table ([`command::COMMANDS`]) says what can be typed; resolving, abbreviation, completion and `?` all read it. A
//! command becomes one [`ravelin_ctl::operator::Request`] to mgmtd, and its typed answer becomes text in the columns that
//! Junos users know, within 80 of them, or JSON. Nothing is decided here: no state, no configuration mode.
//! `monitor traffic` alone asks again and again, until it has seen enough.
//!
//! ```text
//! line -> words -> command -> Request -> mgmtd -> Reply -> text or JSON -> pipes -> screen
//! ```
#![forbid(unsafe_code)]

mod client;
pub mod command;
mod error;
pub mod fuzzing;
mod interactive;
mod json;
mod login;
mod monitor;
mod pipe;
mod pki;
pub mod render;
mod run;
mod shell;
mod terminal;
mod trace_keys;

pub use client::Client;
pub use error::{CliError, CommandError, caret};
pub use interactive::interact;
pub use monitor::monitor;
pub use run::{evaluate, is_local, render_reply};

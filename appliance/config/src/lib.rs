//! The configuration: one YANG model, its text in braces or `set` lines, and typed values.
//!
//! ```text
//!  text --text::parse--> Tree --data--> libyang (defaults, must, leafref) --JSON--> typed Config
//!   ^                     | |
//!   +---- text::print ----+ +---- complete (what may stand here?)
//! ```
//!
//! The modules in `yang/` say all: a leaf added there parses, prints, completes and is refused with a place when wrong,
//! without a change in Rust; Rust changes when something shall act on it ([`typed`]). This crate reads no file, holds no
//! store and applies nothing: that is `ravelin-mgmt`'s.
//!
//! Secrets are leaves marked `rv:secret`. Values are wiped on drop here; libyang's dictionary holds a copy of each while a
//! text is judged, which is not wiped.
#![forbid(unsafe_code)]

pub mod complete;
mod data;
mod error;
mod model;
pub mod schema;
pub mod text;
pub mod tree;
pub mod typed;
pub mod yang;

pub use error::{Diagnostic, ModelError, Pos, Refusal};
pub use model::{Model, Parsed, Problem, parse};
pub use text::Secrets;
pub use tree::Tree;
pub use typed::Config;

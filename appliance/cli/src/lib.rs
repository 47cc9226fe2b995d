//! CLI.
#![forbid(unsafe_code)]

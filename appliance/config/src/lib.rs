//! Configuration.
#![forbid(unsafe_code)]

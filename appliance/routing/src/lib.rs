//! Routing.
#![forbid(unsafe_code)]

//! Data plane.
#![forbid(unsafe_code)]

//! The test bench.
#![forbid(unsafe_code)]

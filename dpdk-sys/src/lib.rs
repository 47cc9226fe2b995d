//! Raw bindings to DPDK 24.11 and to intel-ipsec-mb 2.0.
//!
//! Holds exactly the functions, types and constants that `dpdk-rs` uses: an allowlist in `build.rs` names them, and
//! `csrc/shim.c` turns DPDK's static inlines into burst-shaped functions. It makes nothing safe and adds no policy:
//! use `dpdk-rs`.
#![no_std]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unsafe_op_in_unsafe_fn,
    rust_2018_idioms
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

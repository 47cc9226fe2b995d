//! Buffers and ports.

pub mod memory;

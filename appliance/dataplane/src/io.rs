//! Buffers and ports.

pub mod chaos;
pub mod memory;

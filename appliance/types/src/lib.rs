//! Shared vocabulary.
#![forbid(unsafe_code)]

//! Management.
#![forbid(unsafe_code)]

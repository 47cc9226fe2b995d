//! IKEv2.
#![forbid(unsafe_code)]

//! IKE primitives.
#![forbid(unsafe_code)]

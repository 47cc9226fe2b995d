//! ESP.
#![forbid(unsafe_code)]

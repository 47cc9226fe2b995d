//! Header views.
#![forbid(unsafe_code)]

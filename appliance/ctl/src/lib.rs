//! Control sockets.
#![forbid(unsafe_code)]

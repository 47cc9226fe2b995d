//! The IKE daemon: everything around the sans-IO `ike` crate that has a socket, a clock, a thread or a file.
//!
//! ```text
//!   UDP 500/4500 --> sockets --(existing | new)--> +--------+ --work--> pool (key exchange threads)
//!                                                  |        | <-result-
//!   mgmtd  <------------- link / config / query -->| daemon | --records--> journal --> vault
//!   planed <------------- link / install --------->|        | --datagrams--> gate --> sockets
//!   kernel <------------- routes (ari-ts) -------->+--------+
//! ```
//!
//! One task owns the endpoint and all tables ([`daemon`]); the others only carry bytes to and from it through bounded
//! queues. Each turn of it handles what has come, writes the records of the whole turn at once, then lets datagrams and
//! orders out (write-ahead, design decision D6).
#![forbid(unsafe_code)]

pub mod authority;
pub mod config;
pub mod daemon;
pub mod environment;
pub mod failures;
pub mod hold;
pub mod install;
pub mod journal;
pub mod link;
pub mod names;
pub mod pki;
pub mod pool;
pub mod ratelimit;
pub mod routes;
pub mod runtime;
pub mod sockets;
pub mod spi;
pub mod tracelog;

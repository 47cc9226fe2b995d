//! Typed control sockets between the daemons (design decision D14).
//!
//! Every process talks over Unix stream sockets with length-delimited `postcard` frames. A connection opens with a
//! [`Hello`] in both directions; then either side sends [`Envelope`]s. A request carries a number that its answer repeats;
//! number 0 is an event that is not answered.
//!
//! | socket | served by | clients | messages |
//! |---|---|---|---|
//! | `netd.sock` | netd | planed; mgmtd, which asks whether it lives | [`netd`] |
//! | `planed.sock` | planed | iked | [`sa`] |
//! | `mgmtd.sock` | mgmtd | planed, iked: configuration down, status up | [`daemon`] with [`plane`] and [`ike`] parts |
//! | `mgmtd.sock` | mgmtd | the CLI | [`operator`] |
//!
//! What `ravelin-host` and mgmtd tell each other goes by files, whose contents are in [`host`].
//!
//! This crate holds the messages and the codec, a blocking stream for threads, and who may speak as whom ([`peer`]).
#![forbid(unsafe_code)]

pub mod acceleration;
pub mod buffers;
pub mod capture;
pub mod codec;
pub mod cpu;
pub mod daemon;
pub mod day0;
pub mod failure;
pub mod flight;
pub mod hello;
pub mod host;
pub mod ike;
pub mod instance;
pub mod netd;
pub mod operator;
pub mod peer;
pub mod pki;
pub mod plane;
pub mod sa;
pub mod stream;
pub mod trace;

pub use codec::{CodecError, Decoder, MAX_FRAME_OCTETS, encode};
pub use hello::{Hello, PROTOCOL_VERSION, Role};
pub use stream::{Stream, StreamError};

use serde::{Deserialize, Serialize};

/// A numbered message. Answers repeat the number of their request; 0 marks an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The request's number, from 1 on, or 0.
    pub id: u32,
    /// The message.
    pub body: T,
}

/// Where the sockets are: `/run/ravelin` unless the daemon is told otherwise.
pub const RUN_DIR: &str = "/run/ravelin";

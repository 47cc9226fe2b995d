//! rtnetlink datagrams: framing and decoding ([`frames`]), and requests with their answers ([`Requester`]).
//!
//! The message formats are those of the crate `netlink-packet-route`; only nexthop objects, which it does not know, are
//! decoded here ([`NextHopMessage`]). A message that cannot be decoded is reported as such and never ends the stream.

mod frame;
mod nexthop;
mod requester;

pub use frame::{Body, Frame, RtMessage, frames};
pub use nexthop::{NextHopKind, NextHopMessage};
pub use requester::Requester;

pub(crate) use frame::{encode, encode_nexthop_dump};
pub(crate) use requester::{RECEIVE_BUFFER_OCTETS, receive, set_receive_buffer};

#[cfg(test)]
mod tests;

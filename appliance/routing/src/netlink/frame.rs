//! One datagram holds several messages; each is framed by `struct nlmsghdr` and padded to 4 octets (RFC 3549 section 2.3.2).

use super::nexthop::{NextHopMessage, RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOP};
use netlink_packet_core::{
    Emitable, ErrorBuffer, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NLMSG_OVERRUN, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NlasIterator, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;

const HEADER_OCTETS: usize = 16;
const ALIGN_OCTETS: usize = 4;

/// A message of the kernel that this crate understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtMessage {
    /// Link, address, neighbour, route and the others of the library.
    Route(RouteNetlinkMessage),
    /// RTM_NEWNEXTHOP.
    NewNextHop(NextHopMessage),
    /// RTM_DELNEXTHOP.
    DelNextHop(NextHopMessage),
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A message.
    Message(Box<RtMessage>),
    /// The end of a dump; a negative errno when the kernel gave up.
    Done(i32),
    /// The answer to a request: 0 or a negative errno.
    Ack(i32),
    /// The kernel lost messages for us.
    Overrun,
    /// A message type or content that we do not understand.
    Undecodable {
        /// nlmsg_type.
        message_type: u16,
    },
}

/// One message with the header fields that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// nlmsg_flags.
    pub flags: u16,
    /// nlmsg_seq: that of our request, 0 in a notification.
    pub sequence: u32,
    /// The content.
    pub body: Body,
}

/// Splits and decodes a datagram; a cut-off rest is one `Undecodable`.
pub fn frames(datagram: &[u8]) -> Vec<Frame> {
    let mut out = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Some((header, message)) = split(rest) else {
            out.push(Frame {
                flags: 0,
                sequence: 0,
                body: Body::Undecodable { message_type: 0 },
            });
            break;
        };
        if header.message_type != NLMSG_NOOP {
            out.push(Frame {
                flags: header.flags,
                sequence: header.sequence_number,
                body: body(&header, message.get(HEADER_OCTETS..).unwrap_or_default()),
            });
        }
        let step = message.len().div_ceil(ALIGN_OCTETS) * ALIGN_OCTETS;
        rest = rest.get(step..).unwrap_or_default();
    }
    out
}

/// The first message of `datagram`, without its padding.
fn split(datagram: &[u8]) -> Option<(NetlinkHeader, &[u8])> {
    let buffer = NetlinkBuffer::new_checked(datagram).ok()?;
    let header = <NetlinkHeader as Parseable<NetlinkBuffer<&[u8]>>>::parse(&buffer).ok()?;
    let length = usize::try_from(header.length).ok()?;
    (length >= HEADER_OCTETS).then_some(())?;
    Some((header, datagram.get(..length)?))
}

fn body(header: &NetlinkHeader, payload: &[u8]) -> Body {
    let undecodable = Body::Undecodable {
        message_type: header.message_type,
    };
    match header.message_type {
        NLMSG_ERROR => ErrorBuffer::new_checked(payload)
            .map_or(undecodable, |e| Body::Ack(e.code().map_or(0, |c| c.get()))),
        // The kernel may send a DONE without its code.
        NLMSG_DONE => Body::Done(payload.first_chunk().map_or(0, |c| i32::from_ne_bytes(*c))),
        NLMSG_OVERRUN => Body::Overrun,
        RTM_NEWNEXTHOP => NextHopMessage::parse(payload).map_or(undecodable, |m| {
            Body::Message(Box::new(RtMessage::NewNextHop(m)))
        }),
        RTM_DELNEXTHOP => NextHopMessage::parse(payload).map_or(undecodable, |m| {
            Body::Message(Box::new(RtMessage::DelNextHop(m)))
        }),
        kind => needed(kind, payload)
            .and_then(|needed| RouteNetlinkMessage::deserialize(header, &needed).ok())
            .map_or(undecodable, |m| {
                Body::Message(Box::new(RtMessage::Route(m)))
            }),
    }
}

/// The message with only those attributes that this crate reads. The others cost time (a link's statistics), and a kernel newer
/// than the library may send them in a form that it refuses or trips over, for the loss of the whole message.
fn needed(message_type: u16, payload: &[u8]) -> Option<Vec<u8>> {
    let (header_octets, kinds): (usize, &[u16]) = match message_type {
        // IFLA_ADDRESS, IFNAME, MTU, MASTER, LINKINFO.
        16..=19 => (16, &[1, 3, 4, 10, LINKINFO]),
        // IFA_ADDRESS, LOCAL.
        20..=22 => (8, &[1, 2]),
        // RTA_DST, OIF, GATEWAY, PRIORITY, PREFSRC, MULTIPATH, TABLE, VIA, NH_ID.
        24..=26 => (12, &[1, 4, 5, 6, 7, 9, 15, 18, 30]),
        // NDA_DST, LLADDR.
        28..=30 => (12, &[1, 2]),
        _ => return None,
    };
    let (head, attributes) = payload.split_at_checked(header_octets)?;
    let mut out = head.to_vec();
    for attribute in NlasIterator::new(attributes) {
        let mut attribute = attribute.ok()?;
        let kind = attribute.kind();
        let foreign_device = kind == LINKINFO && message_type < 20 && !is_vrf(attribute.value());
        if kind == MULTIPATH && (24..=26).contains(&message_type) {
            let hops = needed_hops(attribute.value())?;
            let octets = u16::try_from(ATTRIBUTE_HEADER_OCTETS + hops.len()).ok()?;
            out.extend(octets.to_ne_bytes());
            out.extend(kind.to_ne_bytes());
            out.extend(hops);
        } else if kinds.contains(&kind) && !foreign_device {
            let octets = usize::from(attribute.length());
            push_padded(&mut out, attribute.inner().get(..octets)?);
        }
    }
    Some(out)
}

/// The hops of RTA_MULTIPATH (`struct rtnexthop` and attributes, one after another), each with only RTA_GATEWAY and RTA_VIA.
fn needed_hops(hops: &[u8]) -> Option<Vec<u8>> {
    const HOP_OCTETS: usize = 8;
    const KINDS: [u16; 2] = [5, 18];
    let mut out = Vec::with_capacity(hops.len());
    let mut rest = hops;
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_ne_bytes(*length));
        let (head, attributes) = rest.get(..length)?.split_at_checked(HOP_OCTETS)?;
        let start = out.len();
        out.extend_from_slice(head);
        for attribute in NlasIterator::new(attributes) {
            let mut attribute = attribute.ok()?;
            if KINDS.contains(&attribute.kind()) {
                let octets = usize::from(attribute.length());
                push_padded(&mut out, attribute.inner().get(..octets)?);
            }
        }
        let kept = u16::try_from(out.len() - start).ok()?;
        out.get_mut(start..start + 2)?
            .copy_from_slice(&kept.to_ne_bytes());
        let step = length.div_ceil(ALIGN_OCTETS) * ALIGN_OCTETS;
        rest = rest.get(step..).unwrap_or_default();
    }
    Some(out)
}

fn push_padded(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(octets);
    out.resize(out.len().div_ceil(ALIGN_OCTETS) * ALIGN_OCTETS, 0);
}

const ATTRIBUTE_HEADER_OCTETS: usize = 4;
const MULTIPATH: u16 = 9;

const LINKINFO: u16 = 18;

/// Whether IFLA_LINKINFO is that of a VRF device.
fn is_vrf(info: &[u8]) -> bool {
    const INFO_KIND: u16 = 1;
    NlasIterator::new(info)
        .filter_map(Result::ok)
        .any(|a| a.kind() == INFO_KIND && a.value().starts_with(b"vrf"))
}

/// Appends a request to `out`, padded.
pub(crate) fn encode(out: &mut Vec<u8>, flags: u16, sequence: u32, message: RouteNetlinkMessage) {
    let mut header = NetlinkHeader::default();
    header.flags = flags | NLM_F_REQUEST;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    append(out, &message);
}

fn append(out: &mut Vec<u8>, message: &NetlinkMessage<RouteNetlinkMessage>) {
    let start = out.len();
    let length = message.buffer_len();
    out.resize(start + length.div_ceil(ALIGN_OCTETS) * ALIGN_OCTETS, 0);
    if let Some(room) = out.get_mut(start..start + length) {
        message.serialize(room);
    }
}

/// The request for all nexthop objects, whose header (`struct nhmsg`, 8 octets) is all zero.
pub(crate) fn encode_nexthop_dump(sequence: u32) -> Vec<u8> {
    const NHMSG_OCTETS: usize = 8;
    let mut header = NetlinkHeader::default();
    header.length = (HEADER_OCTETS + NHMSG_OCTETS) as u32;
    header.message_type = RTM_GETNEXTHOP;
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = sequence;
    let mut out = vec![0; HEADER_OCTETS + NHMSG_OCTETS];
    header.emit(&mut out);
    out
}

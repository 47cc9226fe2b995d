//! Whether a packet is one of those that a capture wants. The filter comes as postfix steps and is sound
//! ([`Filter::is_sound`]); it runs without allocation and without recursion.

use std::net::IpAddr;

use ravelin_ctl::capture::{End, EspLink, Filter, MAX_FILTER_STEPS, Step, Test};
use ravelin_types::Spi;
use ravelin_wire::esp::{EspHeader, PROTOCOL_ESP, UDP_ENCAP_PORT, UdpEncap, classify_udp_encap};
use ravelin_wire::ethernet::{self, TYPE_ARP, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::{self, IpMeta, UDP_HEADER_OCTETS, protocol};

/// What a filter may ask of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its tags, of a frame.
    pub tags: Tags,
    /// Its IP header, if it has a sound one.
    pub meta: Option<IpMeta>,
    /// It is ARP.
    pub arp: bool,
    /// The ESP packet that it is, or that carries it.
    pub esp: Option<EspHeader>,
    /// It is carried by that one.
    pub inner: bool,
}

impl View {
    /// Of a frame.
    pub fn of_frame(frame: &[u8]) -> Self {
        let Some(header) = ethernet::parse(frame) else {
            return Self::default();
        };
        let packet = &frame[header.header_octets..];
        let mut view = match header.ethertype {
            TYPE_IPV4 | TYPE_IPV6 => Self::of_packet(packet),
            _ => Self::default(),
        };
        view.arp = header.ethertype == TYPE_ARP;
        view.tags = header.tags;
        view
    }

    /// Of an IP packet.
    pub fn of_packet(packet: &[u8]) -> Self {
        let meta = ip::parse(packet).ok();
        Self {
            esp: meta.as_ref().and_then(|meta| esp(meta, packet)),
            meta,
            ..Self::default()
        }
    }

    /// Of an inner packet.
    pub fn of_inner(packet: &[u8], esp: EspLink) -> Self {
        Self {
            meta: ip::parse(packet).ok(),
            esp: Some(EspHeader {
                spi: esp.spi.0,
                sequence: esp.sequence,
            }),
            inner: true,
            ..Self::default()
        }
    }
}

/// The head of an ESP packet, native or in UDP (RFC 3948 section 2).
pub fn esp(meta: &IpMeta, packet: &[u8]) -> Option<EspHeader> {
    let payload = meta.payload(packet);
    if meta
        .fragment
        .is_some_and(|fragment| fragment.offset_octets > 0)
    {
        return None;
    }
    if meta.protocol == PROTOCOL_ESP {
        return EspHeader::parse(payload);
    }
    let encapsulated = meta.protocol == protocol::UDP
        && meta.has_ports
        && (meta.source_port == UDP_ENCAP_PORT || meta.destination_port == UDP_ENCAP_PORT);
    let carried = payload.get(UDP_HEADER_OCTETS..)?;
    if encapsulated && classify_udp_encap(carried) == UdpEncap::Esp {
        EspHeader::parse(carried)
    } else {
        None
    }
}

/// Whether `filter` wants this packet. One without steps wants all.
pub fn wants(filter: &Filter, view: &View) -> bool {
    let mut stack = [false; MAX_FILTER_STEPS];
    let mut depth = 0;
    for step in filter.0.iter().take(MAX_FILTER_STEPS) {
        match step {
            Step::Test(test) => {
                stack[depth] = holds(*test, view);
                depth += 1;
            }
            Step::Not if depth >= 1 => stack[depth - 1] = !stack[depth - 1],
            Step::And if depth >= 2 => {
                stack[depth - 2] &= stack[depth - 1];
                depth -= 1;
            }
            Step::Or if depth >= 2 => {
                stack[depth - 2] |= stack[depth - 1];
                depth -= 1;
            }
            // Not sound: the capture was refused.
            Step::Not | Step::And | Step::Or => return false,
        }
    }
    depth == 0 || stack[depth - 1]
}

fn holds(test: Test, view: &View) -> bool {
    let ip = |ask: &dyn Fn(&IpMeta) -> bool| view.meta.as_ref().is_some_and(ask);
    match test {
        Test::Net(end, prefix) => ip(&|meta| {
            either(end, meta.source, meta.destination, |address: IpAddr| {
                prefix.contains(address)
            })
        }),
        Test::Port(end, port) => ip(&|meta| {
            let carries = matches!(
                meta.protocol,
                protocol::TCP | protocol::UDP | protocol::SCTP | protocol::UDPLITE
            );
            carries
                && meta.has_ports
                && either(end, meta.source_port, meta.destination_port, |p| p == port)
        }),
        Test::Protocol(number) => ip(&|meta| meta.protocol == number),
        Test::Ipv4 => ip(&|meta| !meta.is_v6()),
        Test::Ipv6 => ip(&|meta| meta.is_v6()),
        Test::Arp => view.arp,
        Test::Esp => view.esp.is_some() && !view.inner,
        Test::Spi(Spi(spi)) => view.esp.is_some_and(|esp| esp.spi == spi),
    }
}

fn either<T>(end: End, source: T, destination: T, fits: impl Fn(T) -> bool) -> bool {
    match end {
        End::Source => fits(source),
        End::Destination => fits(destination),
        End::Either => fits(source) || fits(destination),
    }
}

#[cfg(test)]
mod tests;

//! One line for a packet, in the manner of tcpdump. Payloads are not shown; what cannot be read is said to be so.

use ravelin_ctl::capture::{CaptureInterface, Captured};
use ravelin_wire::arp;
use ravelin_wire::esp::{
    EspHeader, IKE_PORT, PROTOCOL_AH, PROTOCOL_ESP, UDP_ENCAP_PORT, UdpEncap, classify_udp_encap,
};
use ravelin_wire::ethernet::{self, TYPE_ARP, TYPE_IPV4, TYPE_IPV6};
use ravelin_wire::ip::{self, IpMeta, UDP_HEADER_OCTETS, protocol};

/// `15:04:05.123456 In  ge-0/0/0: IP 192.0.2.10 > 192.0.2.1: ESP spi 0xc0000001 seq 42, length 132, pair 7`; times are UTC.
pub(crate) fn line(packet: &Captured, interface: &CaptureInterface) -> String {
    let direction = if packet.outbound { "Out" } else { "In " };
    let body = if interface.ethernet {
        frame(packet)
    } else {
        let link = packet.esp.as_ref();
        let carried = link.map_or(String::new(), |esp| format!(", {}", super::comment(esp)));
        format!("{}{carried}", datagram(&packet.data, packet.octets))
    };
    let time = time(packet.time_us);
    format!("{time} {direction} {}: {body}", interface.name)
}

/// Hours to microseconds, UTC.
pub(crate) fn time(time_us: u64) -> String {
    let seconds = time_us / 1_000_000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds % 3600 / 60,
        seconds % 60,
        time_us % 1_000_000
    )
}

fn frame(packet: &Captured) -> String {
    let Some(header) = ethernet::parse(&packet.data) else {
        return format!("no Ethernet II, length {}", packet.octets);
    };
    let tags = [header.tags.outer, header.tags.inner];
    let mut out: String = (tags.iter().filter(|tag| **tag != 0))
        .map(|tag| format!("vlan {tag}, "))
        .collect();
    let carried = &packet.data[header.header_octets..];
    let octets = packet.octets.saturating_sub(header.header_octets as u32);
    out.push_str(&match header.ethertype {
        TYPE_ARP => address_resolution(carried),
        TYPE_IPV4 | TYPE_IPV6 => datagram(carried, octets),
        other => format!("ethertype 0x{other:04x}, length {octets}"),
    });
    if let Some(pair) = packet.esp.and_then(|esp| esp.pair) {
        out.push_str(&format!(", pair {}", pair.0));
    }
    out
}

fn address_resolution(packet: &[u8]) -> String {
    let Some(arp) = arp::parse(packet) else {
        return "ARP, malformed".to_owned();
    };
    let station = crate::render::mac(arp.station);
    match arp.operation {
        arp::REQUEST => format!("ARP who-has {} tell {}", arp.target, arp.sender),
        arp::REPLY => format!("ARP reply {} is-at {station}", arp.sender),
        other => format!("ARP operation {other}"),
    }
}

/// An IP packet of `octets`, of which `data` is the beginning.
fn datagram(data: &[u8], octets: u32) -> String {
    // The parser wants all of a packet; what was not kept is not looked at.
    let mut whole = data.to_vec();
    whole.resize(data.len().max(octets.min(1 << 16) as usize), 0);
    let meta = match ip::parse(&whole) {
        Ok(meta) => meta,
        Err(error) => return format!("IP, {error}, length {octets}"),
    };
    let family = if meta.is_v6() { "IP6" } else { "IP" };
    let port = |port: u16| match meta.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::UDPLITE if meta.has_ports => {
            format!(".{port}")
        }
        _ => String::new(),
    };
    // What is there of the payload, without padding of the link.
    let end = data.len().min(meta.total_octets.into());
    let payload = data.get(usize::from(meta.payload_at)..end);
    let (source, destination) = (port(meta.source_port), port(meta.destination_port));
    format!(
        "{family} {}{source} > {}{destination}: {}",
        meta.source,
        meta.destination,
        upper_layer(&meta, payload.unwrap_or_default())
    )
}

/// `payload` may be cut.
fn upper_layer(meta: &IpMeta, payload: &[u8]) -> String {
    let length = meta.total_octets.saturating_sub(meta.payload_at);
    if let Some(fragment) = meta.fragment
        && (fragment.offset_octets > 0 || fragment.more)
    {
        let more = if fragment.more { "+" } else { "" };
        return format!(
            "{}, fragment {:#x}:{}{more}, length {length}",
            name(meta.protocol),
            fragment.id,
            fragment.offset_octets
        );
    }
    let said = match meta.protocol {
        PROTOCOL_ESP => EspHeader::parse(payload).map(|header| esp("ESP", header)),
        protocol::TCP => tcp(payload),
        protocol::UDP => Some(udp(meta, payload)),
        protocol::ICMP | protocol::ICMPV6 => icmp(meta, payload),
        _ => None,
    };
    let said = said.unwrap_or_else(|| name(meta.protocol));
    format!("{said}, length {length}")
}

/// What a protocol is called.
pub(crate) fn name(protocol: u8) -> String {
    let name = match protocol {
        protocol::ICMP => "ICMP",
        protocol::TCP => "TCP",
        protocol::UDP => "UDP",
        PROTOCOL_ESP => "ESP",
        PROTOCOL_AH => "AH",
        protocol::ICMPV6 => "ICMP6",
        protocol::OSPF => "OSPF",
        protocol::VRRP => "VRRP",
        protocol::SCTP => "SCTP",
        other => return format!("protocol {other}"),
    };
    name.to_owned()
}

fn esp(kind: &str, header: EspHeader) -> String {
    format!("{kind} spi 0x{:08x} seq {}", header.spi, header.sequence)
}

fn udp(meta: &IpMeta, payload: &[u8]) -> String {
    let is = |port| meta.source_port == port || meta.destination_port == port;
    let carried = payload.get(UDP_HEADER_OCTETS..).unwrap_or_default();
    if is(IKE_PORT) {
        return "UDP, IKE".to_owned();
    }
    if !is(UDP_ENCAP_PORT) {
        return "UDP".to_owned();
    }
    match (classify_udp_encap(carried), EspHeader::parse(carried)) {
        (UdpEncap::Esp, Some(header)) => esp("UDP, ESP", header),
        (UdpEncap::Ike, _) => "UDP, IKE".to_owned(),
        (UdpEncap::Keepalive, _) => "UDP, NAT keepalive".to_owned(),
        _ => "UDP".to_owned(),
    }
}

fn tcp(payload: &[u8]) -> Option<String> {
    let number = |at: usize| {
        let octets = payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    };
    let bits = *payload.get(13)?;
    let names = [
        (0x02, 'S'),
        (0x01, 'F'),
        (0x04, 'R'),
        (0x08, 'P'),
        (0x10, '.'),
    ];
    let set = names.iter().filter(|(bit, _)| bits & bit != 0);
    let flags: String = set.map(|(_, name)| name).collect();
    let ack = match bits & 0x10 {
        0 => String::new(),
        _ => format!(" ack {}", number(8)?),
    };
    Some(format!("TCP [{flags}] seq {}{ack}", number(4)?))
}

fn icmp(meta: &IpMeta, payload: &[u8]) -> Option<String> {
    let (kind, code) = (*payload.first()?, *payload.get(1)?);
    let said = match (meta.is_v6(), kind) {
        (false, 8) | (true, 128) => "echo request",
        (false, 0) | (true, 129) => "echo reply",
        (false, 3) | (true, 1) => "unreachable",
        (false, 11) | (true, 3) => "time exceeded",
        (true, 2) => "packet too big",
        (true, 135) => "neighbour solicitation",
        (true, 136) => "neighbour advertisement",
        _ => "type",
    };
    let name = name(meta.protocol);
    if said.starts_with("echo") {
        let id = u16::from_be_bytes([*payload.get(4)?, *payload.get(5)?]);
        let number = u16::from_be_bytes([*payload.get(6)?, *payload.get(7)?]);
        return Some(format!("{name} {said} id {id} seq {number}"));
    }
    Some(format!("{name} {said} {kind}/{code}"))
}

#[cfg(test)]
mod tests;

//! The maximum segment size of TCP connections through tunnels: both sides are told what crosses the tunnel in one piece, whatever
//! they know of the path between them (Junos' `security flow tcp-mss ipsec-vpn`).
//!
//! Only segments with SYN are looked at, in both directions: what the core announces limits the peer's side, and the other way round.

use ravelin_ctl::plane::MssClamp;
use ravelin_esp::PacketBuf;
use ravelin_wire::ip::{Brief, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, protocol};
use ravelin_wire::tcp;

use crate::platform::Platform;
use crate::stages::esp_output;
use crate::tables::Tables;
use crate::worker::Worker;

/// Whether a packet, which starts at its header, opens a TCP connection.
#[inline(always)]
pub(crate) fn opens(meta: Brief, packet: &[u8]) -> bool {
    meta.protocol() == protocol::TCP
        && meta.ports(packet).is_some()
        && tcp::is_syn(meta.payload(packet))
}

/// Lowers the segment size that the packet announces to what the tunnel of the SA at `slot` takes, if the configuration wants it.
#[cold]
pub(crate) fn clamp<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    meta: Brief,
    buf: &mut P::Buf,
    slot: u32,
) {
    let Some(clamp) = tables.config.tcp_mss else {
        return;
    };
    let headers = if meta.is_v6() {
        IPV6_HEADER_OCTETS + tcp::HEADER_OCTETS
    } else {
        IPV4_HEADER_OCTETS + tcp::HEADER_OCTETS
    };
    let of_tunnel = esp_output::inner_mtu_octets(worker, tables, slot)
        .map(|mtu_octets| mtu_octets.saturating_sub(headers as u16));
    let most_octets = match (clamp, of_tunnel) {
        (MssClamp::Octets(octets), Some(most)) => octets.min(most),
        (MssClamp::Octets(octets), None) => octets,
        (MssClamp::Tunnel, Some(most)) => most,
        (MssClamp::Tunnel, None) => return,
    };
    let (start, end) = (meta.payload_at(), meta.total_octets());
    let segment = buf.data_mut().get_mut(usize::from(start)..usize::from(end));
    if let Some(segment) = segment {
        tcp::clamp_mss(segment, most_octets);
    }
}

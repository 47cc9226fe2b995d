//! Transport mode (RFC 4303 section 3.1.1): the packet keeps its IP header, and ESP goes between it and what it carries.
//!
//! TTL, DSCP, ECN, flags and identification stay as they are: the header is the packet's own. Only whole packets are protected; what
//! is too long afterwards is fragmented then (section 3.3.4), which is the caller's work. ESP in UDP is not for this mode: the
//! checksums inside would be those of the addresses in front of a NAT (RFC 3948 section 3.1.2), so such an SA is not to be made.

use ravelin_wire::esp::PROTOCOL_ESP;
use ravelin_wire::ip::{Brief, front, protocol};

use crate::engine::Task;
use crate::outbound::{OutboundSa, Place};
use crate::{EspDrop, PacketBuf};

/// IPv6 hop-by-hop options, which nothing but an IPv6 header may precede (RFC 8200 section 4.1).
const HOP_BY_HOP: u8 = 0;

impl OutboundSa {
    /// As [`OutboundSa::prepare`], in transport mode. `packet` is described by `header`.
    ///
    /// # Errors
    /// The reason; the packet is as it was.
    pub fn prepare_transport<P: PacketBuf>(
        &mut self,
        packet: &mut P,
        header: Brief,
        slot: u32,
    ) -> Result<Task, EspDrop> {
        if header.is_fragment() {
            return Err(EspDrop::Fragment);
        }
        let front = front::before_esp(packet.data()).ok_or(EspDrop::Malformed)?;
        let place = Place {
            before_octets: 0,
            kept_octets: front.octets,
        };
        let (task, _) = self.enclose(packet, place, front.next_header, slot)?;
        front::rename(packet.data_mut(), front, PROTOCOL_ESP);
        Ok(task)
    }

    /// Length of a clear packet once it is protected.
    pub fn transport_octets(&self, packet: &[u8]) -> usize {
        let front = front::before_esp(packet).map_or(0, |front| front.octets);
        packet.len() + self.added_octets(packet.len() - front)
    }
}

/// Puts the IP header, described by `outer`, in front of what it carried. `packet` starts at that; between the two lie the
/// `esp_octets` of ESP header and IV, or of AH.
pub(crate) fn restore<P: PacketBuf>(
    packet: &mut P,
    esp_octets: usize,
    next_header: u8,
    outer: Brief,
) -> Result<(), EspDrop> {
    // What only whole packets have does not come out of one.
    if outer.is_v6() && matches!(next_header, HOP_BY_HOP | protocol::IPV6_FRAGMENT) {
        return Err(EspDrop::BadNextHeader);
    }
    let header_octets = usize::from(outer.payload_at());
    if !packet.prepend(header_octets + esp_octets) {
        return Err(EspDrop::Malformed);
    }
    packet.data_mut().copy_within(..header_octets, esp_octets);
    packet.adj(esp_octets);
    let front = front::of_length(packet.data(), header_octets).ok_or(EspDrop::Malformed)?;
    front::rename(packet.data_mut(), front, next_header);
    Ok(())
}

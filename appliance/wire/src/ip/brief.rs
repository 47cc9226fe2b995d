//! What stays with a packet on its way, in one register: everything of [`IpMeta`](super::IpMeta) but addresses, ports and fragment
//! fields, which are read from the packet where they are needed.

use super::read_ports;

/// The header of a packet in 64 bits. From the lowest: total length (16), offset of the upper layer (16), upper-layer protocol (8), TTL
/// (8), traffic class (8), flags (8).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Brief(u64);

const PAYLOAD_AT: u32 = 16;
const PROTOCOL: u32 = 32;
const TTL: u32 = 40;
const TRAFFIC_CLASS: u32 = 48;
const FLAGS: u32 = 56;

/// Flags.
pub(super) const V6: u8 = 1;
pub(super) const DONT_FRAGMENT: u8 = 2;
pub(super) const FRAGMENTED: u8 = 4;
/// The second or a later fragment: it holds no transport header.
pub(super) const LATER: u8 = 8;

impl Brief {
    #[inline(always)]
    pub(super) fn new(
        (total_octets, payload_at): (u16, u16),
        (protocol, ttl, traffic_class): (u8, u8, u8),
        flags: u8,
    ) -> Self {
        Brief(
            u64::from(total_octets)
                | u64::from(payload_at) << PAYLOAD_AT
                | u64::from(protocol) << PROTOCOL
                | u64::from(ttl) << TTL
                | u64::from(traffic_class) << TRAFFIC_CLASS
                | u64::from(flags) << FLAGS,
        )
    }

    #[inline(always)]
    const fn has(self, flag: u8) -> bool {
        self.0 >> FLAGS & flag as u64 != 0
    }

    /// Octets of the packet according to its header; the buffer may hold link padding behind it.
    #[inline(always)]
    pub const fn total_octets(self) -> u16 {
        self.0 as u16
    }

    /// Offset of the upper layer.
    #[inline(always)]
    pub const fn payload_at(self) -> u16 {
        (self.0 >> PAYLOAD_AT) as u16
    }

    /// Upper-layer protocol.
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        (self.0 >> PROTOCOL) as u8
    }

    /// TTL or hop limit.
    #[inline(always)]
    pub const fn ttl(self) -> u8 {
        (self.0 >> TTL) as u8
    }

    /// DSCP and ECN: the TOS or traffic-class octet.
    #[inline(always)]
    pub const fn traffic_class(self) -> u8 {
        (self.0 >> TRAFFIC_CLASS) as u8
    }

    /// True for IPv6.
    #[inline(always)]
    pub const fn is_v6(self) -> bool {
        self.has(V6)
    }

    /// IPv4 don't-fragment; true for IPv6, whose routers never fragment.
    #[inline(always)]
    pub const fn dont_fragment(self) -> bool {
        self.has(DONT_FRAGMENT)
    }

    /// It is a fragment.
    #[inline(always)]
    pub const fn is_fragment(self) -> bool {
        self.has(FRAGMENTED)
    }

    /// One hop further. The caller has checked that the TTL is above 0.
    #[inline(always)]
    #[must_use]
    pub const fn one_hop_on(self) -> Self {
        Brief(self.0.wrapping_sub(1 << TTL))
    }

    /// A fragment of it that has `total_octets`.
    #[must_use]
    pub const fn fragment(self, total_octets: u16) -> Self {
        Brief(self.0 & !0xffff | total_octets as u64 | (FRAGMENTED as u64) << FLAGS)
    }

    /// Source and destination port, for ICMP type and code twice (RFC 7296 section 3.13.1), of the packet that starts at `packet`.
    /// `None` for later fragments, truncated transport headers and protocols without ports.
    #[inline]
    pub fn ports(self, packet: &[u8]) -> Option<(u16, u16)> {
        if self.has(LATER) {
            return None;
        }
        let end = packet.len().min(usize::from(self.total_octets()));
        read_ports(
            packet.get(..end)?,
            self.protocol(),
            usize::from(self.payload_at()),
        )
    }

    /// The upper-layer part of `packet`, without link padding.
    #[inline]
    pub fn payload(self, packet: &[u8]) -> &[u8] {
        packet
            .get(usize::from(self.payload_at())..usize::from(self.total_octets()))
            .unwrap_or(&[])
    }
}

impl std::fmt::Debug for Brief {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brief")
            .field("total_octets", &self.total_octets())
            .field("payload_at", &self.payload_at())
            .field("protocol", &self.protocol())
            .field("ttl", &self.ttl())
            .field("traffic_class", &self.traffic_class())
            .field("flags", &(self.0 >> FLAGS))
            .finish()
    }
}

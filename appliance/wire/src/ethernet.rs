//! Ethernet II frames with up to two VLAN tags. 802.3 length frames and more tags are refused.

use crate::get_u16;

/// Length of an untagged Ethernet header.
pub const HEADER_OCTETS: usize = 14;
/// Length of one VLAN tag.
pub const TAG_OCTETS: usize = 4;
/// EtherType of ARP.
pub const TYPE_ARP: u16 = 0x0806;
/// EtherType of IPv4.
pub const TYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const TYPE_IPV6: u16 = 0x86dd;
/// TPID of a customer tag (802.1Q).
pub const TPID_CTAG: u16 = 0x8100;
/// TPID of a service tag (802.1ad).
pub const TPID_STAG: u16 = 0x88a8;

/// A MAC address.
pub type Mac = [u8; 6];

/// The VLAN tags of a frame or of a logical unit: outermost first, 0 = no tag (VLAN id 0 is a priority tag and counts as none).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags {
    /// Outer VLAN id, 0 when untagged.
    pub outer: u16,
    /// Inner VLAN id, 0 when there is at most one tag.
    pub inner: u16,
}

impl Tags {
    /// Octets that the tags take on the wire.
    pub const fn octets(self) -> usize {
        (self.outer != 0) as usize * TAG_OCTETS + (self.inner != 0) as usize * TAG_OCTETS
    }
}

/// What `parse` found in front of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetMeta {
    /// Octets of the header including its tags.
    pub header_octets: usize,
    /// EtherType of the payload.
    pub ethertype: u16,
    /// VLAN ids.
    pub tags: Tags,
    /// Destination address.
    pub destination: Mac,
}

impl EthernetMeta {
    /// True for group (multicast and broadcast) destinations.
    pub const fn is_group(&self) -> bool {
        self.destination[0] & 1 != 0
    }
}

/// Parses a frame header; `None` for a truncated frame, an 802.3 length frame or more than two tags.
#[inline]
pub fn parse(frame: &[u8]) -> Option<EthernetMeta> {
    let header: &[u8; HEADER_OCTETS] = frame.first_chunk()?;
    match u16::from_be_bytes([header[12], header[13]]) {
        TPID_CTAG | TPID_STAG => parse_tagged(frame),
        0..0x0600 => None,
        ethertype => Some(EthernetMeta {
            header_octets: HEADER_OCTETS,
            ethertype,
            tags: Tags::default(),
            destination: *header.first_chunk()?,
        }),
    }
}

fn parse_tagged(frame: &[u8]) -> Option<EthernetMeta> {
    let mut at = 12;
    let mut ethertype = get_u16(frame, at)?;
    let mut tags = Tags::default();
    let mut seen = 0;
    while ethertype == TPID_CTAG || ethertype == TPID_STAG {
        if seen == 2 {
            return None;
        }
        let vlan = get_u16(frame, at + 2)? & 0x0fff;
        if vlan != 0 {
            if tags.outer == 0 {
                tags.outer = vlan;
            } else {
                tags.inner = vlan;
            }
        }
        at += TAG_OCTETS;
        seen += 1;
        ethertype = get_u16(frame, at)?;
    }
    if ethertype < 0x0600 {
        return None;
    }
    Some(EthernetMeta {
        header_octets: at + 2,
        ethertype,
        tags,
        destination: *frame.first_chunk()?,
    })
}

/// Moves the two addresses up against the EtherType, so that the last 14 octets before the payload are an untagged header.
/// The octets in front of it are left as they were.
#[inline]
pub fn close_up_tags(frame: &mut [u8], header_octets: usize) {
    if header_octets > HEADER_OCTETS && frame.len() >= header_octets {
        frame.copy_within(0..12, header_octets - HEADER_OCTETS);
    }
}

/// Writes the header of an outgoing frame into the first `14 + tags.octets()` octets of `out`; `None` if it is too short.
/// Two tags are written as 802.1ad (service tag outside), one as 802.1Q.
pub fn emit(
    out: &mut [u8],
    destination: Mac,
    source: Mac,
    tags: Tags,
    ethertype: u16,
) -> Option<()> {
    let out = out.get_mut(..HEADER_OCTETS + tags.octets())?;
    out[..6].copy_from_slice(&destination);
    out[6..12].copy_from_slice(&source);
    let mut at = 12;
    let mut tag = |tpid: u16, vlan: u16, out: &mut [u8]| {
        out[at..at + 2].copy_from_slice(&tpid.to_be_bytes());
        out[at + 2..at + 4].copy_from_slice(&(vlan & 0x0fff).to_be_bytes());
        at += TAG_OCTETS;
    };
    if tags.outer != 0 {
        tag(
            if tags.inner != 0 {
                TPID_STAG
            } else {
                TPID_CTAG
            },
            tags.outer,
            out,
        );
    }
    if tags.inner != 0 {
        tag(TPID_CTAG, tags.inner, out);
    }
    out[at..at + 2].copy_from_slice(&ethertype.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests;

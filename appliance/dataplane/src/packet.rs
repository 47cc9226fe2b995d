//! A packet on its way through the stages.

use ravelin_esp::PacketBuf;
use ravelin_types::VrfId;
use ravelin_wire::ip::{self, Brief, IpMeta, ParseError};

use crate::address::{Address, Ends};
use crate::tables::{IfIndex, NextHop};

/// Where a packet came from; decides which checks it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A port. The Ethernet header, without tags, lies in front of the data.
    Port,
    /// A tunnel: decrypted and inside its selectors.
    Tunnel,
    /// Our host stack.
    Host,
    /// This data plane itself: an ICMP error or an encrypted packet.
    Own,
    /// Reassembled from fragments that came from a port; no Ethernet header.
    Reassembled,
}

/// A buffer with what the stages found out about it. After the Ethernet stage the data starts at an IP header and ends with it.
#[derive(Debug)]
pub struct Packet<B> {
    /// The octets.
    pub buf: B,
    /// The parsed header the data started with when it entered the present path: the outer one before decryption, the inner one
    /// before encryption. The fewer octets go with a packet from stage to stage, the faster: addresses are in the packet itself.
    pub meta: Brief,
    /// The interface it came in by: a unit, or a tunnel after decryption.
    pub ingress: IfIndex,
    /// Routing instance of its header.
    pub vrf: VrfId,
    /// Where it goes.
    pub next_hop: NextHop,
    /// Where it came from.
    pub origin: Origin,
    /// ESP that came from another outer address or port than the peer's of its SA.
    pub strange_source: bool,
}

impl<B> Packet<B> {
    /// Exchanges the buffer.
    #[inline]
    pub fn replace<C>(self, buf: C) -> (B, Packet<C>) {
        let packet = Packet {
            buf,
            meta: self.meta,
            ingress: self.ingress,
            vrf: self.vrf,
            next_hop: self.next_hop,
            origin: self.origin,
            strange_source: self.strange_source,
        };
        (self.buf, packet)
    }
}

/// What routing asks of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a, A> {
    /// Its header, parsed.
    pub meta: Brief,
    /// Its addresses.
    pub ends: Ends<A>,
    /// Its octets, from the header on.
    pub packet: &'a [u8],
    /// Its routing instance.
    pub vrf: VrfId,
}

impl<'a, A: Address> Header<'a, A> {
    /// `None` when `packet` is too short for what `meta` says.
    #[inline(always)]
    pub fn new(meta: Brief, packet: &'a [u8], vrf: VrfId) -> Option<Self> {
        Some(Self {
            meta,
            ends: A::ends(packet)?,
            packet,
            vrf,
        })
    }
}

impl<B: PacketBuf> Packet<B> {
    /// What routing asks of the header that the data starts with.
    #[inline(always)]
    pub fn route_header<A: Address>(&self) -> Option<Header<'_, A>> {
        Header::new(self.meta, self.buf.data(), self.vrf)
    }

    /// Whether its TTL counts: it is neither the host's nor our own.
    #[inline(always)]
    pub fn is_transit(&self) -> bool {
        matches!(
            self.origin,
            Origin::Port | Origin::Tunnel | Origin::Reassembled
        )
    }

    /// Takes one from the TTL of a packet in transit. The caller has checked that it is above 1.
    #[inline(always)]
    pub fn one_hop_on(&mut self) {
        if self.is_transit() {
            ip::decrement_ttl(self.buf.data_mut());
            self.meta = self.meta.one_hop_on();
        }
    }

    /// The addresses of the header that the data starts with.
    #[inline]
    pub fn ends<A: Address>(&self) -> Option<Ends<A>> {
        A::ends(self.buf.data())
    }

    /// The whole header, parsed again. The data must start at it.
    ///
    /// # Errors
    /// When it was broken on the way.
    pub fn header(&self) -> Result<IpMeta, ParseError> {
        ip::parse(self.buf.data())
    }
}

impl<B: PacketBuf> PacketBuf for Packet<B> {
    #[inline]
    fn data(&self) -> &[u8] {
        self.buf.data()
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        self.buf.data_mut()
    }

    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        self.buf.prepend(octets)
    }

    #[inline]
    fn append(&mut self, octets: usize) -> bool {
        self.buf.append(octets)
    }

    #[inline]
    fn grow(&mut self, front_octets: usize, back_octets: usize) -> bool {
        self.buf.grow(front_octets, back_octets)
    }

    #[inline]
    fn adj(&mut self, octets: usize) -> bool {
        self.buf.adj(octets)
    }

    #[inline]
    fn trim(&mut self, octets: usize) -> bool {
        self.buf.trim(octets)
    }
}

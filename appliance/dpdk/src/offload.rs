//! Sets of NIC offloads that Ravelin knows by name. A capability that is absent is done in software by the caller.

macro_rules! bit_set {
    ($(#[$doc:meta])* $set:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub struct $set(u64);

        impl $set {
            /// No offload.
            pub const NONE: Self = $set(0);
            $($(#[$bit_doc])* pub const $bit: Self = $set(dpdk_sys::$value);)*

            pub(crate) const fn bits(self) -> u64 {
                self.0
            }

            /// Keeps the offloads this type names.
            pub(crate) const fn from_bits(bits: u64) -> Self {
                $set(bits & (0 $(| dpdk_sys::$value)*))
            }

            /// Whether all of `other` are in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Both sets together.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                $set(self.0 | other.0)
            }

            /// What both sets hold.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                $set(self.0 & other.0)
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut list = f.debug_list();
                $(if self.contains($set::$bit) { list.entry(&format_args!(stringify!($bit))); })*
                list.finish()
            }
        }
    };
}

bit_set! {
    /// Offloads of the receive side.
    RxOffloads {
        /// Take the outer VLAN tag off the frame.
        VLAN_STRIP = RV_RX_VLAN_STRIP,
        /// Pass only frames without tag and those of the tags that were asked for.
        VLAN_FILTER = RV_RX_VLAN_FILTER,
        /// Take both tags off the frame.
        QINQ_STRIP = RV_RX_QINQ_STRIP,
        /// Verify the IPv4 header checksum.
        IPV4_CHECKSUM = RV_RX_IPV4_CKSUM,
        /// Verify the UDP checksum.
        UDP_CHECKSUM = RV_RX_UDP_CKSUM,
        /// Verify the TCP checksum.
        TCP_CHECKSUM = RV_RX_TCP_CKSUM,
        /// Spread a long frame over several buffers.
        SCATTER = RV_RX_SCATTER,
        /// Deliver the RSS hash with the packet.
        RSS_HASH = RV_RX_RSS_HASH,
        /// Inline IPsec.
        SECURITY = RV_RX_SECURITY,
    }
}

bit_set! {
    /// Offloads of the transmit side.
    TxOffloads {
        /// Insert a VLAN tag.
        VLAN_INSERT = RV_TX_VLAN_INSERT,
        /// Insert two VLAN tags.
        QINQ_INSERT = RV_TX_QINQ_INSERT,
        /// Compute the IPv4 header checksum.
        IPV4_CHECKSUM = RV_TX_IPV4_CKSUM,
        /// Compute the UDP checksum.
        UDP_CHECKSUM = RV_TX_UDP_CKSUM,
        /// Compute the TCP checksum.
        TCP_CHECKSUM = RV_TX_TCP_CKSUM,
        /// Send packets of several segments.
        MULTI_SEGMENT = RV_TX_MULTI_SEGS,
        /// All packets of a queue come from one pool and have one owner.
        FAST_FREE = RV_TX_MBUF_FAST_FREE,
        /// Inline IPsec.
        SECURITY = RV_TX_SECURITY,
    }
}

//! Why a packet was discarded. Each discarded packet has exactly one reason, which is a counter, a row of `show security drops` and
//! what the flight recorder tells.

use ravelin_esp::EspDrop;
use ravelin_wire::ip::ParseError;

/// Declares the reasons with their operator-visible names and meanings.
macro_rules! reasons {
    ($($variant:ident $name:literal $esp:literal $meaning:literal,)+) => {
        /// The one reason for which a packet was discarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason { $(#[doc = $meaning] $variant),+ }

        impl DropReason {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant),+];

            /// The row's name.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name),+ }
            }

            /// What it means, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(DropReason::$variant => $meaning),+ }
            }

            /// Whether the reason concerns ESP.
            pub const fn is_esp(self) -> bool {
                match self { $(DropReason::$variant => $esp),+ }
            }
        }
    };
}

reasons! {
    BadFrame "bad-frame" false "not an Ethernet II frame, or truncated",
    Segmented "segmented" false "frame of several segments that fits no free packet buffer",
    NoUnit "no-unit" false "no logical unit has this VLAN tag",
    NotOurMac "not-our-mac" false "unicast frame for another station",
    UnknownEthertype "unknown-ethertype" false "neither ARP nor IP",
    Truncated "truncated" false "packet shorter than its header says",
    BadVersion "bad-ip-version" false "IP version does not fit its carrier",
    BadHeaderLength "bad-ip-header-length" false "IP header length out of range",
    BadChecksum "bad-ip-checksum" false "IPv4 header checksum wrong",
    TooManyExtensions "too-many-extensions" false "more IPv6 extension headers than accepted",
    Martian "martian" false "source or destination address that never appears on a wire",
    Multicast "multicast" false "multicast or broadcast that is not forwarded",
    NoRoute "no-route" false "no route to the destination",
    Blackhole "blackhole" false "route says discard",
    Reject "reject" false "route says reject",
    TtlExceeded "ttl-exceeded" false "TTL or hop limit used up",
    TooBig "too-big" false "larger than the MTU and not to be fragmented",
    FragmentFailed "fragment-failed" false "would take more fragments than are made of one packet",
    NeighbourUnresolved "neighbour-unresolved" false "the next hop did not answer in time",
    NeighbourQueueFull "neighbour-queue-full" false "four packets wait for this next hop already",
    EgressDown "egress-down" false "the egress interface is gone",
    TxFull "tx-full" false "transmit queue full",
    NoBuffer "no-buffer" false "packet buffers exhausted",
    HandoffFull "handoff-full" false "ring to the owner worker full",
    ProtectedSource "protected-source" true "cleartext from an address that belongs behind a tunnel",
    NoSa "no-sa" true "destination behind a tunnel without a child SA",
    UnknownSpi "unknown-spi" true "no SA has this SPI",
    SaMismatch "sa-mismatch" true "SPI known, but not for this address or instance",
    SelectorMismatch "selector-mismatch" true "decrypted packet outside the SA's traffic selectors",
    OuterViaTunnel "outer-via-tunnel" true "route to the peer leads into a tunnel",
    EspMalformed "esp-malformed" true "ESP packet too short",
    ReplayOld "replay-old" true "sequence number left of the replay window",
    ReplayDuplicate "replay-duplicate" true "sequence number accepted before",
    SequenceZero "sequence-zero" true "sequence number zero",
    AuthFailed "auth-failed" true "integrity check value wrong",
    CryptoFailed "crypto-failed" true "crypto engine failed",
    DeviceLost "crypto-device-lost" true "in a crypto device that failed",
    BadPadding "bad-padding" true "ESP padding wrong",
    BadNextHeader "bad-next-header" true "ESP next header wrong",
    Dummy "dummy" true "dummy packet of traffic-flow confidentiality",
    EcnInvalid "ecn-invalid" true "congestion mark on a transport without ECN",
    NoRoom "no-room" true "no room in the buffer for the ESP headers",
    TooLong "too-long" true "outer packet would pass 65,535 octets",
    SequenceExhausted "sequence-exhausted" true "outbound sequence numbers used up",
    LifetimeExpired "lifetime-expired" true "lifetime of the SA by packets or kilobytes is over, and it was not rekeyed",
    SequenceUngranted "sequence-ungranted" true "outbound sequence number above the ceiling that iked has stored",
    InboundUngranted "inbound-ungranted" true "authentic sequence number above the ceiling that iked has stored",
    TransportFragment "transport-fragment" true "fragment that would need transport mode, which takes whole packets",
    AhMalformed "ah-malformed" true "AH cut short, or of another length than its algorithm's",
    SourceRouted "source-routed" true "source-routed packet of ours, whose destination AH would have to foresee",
    AhUnsupported "ah-unsupported" true "AH or ESP inside a tunnel, or AH to an address that no SA can have",
    NatKeepalive "nat-keepalive" true "NAT keepalive on UDP 4500",
    UdpEncapMalformed "udp-encap-malformed" true "datagram on UDP 4500 that is neither IKE nor ESP",
    ReassemblyFull "reassembly-full" false "fragment table full: the oldest datagram gave way",
    ReassemblyTimeout "reassembly-timeout" false "not all fragments came in time",
    FragmentOverlap "fragment-overlap" false "overlapping fragments",
    FragmentBad "fragment-bad" false "tiny, unaligned or oversized fragment",
    ArpForeign "arp-foreign" false "ARP that concerns neither us nor a neighbour of ours",
    PuntLiveness "punt-bfd-vrrp" false "BFD and VRRP above the punt rate",
    PuntRouting "punt-bgp-ospf" false "BGP and OSPF above the punt rate",
    PuntNeighbour "punt-arp-nd" false "ARP and ND of neighbours above the punt rate",
    PuntIke "punt-ike" false "IKE of existing SAs above the punt rate",
    PuntIkeInit "punt-ike-init" false "IKE_SA_INIT above the punt rate",
    PuntStranger "punt-arp-nd-new" false "ARP and ND of unknown stations above the punt rate",
    PuntOther "punt-other" false "other host traffic above the punt rate",
    PuntRingFull "punt-ring-full" false "host path did not keep up",
    HostDown "host-down" false "the host's twin of this interface is absent or down",
    InjectInvalid "inject-invalid" false "the host sent a packet that cannot leave",
    NotSynchronised "not-synchronised" false "came before routes and SAs were complete after a start",
}

/// How many reasons there are.
pub const REASONS: usize = DropReason::ALL.len();

impl From<EspDrop> for DropReason {
    fn from(reason: EspDrop) -> Self {
        match reason {
            EspDrop::Malformed => DropReason::EspMalformed,
            EspDrop::ReplayOld => DropReason::ReplayOld,
            EspDrop::ReplayDuplicate => DropReason::ReplayDuplicate,
            EspDrop::SequenceZero => DropReason::SequenceZero,
            EspDrop::AuthFailed => DropReason::AuthFailed,
            EspDrop::EngineFailed => DropReason::CryptoFailed,
            EspDrop::BadPadding => DropReason::BadPadding,
            EspDrop::BadNextHeader => DropReason::BadNextHeader,
            EspDrop::Dummy => DropReason::Dummy,
            EspDrop::EcnInvalid => DropReason::EcnInvalid,
            EspDrop::NoRoom => DropReason::NoRoom,
            EspDrop::TooLong => DropReason::TooLong,
            EspDrop::SequenceExhausted => DropReason::SequenceExhausted,
            EspDrop::LifetimeExpired => DropReason::LifetimeExpired,
            EspDrop::SequenceUngranted => DropReason::SequenceUngranted,
            EspDrop::AhMalformed => DropReason::AhMalformed,
            EspDrop::SourceRouted => DropReason::SourceRouted,
            EspDrop::Fragment => DropReason::TransportFragment,
            EspDrop::InboundUngranted => DropReason::InboundUngranted,
        }
    }
}

impl From<ParseError> for DropReason {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Truncated => DropReason::Truncated,
            ParseError::Version => DropReason::BadVersion,
            ParseError::HeaderLength => DropReason::BadHeaderLength,
            ParseError::Checksum => DropReason::BadChecksum,
            ParseError::Extensions => DropReason::TooManyExtensions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_indices_dense() {
        let names: std::collections::BTreeSet<_> =
            DropReason::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), REASONS);
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}

//! The forms of an SA pair, the lines of `ip xfrm` that make one of them the guest's, and the echo requests that go through it.

use ravelin_esp::OuterAddresses;
use ravelin_tests::site::{V4, V6};
use ravelin_tests::vm::xfrm::algorithms;
use ravelin_types::{EspEncr, EspInteg, EspTransform, IpsecMode, IpsecProtocol};
use ravelin_wire::checksum;
use ravelin_wire::ip::{self, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, IpFields, protocol};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv6Addr};

/// SPIs of the guest's inbound SAs and of ours; the number of the form is added.
pub const THEIR_SPI: u32 = 0x0001_0000;
pub const OUR_SPI: u32 = 0x0002_0000;
pub const MTU_OCTETS: usize = 1500;
pub const ECHO_OCTETS: usize = 8;
/// The lower half turns over among the first packets, and the upper one is not 0.
const LAST_EXTENDED: u64 = 0x5_ffff_fff8;

/// The option that the guest fills and sends back (RFC 791 section 3.1).
pub const TIMESTAMP: u8 = 68;
/// Router alert, then a timestamp.
const OPTIONS: [u8; 12] = [148, 4, 0, 0, TIMESTAMP, 8, 5, 0, 1, 2, 3, 4];
/// Hop-by-hop options in front of ICMPv6: one that may change on its way, one that may not.
const EXTENSION: [u8; 16] = {
    const ICMPV6: u8 = protocol::ICMPV6;
    [ICMPV6, 1, 0x3e, 3, 1, 2, 3, 0x1e, 6, 1, 2, 3, 4, 5, 6, 0]
};

/// Our address and the guest's.
#[derive(Clone, Copy)]
pub struct Ends {
    pub ours: IpAddr,
    pub theirs: IpAddr,
}

/// One form of an SA pair.
pub struct Form {
    pub number: u32,
    pub protocol: IpsecProtocol,
    pub transform: EspTransform,
    pub mode: IpsecMode,
    pub extended: bool,
    pub outer: Ends,
    pub inner: Ends,
    /// KEYMAT of what we send.
    pub our_keys: Vec<u8>,
    /// KEYMAT of what the guest sends.
    pub their_keys: Vec<u8>,
}

/// An echo request.
#[derive(Clone, Copy)]
pub struct Echo {
    pub sequence: u16,
    pub payload_octets: usize,
    /// With options behind its IPv4 header, or an extension header of IPv6.
    pub has_options: bool,
}

/// Modes, and whether it is IPv6 outside and inside.
const SHAPES: [(IpsecMode, bool, bool); 6] = [
    (IpsecMode::Tunnel, false, false),
    (IpsecMode::Tunnel, false, true),
    (IpsecMode::Tunnel, true, false),
    (IpsecMode::Tunnel, true, true),
    (IpsecMode::Transport, false, false),
    (IpsecMode::Transport, true, true),
];

/// Every form has addresses of its own, by which the guest's policies tell it: of the networks for benchmarks (RFC 2544) and for
/// documentation (RFC 3849).
fn ours(v6: bool, inside: bool, number: u32) -> IpAddr {
    let [.., high, low] = number.to_be_bytes();
    let network = 18 + u8::from(inside);
    if v6 {
        let host = u16::from_be_bytes([high, low]);
        Ipv6Addr::new(0x2001, 0xdb8, network.into(), 0, 0, 0, 0, host).into()
    } else {
        [198, network, high, low].into()
    }
}

fn random(octets: usize) -> Vec<u8> {
    let mut random = vec![0; octets];
    let mut source = File::open("/dev/urandom").unwrap();
    source.read_exact(&mut random).unwrap();
    random
}

/// Every algorithm of ESP, and those of AH that the kernel has, in every shape, with and without extended sequence numbers.
pub fn all() -> Vec<Form> {
    let esp = EspTransform::all().map(|transform| (IpsecProtocol::Esp, transform));
    let ah = EspInteg::ALL.iter().map(|integ| {
        let transform = EspTransform::new(EspEncr::Null, Some(*integ));
        (IpsecProtocol::Ah, transform.unwrap())
    });
    let shapes = |algorithm| {
        let shape = move |shape| [(algorithm, shape, false), (algorithm, shape, true)];
        SHAPES.into_iter().flat_map(shape)
    };
    let numbered = (1..).zip(esp.chain(ah).flat_map(shapes));
    numbered
        .map(|(number, (algorithm, shape, extended))| Form::new(number, algorithm, shape, extended))
        .collect()
}

impl Form {
    fn new(
        number: u32,
        (protocol, transform): (IpsecProtocol, EspTransform),
        (mode, outer_v6, inner_v6): (IpsecMode, bool, bool),
        extended: bool,
    ) -> Self {
        let outer = Ends {
            ours: ours(outer_v6, false, number),
            theirs: if outer_v6 { V6 } else { V4 }.enb_outer,
        };
        let inner = match mode {
            IpsecMode::Transport => outer,
            IpsecMode::Tunnel => Ends {
                ours: ours(inner_v6, true, number),
                theirs: if inner_v6 { V6 } else { V4 }.enb_inner,
            },
        };
        Self {
            number,
            protocol,
            transform,
            mode,
            extended,
            outer,
            inner,
            our_keys: random(transform.keymat_octets()),
            their_keys: random(transform.keymat_octets()),
        }
    }

    /// The number before the first one, of both directions.
    pub fn last_sequence(&self) -> u64 {
        if self.extended { LAST_EXTENDED } else { 0 }
    }

    pub fn outer_addresses(&self) -> OuterAddresses {
        OuterAddresses {
            local: self.outer.ours,
            remote: self.outer.theirs,
            udp: None,
        }
    }

    /// Whether the guest fills AH of IPv4 to words of 8 octets, as Linux does unless it is told to keep to RFC 4302 section 2.6.
    fn is_ah_overfilled(&self) -> bool {
        self.protocol == IpsecProtocol::Ah && self.outer.ours.is_ipv4() && !self.extended
    }

    /// Longest packet of ours whose answer still fits the link.
    pub fn most_octets(&self) -> usize {
        MTU_OCTETS - if self.is_ah_overfilled() { 4 } else { 0 }
    }

    /// The guest's SAs and policies as lines of `ip -batch`.
    pub fn xfrm(&self) -> String {
        self.xfrm_of("in", THEIR_SPI, &self.our_keys)
            + &self.xfrm_of("out", OUR_SPI, &self.their_keys)
    }

    fn xfrm_of(&self, direction: &str, spi: u32, keys: &[u8]) -> String {
        let out = direction == "out";
        let route = |ends: Ends| {
            let (from, to) = match out {
                true => (ends.theirs, ends.ours),
                false => (ends.ours, ends.theirs),
            };
            format!("src {from} dst {to}")
        };
        let protocol = match self.protocol {
            IpsecProtocol::Esp => "esp",
            IpsecProtocol::Ah => "ah",
        };
        let mut options = String::from("replay-window 128");
        if self.extended {
            let (last, o) = (self.last_sequence(), if out { "o" } else { "" });
            let (high, low) = (last >> 32, last & 0xffff_ffff);
            options += &format!(" replay-{o}seq {low:#x} replay-{o}seq-hi {high:#x} flag esn");
        } else {
            options += " flag";
        }
        // Any family inside.
        let mode = match self.mode {
            IpsecMode::Tunnel => {
                options += " af-unspec";
                "tunnel"
            }
            IpsecMode::Transport => "transport",
        };
        if !(out && self.is_ah_overfilled()) {
            options += " align4";
        }
        let (outer, inner, spi, id) = (
            route(self.outer),
            route(self.inner),
            spi + self.number,
            self.number,
        );
        let algorithms = algorithms(self.protocol, self.transform, keys).unwrap();
        format!(
            "xfrm state add {outer} proto {protocol} spi {spi:#x} reqid {id} mode {mode} {options} {algorithms}\n\
             xfrm policy add {inner} dir {direction} tmpl {outer} proto {protocol} reqid {id} mode {mode}\n"
        )
    }

    /// The ICMP message of an echo request to the guest, or that of its answer (RFC 792, RFC 4443 section 4).
    pub fn icmp(&self, echo: Echo, is_answer: bool) -> Vec<u8> {
        let Ends { ours, theirs } = self.inner;
        let kind = match (ours.is_ipv6(), is_answer) {
            (false, false) => 8,
            (false, true) => 0,
            (true, false) => 128,
            (true, true) => 129,
        };
        let [id, number] = [self.number as u16, echo.sequence].map(u16::to_be_bytes);
        let mut icmp = vec![kind, 0, 0, 0, id[0], id[1], number[0], number[1]];
        icmp.extend((0..echo.payload_octets).map(|at| (at * 7 + self.number as usize) as u8));
        let pseudo = match ours.is_ipv6() {
            true => checksum::pseudo_header(ours, theirs, protocol::ICMPV6, icmp.len() as u32),
            false => 0,
        };
        let sum = checksum::finish(checksum::add(pseudo, &icmp));
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        icmp
    }

    /// Octets of the IP header of a request without options.
    pub fn header_octets(&self) -> usize {
        if self.inner.ours.is_ipv6() {
            IPV6_HEADER_OCTETS
        } else {
            IPV4_HEADER_OCTETS
        }
    }

    /// An echo request to the guest.
    pub fn request(&self, echo: Echo) -> Vec<u8> {
        let v6 = self.inner.ours.is_ipv6();
        let (protocol, options): (u8, &[u8]) = match (v6, echo.has_options) {
            (false, false) => (protocol::ICMP, &[]),
            (false, true) => (protocol::ICMP, &OPTIONS),
            (true, false) => (protocol::ICMPV6, &[]),
            (true, true) => (0, &EXTENSION),
        };
        let icmp = self.icmp(echo, false);
        let mut packet = vec![0; self.header_octets()];
        let fields = IpFields {
            source: self.inner.ours,
            destination: self.inner.theirs,
            protocol,
            // What AH leaves out: it changes on its way.
            ttl: 63,
            traffic_class: 0xb8,
            dont_fragment: echo.sequence % 2 == 1,
            id: echo.sequence,
            payload_octets: (options.len() + icmp.len()) as u16,
        };
        ip::emit(&mut packet, &fields).unwrap();
        packet.extend(options);
        if !v6 {
            packet[0] += (options.len() / 4) as u8;
            packet[10..12].fill(0);
            let sum = checksum::of(&packet);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        packet.extend(icmp);
        packet
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let esn = if self.extended { " with ESN" } else { "" };
        let (outer, inner) = (self.outer.ours, self.inner.ours);
        write!(
            f,
            "{:?} {}{esn} in {:?} mode, from {inner} in {outer}",
            self.protocol, self.transform, self.mode
        )
    }
}

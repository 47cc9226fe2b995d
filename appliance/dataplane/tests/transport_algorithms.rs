//! Transport mode with every algorithm against ESP composed from OpenSSL's primitives: both families, with options and extension headers,
//! every padding, from nothing behind the header to the longest packet. Every flipped octet of ESP is refused.
#![allow(clippy::unwrap_used)]

mod oracle;

use oracle::Oracle;
use ravelin_dataplane::engine::Engine;
use ravelin_esp::*;
use ravelin_types::{EspTransform, IpsecMode, NodeId};
use ravelin_wire::ip;

type Op = CryptoOp<MemoryBuf>;

const SPI: u32 = 0x4001_2345;
/// Beyond 32 bits, so that the upper half of an extended number is not zero.
const LAST: u64 = 0x5_ffff_fff0;
/// What the packets carry.
const GRE: u8 = 47;

/// Lengths of the payload: every padding of every block size, and the sizes that packets have.
fn payloads() -> impl Iterator<Item = usize> {
    (0..=33).chain([64, 512, 1400, 8900, 9000, 65_000])
}

/// The ways a header can look: all of it, what stays in front of ESP, and the octet that names what follows.
struct Shape {
    header: Vec<u8>,
    front: usize,
    named_at: usize,
    next_header: u8,
}

/// IPv4 with options of `options` octets, TOS and DF set.
fn v4(options: usize) -> Shape {
    let mut header = vec![0; 20 + options];
    header[..10].copy_from_slice(&[0x45, 0xb9, 0, 0, 0x12, 0x34, 0x40, 0, 63, GRE]);
    header[0] += (options / 4) as u8;
    header[12..20].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    header[20..].fill(1);
    Shape {
        front: header.len(),
        header,
        named_at: 9,
        next_header: GRE,
    }
}

/// IPv6 with extension headers of 8 octets, the first `kept` of which stay in front.
fn v6(chain: &[u8], kept: usize) -> Shape {
    let names: Vec<u8> = chain.iter().copied().chain([GRE]).collect();
    let mut header = vec![0x6b, 0x91, 0x23, 0x45, 0, 0, names[0], 63];
    header.extend(
        "2001:db8::1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    header.extend(
        "2001:db8::2"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    for next in &names[1..] {
        // One option of padding fills the header.
        header.extend([*next, 0, 1, 4, 0, 0, 0, 0]);
    }
    Shape {
        front: 40 + 8 * kept,
        header,
        named_at: if kept == 0 { 6 } else { 40 + 8 * (kept - 1) },
        next_header: names[kept],
    }
}

fn shapes() -> Vec<Shape> {
    vec![
        v4(0),
        v4(40),
        v6(&[], 0),
        v6(&[0, 60], 1),
        v6(&[0, 60, 43, 60], 3),
    ]
}

impl Shape {
    /// A header says how long its packet is and what follows its front.
    fn title(&self, packet: &mut [u8], next_header: u8) {
        packet[self.named_at] = next_header;
        let octets = packet.len();
        if packet[0] >> 4 == 6 {
            packet[4..6].copy_from_slice(&((octets - 40) as u16).to_be_bytes());
            return;
        }
        packet[2..4].copy_from_slice(&(octets as u16).to_be_bytes());
        packet[10..12].copy_from_slice(&[0, 0]);
        let words = packet[..self.front].chunks(2);
        let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }

    fn packet(&self, octets: usize) -> Vec<u8> {
        let mut packet = self.header.clone();
        packet.extend((0..octets).map(|i| (i * 7) as u8));
        self.title(&mut packet, self.next_header);
        packet
    }
}

struct Pair {
    engine: Engine<MemoryBuf>,
    out: OutboundSa,
    inn: InboundSa,
    oracle: Oracle,
}

fn pair(transform: EspTransform, outer_v6: bool, extended: bool) -> Pair {
    let mut engine = Engine::<MemoryBuf>::new(2);
    let material: Vec<u8> = (0..transform.keymat_octets())
        .map(|at| (at as u8).wrapping_mul(31) | 1)
        .collect();
    let (keys, salt) = Keys::split(transform, &material).unwrap();
    let mut key = || {
        let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(transform, keys);
        engine.insert(key.unwrap()).ok().unwrap()
    };
    let last_sequence = if extended { LAST } else { 0 };
    let (local, remote) = if outer_v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "192.0.2.2")
    };
    let (out_key, in_key) = (key(), key());
    let out = OutboundSa::new(&OutboundParams {
        spi: SPI,
        transform,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: IpsecMode::Transport,
        salt,
        key: out_key,
        iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
        outer: OuterAddresses {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            udp: None,
        },
        df: DfPolicy::Set,
        dscp: Some(1),
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    let inn = InboundSa::new(&InboundParams {
        spi: SPI,
        transform,
        mode: IpsecMode::Transport,
        copy_dscp: false,
        salt,
        key: in_key,
        replay_window: 512,
        last_sequence,
        ceiling: u64::MAX,
        extended,
    });
    Pair {
        engine,
        out: out.unwrap(),
        inn,
        oracle: Oracle {
            transform,
            material,
            spi: SPI,
            extended,
        },
    }
}

impl Pair {
    fn run(&mut self, ops: Vec<Op>) -> Vec<Op> {
        let (mut ops, mut done) = (ops, Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        done
    }

    fn seal(&mut self, packet: &[u8]) -> Result<(Vec<u8>, u64), EspDrop> {
        let meta = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        let task = self.out.prepare_transport(&mut buf, meta, 0)?;
        let mut op = self.run(vec![CryptoOp::new(buf, task)]).pop().unwrap();
        finish(&mut op.packet, op.status)?;
        Ok((op.packet.data().to_vec(), task.sequence))
    }

    fn prepared(&self, packet: &[u8]) -> Result<Op, EspDrop> {
        let meta = ip::parse_brief(packet).unwrap();
        let mut buf = MemoryBuf::new(packet);
        buf.adj(usize::from(meta.payload_at()));
        let task = self.inn.prepare(&buf, 0)?;
        Ok(CryptoOp::new(buf, task))
    }

    fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let meta = ip::parse_brief(packet).unwrap();
        let op = self.prepared(packet)?;
        let mut op = self.run(vec![op]).pop().unwrap();
        let outcome = (op.task.sequence, op.status);
        self.inn.finish(&mut op.packet, outcome, meta)?;
        Ok(op.packet.data().to_vec())
    }

    /// The protected packet as the oracle makes it, of a text.
    fn expected(
        &self,
        shape: &Shape,
        packet: &[u8],
        text: &[u8],
        (sequence, iv): (u64, &[u8]),
    ) -> Vec<u8> {
        let mut expected = packet[..shape.front].to_vec();
        expected.extend(self.oracle.seal(sequence, iv, text));
        shape.title(&mut expected, 50);
        expected
    }
}

/// A payload, padding 1, 2, 3, and the trailer (RFC 4303 section 2.4).
fn text(payload: &[u8], padding: usize, next_header: u8) -> Vec<u8> {
    let mut text = payload.to_vec();
    text.extend(1..=padding as u8);
    text.extend([padding as u8, next_header]);
    text
}

#[test]
fn every_algorithm_agrees_with_the_oracle_at_every_length() {
    for transform in EspTransform::all() {
        for (shape, extended) in shapes().iter().zip([false, true, false, true, false]) {
            let mut pair = pair(transform, shape.named_at != 9, extended);
            for octets in payloads() {
                let packet = shape.packet(octets);
                let (sealed, sequence) = pair.seal(&packet).unwrap();
                let payload = &packet[shape.front..];
                let block = transform.block_octets();
                let padding = (block - (payload.len() + 2) % block) % block;
                let iv = &sealed[shape.front + 8..shape.front + 8 + transform.iv_octets()];
                let text = text(payload, padding, shape.next_header);
                let expected = pair.expected(shape, &packet, &text, (sequence, iv));
                assert!(sealed == expected, "{transform}: {octets}");
                assert_eq!(pair.out.transport_octets(&packet), sealed.len());
                if shape.header.len() == if packet[0] >> 4 == 6 { 40 } else { 20 } {
                    assert!(pair.out.inner_mtu(sealed.len()) >= packet.len());
                    let less = pair.out.inner_mtu(sealed.len() - 1);
                    assert!(octets == 0 || less < packet.len());
                }
                assert!(
                    pair.open(&sealed).unwrap() == packet,
                    "{transform}: {octets}"
                );
            }
        }
    }
}

/// The header's own fields belong to it; ESP covers what is behind it.
#[test]
fn every_octet_of_esp_is_protected() {
    for transform in EspTransform::all() {
        let shape = v6(&[0], 1);
        let mut pair = pair(transform, true, false);
        let packet = shape.packet(46);
        let (sealed, _) = pair.seal(&packet).unwrap();
        let mut ops = Vec::new();
        // Another SPI is another SA, another number may be a replay.
        for at in shape.front + 8..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1 << (at % 8);
            ops.push(pair.prepared(&forged).unwrap());
        }
        for done in pair.run(ops) {
            assert_eq!(done.status, OpStatus::AuthFailed, "{transform}");
        }
        assert_eq!(pair.open(&sealed).unwrap(), packet, "{transform}");
        assert_eq!(pair.open(&sealed), Err(EspDrop::ReplayDuplicate));
    }
}

/// A mark of congestion on the way is the packet's own: nothing else may change it, and the TTL counts on.
#[test]
fn what_routers_change_arrives_changed() {
    let shape = v4(4);
    let mut pair = pair(EspTransform::AES_256_GCM, false, false);
    let (mut sealed, _) = pair.seal(&shape.packet(100)).unwrap();
    sealed[1] = 0xbb;
    sealed[8] -= 3;
    shape.title(&mut sealed, 50);
    let opened = pair.open(&sealed).unwrap();
    let mut expected = shape.packet(100);
    expected[1] = 0xbb;
    expected[8] -= 3;
    shape.title(&mut expected, GRE);
    assert_eq!(opened, expected);
}

#[test]
fn fragments_are_not_protected() {
    let mut pair = pair(EspTransform::AES_256_GCM, false, false);
    let shape = v4(0);
    for field in [[0x20, 0], [0, 9]] {
        let mut packet = shape.packet(64);
        packet[6..8].copy_from_slice(&field);
        shape.title(&mut packet, GRE);
        assert_eq!(pair.seal(&packet), Err(EspDrop::Fragment));
    }
    // No number was taken.
    assert_eq!(pair.seal(&shape.packet(64)).unwrap().1, 1);
}

/// What an authentic peer must not put behind the header.
#[test]
fn odd_next_headers_are_refused() {
    for (shape, next_header, reason) in [
        (v4(0), 59, EspDrop::Dummy),
        (v6(&[], 0), 59, EspDrop::Dummy),
        (v6(&[], 0), 0, EspDrop::BadNextHeader),
        (v6(&[60], 1), 44, EspDrop::BadNextHeader),
    ] {
        let mut pair = pair(EspTransform::AES_128_GCM, shape.named_at != 9, false);
        let packet = shape.packet(22);
        let plain = text(&packet[shape.front..], 0, next_header);
        let sealed = pair.expected(&shape, &packet, &plain, (1, &[9; 8]));
        assert_eq!(pair.open(&sealed), Err(reason));
    }
}

/// A whole IP packet behind the header is a payload like any other: protocol 4 is no tunnel here.
#[test]
fn an_ip_packet_inside_stays_inside() {
    let shape = v4(0);
    let mut pair = pair(EspTransform::AES_128_GCM, false, false);
    let mut packet = shape.header.clone();
    packet.extend(shape.packet(30));
    shape.title(&mut packet, 4);
    let (sealed, _) = pair.seal(&packet).unwrap();
    assert_eq!(pair.open(&sealed).unwrap(), packet);
}

//! Packets of several segments, sent through a ring of DPDK, which hands them over as they are. The environment starts once per
//! process, so this is one test with sections.

use dpdk_rs::{Eal, MempoolConfig, Port, PortConfig};
use ravelin_dataplane::engine::Engine;
use ravelin_esp::{
    CryptoEngine, CryptoOp, DfPolicy, EspDrop, InboundParams, InboundSa, IvPrefix, Keys, OpStatus,
    OutboundParams, OutboundSa, OuterAddresses, finish, finish_ah,
};
use ravelin_types::{EspTransform, IpsecMode, IpsecProtocol, NodeId};
use ravelin_wire::ip::{self, IpFields};

use super::*;
use crate::nic::environment::{DATA_ROOM_OCTETS, JUMBO_ROOM_OCTETS};

const HEADROOM_OCTETS: u16 = 128;
const LONGEST_OCTETS: usize = (JUMBO_ROOM_OCTETS - HEADROOM_OCTETS) as usize;
const PACKETS: u32 = 1023;
/// From an empty payload to jumbo packets, on both sides of the ordinary buffer's room.
const SIZES: [usize; 9] = [0, 1, 64, 511, 1400, 2000, 2048, 4000, 8980];

struct Bench {
    pair: QueuePair,
    ordinary: Mempool,
    jumbo: Mempool,
}

#[test]
fn packets_of_several_segments_are_as_those_of_one() {
    let eal = Eal::builder()
        .file_prefix(format!("rvb{}", std::process::id()))
        .no_huge(true)
        .memory_mib(128)
        .init()
        .unwrap();
    let pool = |name: &str, room| {
        let mut config = MempoolConfig::new(name, PACKETS);
        config.data_room_octets = room;
        Mempool::create(eal, &config).unwrap()
    };
    let ordinary = pool("ordinary", DATA_ROOM_OCTETS);
    let jumbo = pool("jumbo", JUMBO_ROOM_OCTETS);
    let mut port = Port::probe(eal, "net_ring0").unwrap();
    port.configure(&PortConfig::default(), ordinary).unwrap();
    let (mut rx, mut tx) = port.start().unwrap();
    let mut bench = Bench {
        pair: QueuePair::own(rx.pop(), tx.remove(0), jumbo, Checksums::Whole),
        ordinary,
        jumbo,
    };
    every_split_is_joined(&mut bench);
    every_algorithm_opens_what_came_split(&mut bench);
    jumbo_packets_are_sealed_and_opened(&mut bench);
    what_fits_no_buffer_comes_empty(&mut bench);
    drop(bench);
    port.remove().unwrap();
    assert_eq!(ordinary.available(), PACKETS, "every buffer came back");
    assert_eq!(jumbo.available(), PACKETS, "every buffer came back");
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

impl Bench {
    /// A packet in segments that end at these places, each in an ordinary buffer if it fits.
    fn chain(&self, packet: &[u8], ends: &[usize]) -> Mbuf {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ends = ends.iter().copied().chain([packet.len()]);
        let mut segments = starts.zip(ends).map(|(start, end)| {
            let part = &packet[start..end];
            let segment = self.ordinary.packet(part);
            segment.or_else(|| self.jumbo.packet(part)).unwrap()
        });
        let mut first = segments.next().unwrap();
        for segment in segments {
            first.chain(segment).unwrap();
        }
        first
    }

    /// What the worker receives of it.
    fn cross(&mut self, packet: Mbuf) -> Frame {
        let mut burst = Burst::new();
        burst.push(packet);
        assert_eq!(self.pair.tx.send(&mut burst), 1);
        let mut out = Vec::new();
        self.pair.receive(&mut out);
        assert_eq!(out.len(), 1);
        out.pop().unwrap()
    }
}

/// Every place where two segments can meet, and longer chains.
fn splits(octets: usize) -> impl Iterator<Item = Vec<usize>> {
    let two = (1..octets).map(|at| vec![at]);
    let many = [1, 2, 3, 64, 333, 2048]
        .into_iter()
        .filter_map(move |each| {
            let ends: Vec<usize> = (1..)
                .map(|n| n * each)
                .take_while(|at| *at < octets)
                .collect();
            (ends.len() < 256).then_some(ends)
        });
    two.chain(many)
}

fn every_split_is_joined(bench: &mut Bench) {
    for size in SIZES.map(|size| size + 20) {
        let packet = octets(size);
        for ends in splits(size) {
            let mbuf = bench.chain(&packet, &ends);
            let frame = bench.cross(mbuf);
            assert!(frame.data() == packet, "{size} octets split at {ends:?}");
            assert!(frame.0.is_contiguous());
            assert_eq!(frame.0.headroom(), HEADROOM_OCTETS);
        }
    }
}

fn inner(payload: usize) -> Vec<u8> {
    let mut packet = octets(20 + payload);
    let fields = IpFields {
        source: "10.1.0.1".parse().unwrap(),
        destination: "10.2.0.1".parse().unwrap(),
        protocol: 253,
        ttl: 63,
        traffic_class: 0,
        dont_fragment: true,
        id: 1,
        payload_octets: payload as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet
}

/// ESP, and AH where it takes the algorithms, in both modes.
fn ways(transform: EspTransform) -> impl Iterator<Item = (IpsecProtocol, IpsecMode)> {
    let takes = transform.encr().is_cleartext();
    let protocols = [Some(IpsecProtocol::Esp), takes.then_some(IpsecProtocol::Ah)];
    let modes = |protocol| [IpsecMode::Tunnel, IpsecMode::Transport].map(|mode| (protocol, mode));
    protocols.into_iter().flatten().flat_map(modes)
}

/// Both ends of an SA without replay check: one packet is opened in many shapes. In tunnel mode its outer headers are IPv6 and, of ESP, UDP.
struct Sas {
    engine: Engine<Frame>,
    out: OutboundSa,
    inn: InboundSa,
    protocol: IpsecProtocol,
    udp: bool,
}

impl Sas {
    fn new(transform: EspTransform, (protocol, mode): (IpsecProtocol, IpsecMode)) -> Self {
        let mut engine = Engine::new(2);
        let material: Vec<u8> = (1..).take(transform.keymat_octets()).collect();
        let (keys, salt) = Keys::split(transform, &material).unwrap();
        let mut key = || {
            let key = <Engine<Frame> as CryptoEngine<Frame>>::expand(transform, keys).unwrap();
            engine.insert(key).ok().unwrap()
        };
        let udp = (protocol, mode) == (IpsecProtocol::Esp, IpsecMode::Tunnel);
        let (local, remote) = match mode {
            IpsecMode::Tunnel => ("2001:db8::1", "2001:db8::2"),
            IpsecMode::Transport => ("10.1.0.1", "10.2.0.1"),
        };
        let outer = OuterAddresses {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            udp: udp.then_some((4500, 4500)),
        };
        let out = OutboundSa::new(&OutboundParams {
            spi: 0x4001_2345,
            transform,
            protocol,
            mode,
            salt,
            key: key(),
            iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
            outer,
            df: DfPolicy::Copy,
            dscp: None,
            last_sequence: 0,
            ceiling: u64::MAX,
            extended: false,
        });
        let inn = InboundSa::new(&InboundParams {
            spi: 0x4001_2345,
            transform,
            mode,
            copy_dscp: false,
            salt,
            key: key(),
            replay_window: 0,
            last_sequence: 0,
            ceiling: u64::MAX,
            extended: false,
        });
        Self {
            engine,
            out: out.unwrap(),
            inn,
            protocol,
            udp,
        }
    }

    fn run(&mut self, op: CryptoOp<Frame>) -> CryptoOp<Frame> {
        let (mut ops, mut done) = (vec![op], Vec::new());
        self.engine.submit(&mut ops);
        self.engine.poll(&mut done);
        done.pop().unwrap()
    }

    fn seal(&mut self, mut frame: Frame) -> Result<Frame, EspDrop> {
        let clear = ip::parse_brief(frame.data()).unwrap();
        let ah = self.protocol == IpsecProtocol::Ah;
        let task = match self.out.mode() {
            _ if ah => self.out.prepare_ah(&mut frame, clear, 0),
            IpsecMode::Tunnel => self.out.prepare(&mut frame, clear, 0),
            IpsecMode::Transport => self.out.prepare_transport(&mut frame, clear, 0),
        }?;
        let mut op = self.run(CryptoOp::new(frame, task));
        if ah {
            finish_ah(&mut op.packet, (&op.task, op.status))?;
        } else {
            finish(&mut op.packet, op.status)?;
        }
        Ok(op.packet)
    }

    fn open(&mut self, mut frame: Frame) -> Result<Frame, EspDrop> {
        let outer = ip::parse_brief(frame.data()).unwrap();
        let ah = self.protocol == IpsecProtocol::Ah;
        let task = if ah {
            self.inn.prepare_ah(&mut frame, outer, 0)?
        } else {
            let front = usize::from(outer.payload_at()) + if self.udp { 8 } else { 0 };
            assert!(frame.adj(front));
            self.inn.prepare(&frame, 0)?
        };
        let mut op = self.run(CryptoOp::new(frame, task));
        assert_eq!(op.status, OpStatus::Done);
        if ah {
            let outcome = (&op.task, op.status);
            self.inn.finish_ah(&mut op.packet, outcome, outer)?;
        } else {
            let outcome = (op.task.sequence, op.status);
            self.inn.finish(&mut op.packet, outcome, outer)?;
        }
        Ok(op.packet)
    }
}

fn all() -> impl Iterator<Item = (EspTransform, (IpsecProtocol, IpsecMode))> {
    EspTransform::all().flat_map(|transform| ways(transform).map(move |way| (transform, way)))
}

fn every_algorithm_opens_what_came_split(bench: &mut Bench) {
    for (transform, way) in all() {
        let mut sas = Sas::new(transform, way);
        for payload in SIZES {
            let packet = inner(payload);
            let frame = Frame::copy(bench.jumbo, &packet).unwrap();
            let sealed = sas.seal(frame).unwrap().data().to_vec();
            let whole = Frame::copy(bench.jumbo, &sealed).unwrap();
            assert!(sas.open(whole).unwrap().data() == packet);
            // Inside of every header, at the ends of the text and of the ICV.
            let icv = sealed.len() - transform.icv_octets();
            let mut ends = vec![1, 20, 28, 32, 40, 44, 48, 52, 56, 57, 60, 64];
            ends.push(sealed.len() / 2);
            ends.extend([icv - 2, icv - 1, icv, icv + 1, sealed.len() - 1]);
            ends.retain(|at| *at < sealed.len());
            let two = ends.into_iter().map(|at| vec![at]);
            let mut many = vec![1, 2, 3, 50, icv - 1, icv + 1];
            many.retain(|at| *at < sealed.len());
            many.sort_unstable();
            many.dedup();
            for ends in two.chain([many]) {
                let mbuf = bench.chain(&sealed, &ends);
                let frame = bench.cross(mbuf);
                let opened = sas.open(frame).unwrap();
                assert!(
                    opened.data() == packet,
                    "{transform} {way:?}: {payload} at {ends:?}"
                );
            }
        }
    }
}

/// The longest packet that a port may carry has room for every algorithm's headers at both ends, however it came.
fn jumbo_packets_are_sealed_and_opened(bench: &mut Bench) {
    for (transform, way) in all() {
        let mut sas = Sas::new(transform, way);
        for octets in [9000, 9192] {
            let packet = inner(octets - 20);
            for ends in [vec![], vec![2048, 4096, 6144, 8192]] {
                let mbuf = bench.chain(&packet, &ends);
                let frame = bench.cross(mbuf);
                let sealed = sas.seal(frame).unwrap();
                assert!(sealed.0.headroom() >= 22, "room for two tags");
                let opened = sas.open(sealed).unwrap();
                assert!(opened.data() == packet, "{transform} {way:?}");
            }
        }
    }
}

fn what_fits_no_buffer_comes_empty(bench: &mut Bench) {
    let ends = [2000, 4000, 6000, 8000];
    let longest = bench.chain(&octets(LONGEST_OCTETS), &ends);
    assert_eq!(bench.cross(longest).octets(), LONGEST_OCTETS);
    let longer = bench.chain(&octets(LONGEST_OCTETS + 1), &ends);
    assert_eq!(bench.cross(longer).octets(), 0);
    // Nor does it when all buffers are taken.
    let chain = bench.chain(&octets(100), &[50]);
    let mut taken = Vec::new();
    while let Some(mbuf) = bench.jumbo.alloc() {
        taken.push(mbuf);
    }
    assert_eq!(bench.cross(chain).octets(), 0);
}

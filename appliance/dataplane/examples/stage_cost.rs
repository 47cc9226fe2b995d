//! What the stages cost without a cipher and without a device: `cargo run --release -p ravelin-dataplane --example stage_cost [SAS]`.
//!
//! One worker, packets of 64 octets from recycled buffers, each to or from a random SA. It prints nanoseconds per packet, the best of
//! several rounds; comparing two builds in one sitting tells which is faster, the number alone tells little.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Instant;

use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf, SaPair};
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::io::memory::cells;
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{BURST, Controller, Platform, Pool, PortIo, Shared, Worker};
use ravelin_esp::{Cipher, CryptoEngine, CryptoOp, KeyError, KeyId, OpStatus, PacketBuf};
use ravelin_types::{
    EspEncr, Generation, NodeId, PairId, Prefix, SecretBytes, Spi, Time, TrafficSelector, UnitName,
    VrfId,
};
use ravelin_wire::ethernet::{self, TYPE_IPV4, Tags};
use ravelin_wire::ip::{self, IpFields};

const BUFFER_OCTETS: usize = 2048;
const HEADROOM_OCTETS: usize = 128;
const ROUNDS: usize = 7;
const BURSTS: usize = 20_000;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to a free list, as an mbuf does.
struct Buf {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    fn new() -> Self {
        let recycled = FREE.with_borrow_mut(Vec::pop);
        Self {
            storage: recycled.unwrap_or_else(|| vec![0; BUFFER_OCTETS]),
            start: HEADROOM_OCTETS,
            end: HEADROOM_OCTETS,
        }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let storage = std::mem::take(&mut self.storage);
        FREE.with_borrow_mut(|free| free.push(storage));
    }
}

impl PacketBuf for Buf {
    fn data(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }
    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }
    fn prepend(&mut self, octets: usize) -> bool {
        let fits = octets <= self.start;
        self.start -= if fits { octets } else { 0 };
        fits
    }
    fn append(&mut self, octets: usize) -> bool {
        let fits = octets <= BUFFER_OCTETS - self.end;
        self.end += if fits { octets } else { 0 };
        fits
    }
    fn adj(&mut self, octets: usize) -> bool {
        let fits = octets <= self.end - self.start;
        self.start += if fits { octets } else { 0 };
        fits
    }
    fn trim(&mut self, octets: usize) -> bool {
        let fits = octets <= self.end - self.start;
        self.end -= if fits { octets } else { 0 };
        fits
    }
}

struct Free;

impl Pool<Buf> for Free {
    fn alloc(&mut self) -> Option<Buf> {
        Some(Buf::new())
    }
}

/// The cipher that does nothing.
#[derive(Default)]
struct Null {
    keys: u32,
    done: Vec<CryptoOp<Packet<Buf>>>,
}

impl CryptoEngine<Packet<Buf>> for Null {
    type Key = ();
    fn expand(_: Cipher, _: &[u8]) -> Result<(), KeyError> {
        Ok(())
    }
    fn insert(&mut self, (): ()) -> Result<KeyId, ()> {
        self.keys += 1;
        Ok(KeyId(self.keys))
    }
    fn remove(&mut self, _: KeyId) -> Option<()> {
        Some(())
    }
    fn submit(&mut self, ops: &mut Vec<CryptoOp<Packet<Buf>>>) {
        for op in ops.iter_mut() {
            op.status = OpStatus::Done;
        }
        std::mem::swap(&mut self.done, ops);
    }
    fn poll(&mut self, done: &mut Vec<CryptoOp<Packet<Buf>>>) {
        std::mem::swap(&mut self.done, done);
    }
}

enum Bench {}

impl Platform for Bench {
    type Buf = Buf;
    type Pool = Free;
    type Port = Source;
    type Engine = Null;
    type Cells = Box<[std::sync::atomic::AtomicU64]>;
}

/// What a port makes up.
enum Source {
    /// Nothing; takes everything.
    Sink,
    /// Clear packets to random SAs.
    Clear {
        template: Vec<u8>,
        sas: u32,
        state: u64,
    },
    /// ESP packets of random SAs, in sequence.
    Esp {
        template: Vec<u8>,
        sas: u32,
        state: u64,
        sequences: Vec<u32>,
    },
}

fn random(state: &mut u64) -> u32 {
    // Marsaglia's xorshift64.
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as u32
}

fn fill(template: &[u8]) -> Buf {
    let mut buf = Buf::new();
    buf.append(template.len());
    buf.data_mut().copy_from_slice(template);
    buf
}

impl PortIo<Buf> for Source {
    fn receive(&mut self, out: &mut Vec<Buf>) {
        match self {
            Source::Sink => {}
            Source::Clear {
                template,
                sas,
                state,
            } => {
                for _ in 0..BURST {
                    let mut buf = fill(template);
                    let host = remote(random(state) % *sas).octets();
                    let data = buf.data_mut();
                    data[30..34].copy_from_slice(&host);
                    data[24..26].copy_from_slice(&[0, 0]);
                    let sum = ravelin_wire::checksum::of(&data[14..34]);
                    data[24..26].copy_from_slice(&sum.to_be_bytes());
                    out.push(buf);
                }
            }
            Source::Esp {
                template,
                sas,
                state,
                sequences,
            } => {
                for _ in 0..BURST {
                    let mut buf = fill(template);
                    let sa = random(state) % *sas;
                    let sequence = &mut sequences[sa as usize];
                    *sequence += 1;
                    let data = buf.data_mut();
                    data[34..38].copy_from_slice(&spi(sa).0.to_be_bytes());
                    data[38..42].copy_from_slice(&sequence.to_be_bytes());
                    data[62..66].copy_from_slice(&remote(sa).octets());
                    data[60..62].copy_from_slice(&[0, 0]);
                    let sum = ravelin_wire::checksum::of(&data[50..70]);
                    data[60..62].copy_from_slice(&sum.to_be_bytes());
                    out.push(buf);
                }
            }
        }
    }

    fn transmit(&mut self, frames: &mut Vec<Buf>) {
        frames.clear();
    }
}

fn spi(sa: u32) -> Spi {
    Spi::compose(NodeId::default(), sa + 1, 1).unwrap_or(Spi(0))
}

fn remote(sa: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + sa)
}

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20];
    let fields = IpFields {
        source: source.into(),
        destination: destination.into(),
        protocol,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 0,
        payload_octets: payload.len() as u16,
    };
    let _ = ip::emit(&mut packet, &fields);
    packet.extend_from_slice(payload);
    packet
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14];
    let _ = ethernet::emit(&mut frame, MAC, [2; 6], Tags::default(), TYPE_IPV4);
    frame.extend_from_slice(packet);
    frame
}

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const CORE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);

fn pair(sa: u32) -> SaPair {
    let half = |spi| SaHalf {
        spi,
        key: SecretBytes::new(vec![0; EspEncr::Aes256Gcm.keymat_octets()]),
    };
    SaPair {
        pair: PairId(u64::from(sa) + 1),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: OURS.into(),
            remote: PEER.into(),
            udp: None,
        },
        encr: EspEncr::Aes256Gcm,
        inbound: half(spi(sa)),
        outbound: half(Spi(0x4000_0000 + sa)),
        state: Outbound::Active,
        sequence_ceiling: 0,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![TrafficSelector::any(false)],
        remote_ts: vec![TrafficSelector::from_prefix(Prefix::host(
            remote(sa).into(),
        ))],
        replay_window: 512,
        df_bit: DfBit::Clear,
        tunnel_mtu_octets: None,
    }
}

fn config() -> PlaneConfig {
    let port = |name: &str, address: [u8; 4]| PortConfig {
        name: name.into(),
        device: Device::Vdev("net_null0".into()),
        mtu_octets: 1500,
        units: vec![UnitConfig {
            name: UnitName::new(name, 0),
            vlan: None,
            vrf: VrfId::DEFAULT,
            addresses: vec![(address.into(), 24)],
        }],
    };
    PlaneConfig {
        ports: vec![
            port("ge-0/0/0", OURS.octets()),
            port("ge-0/0/1", [172, 16, 0, 1]),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: 1400,
            addresses: vec![],
            protected: vec![],
        }],
        ike_addresses: vec![],
    }
}

fn worker(sas: u32, sources: [Source; 2]) -> (Controller<Bench>, Worker<Bench>) {
    let slots = sas as usize + 2;
    let shared = Shared::<Bench>::new(1, slots, 64, cells(slots));
    let mut controller = Controller::new(shared.clone());
    let macs = HashMap::from(["ge-0/0/0", "ge-0/0/1"].map(|name| (name.to_owned(), MAC)));
    if let Ok(prepared) = controller.prepare_config(Generation(1), &config(), &macs) {
        controller.apply_config(prepared);
    }
    let mut worker = Worker::new(0, shared, Null::default(), Free);
    for ((index, source), (subnet, host)) in sources
        .into_iter()
        .enumerate()
        .zip([("192.0.2.0/24", PEER), ("172.16.0.0/24", CORE)])
    {
        controller.attach_port(0, index as u16, source);
        let Some(interface) = controller.index_of(&UnitName::new(format!("ge-0/0/{index}"), 0))
        else {
            continue;
        };
        if let Ok(prefix) = subnet.parse() {
            controller.set_route(
                VrfId::DEFAULT,
                prefix,
                Some(RouteTarget::Units(vec![(interface, None)])),
            );
        }
        controller.set_neighbour(Neighbour {
            interface,
            address: host.into(),
            mac: Some([2; 6]),
        });
    }
    let started = Instant::now();
    let pairs: Vec<SaPair> = (0..sas).map(pair).collect();
    for batch in pairs.chunks(1024) {
        let refused = controller
            .install(batch)
            .iter()
            .filter(|(_, result)| result.is_err())
            .count();
        assert_eq!(refused, 0, "installs refused");
        for _ in 0..64 {
            worker.run_once(Time(1));
            controller.poll(Time(1));
        }
    }
    println!(
        "{sas} SAs installed in {:.0} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    (controller, worker)
}

/// Time this thread has run on a CPU.
fn on_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0)
}

fn measure(name: &str, sas: u32, sources: [Source; 2]) {
    let (controller, mut worker) = worker(sas, sources);
    let mut best = f64::MAX;
    let mut now = 2;
    for _ in 0..ROUNDS {
        let started = on_cpu_ns();
        let mut packets = 0;
        for _ in 0..BURSTS {
            now += 10;
            packets += worker.run_once(Time(now));
        }
        best = best.min((on_cpu_ns() - started) as f64 / packets as f64);
    }
    println!(
        "{name}: {best:.1} ns per packet; drops {:?}",
        controller.drops()
    );
}

fn main() {
    let sas: u32 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000);
    let clear = frame(&ipv4(CORE, remote(0), 17, &[0; 26]));
    measure(
        "outbound",
        sas,
        [
            Source::Sink,
            Source::Clear {
                template: clear,
                sas,
                state: 88_172_645_463_325_252,
            },
        ],
    );
    let inner = ipv4(remote(0), CORE, 17, &[0; 26]);
    let mut esp = vec![0; 16];
    esp.extend_from_slice(&inner);
    esp.extend_from_slice(&[0, 4]);
    esp.extend_from_slice(&[0; 16]);
    let template = frame(&ipv4(PEER, OURS, 50, &esp));
    let sequences = vec![0; sas as usize];
    measure(
        "inbound",
        sas,
        [
            Source::Esp {
                template,
                sas,
                state: 88_172_645_463_325_252,
                sequences,
            },
            Source::Sink,
        ],
    );
    println!(
        "octets: IpMeta {}, Packet {}, CryptoOp {}",
        size_of::<ip::IpMeta>(),
        size_of::<Packet<Buf>>(),
        size_of::<CryptoOp<Packet<Buf>>>()
    );
}

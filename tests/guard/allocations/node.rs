//! A gateway of two workers with the product's ciphers, in memory that is recycled.

use std::collections::HashMap;

use ravelin_ctl::sa::SaPair;
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::engine::Engine;
use ravelin_dataplane::io::memory::cells;
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{BURST, Controller, Shared, Worker};
use ravelin_esp::PacketBuf;
use ravelin_types::{
    EspEncr, EspInteg, EspTransform, Generation, Prefix, SecretBytes, Time, TrafficSelector, VrfId,
};

use crate::counter;
use crate::harness::{TRUST, UNTRUST, addr, config, host, mac, outer, pair, prefix, unit};
use crate::platform::{Bench, Buf, Free, Port};

pub const SAS: u32 = 1_000;
const SLOTS: usize = SAS as usize + 2;
const WORKERS: u8 = 2;
/// What the outer link takes: the largest inner packets must be cut.
const LINK_MTU_OCTETS: u16 = 1_280;
/// Runs that move a burst through both workers and what waits between them.
const RUNS: usize = 4;
/// Pairs per message to the workers, and runs that take them in.
const BATCH: usize = 256;
const RUNS_PER_BATCH: usize = 20;
/// Frames that any queue here may hold.
const ROOM: usize = 4 * BURST;

type Product = Bench<Engine<Packet<Buf>>>;

pub struct Node {
    n: u8,
    pub controller: Controller<Product>,
    workers: Vec<Worker<Product>>,
    /// For each port, its queues of each worker.
    ports: [Vec<Port>; 2],
    now: Time,
    /// What the workers asked the allocator for since this was set to zero.
    pub requests: u64,
}

impl Node {
    pub fn new(n: u8) -> Self {
        let shared = Shared::<Product>::new(usize::from(WORKERS), SLOTS, 64, cells(SLOTS));
        let mut controller = Controller::new(shared.clone());
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(n)),
            ("ge-0/0/1".to_owned(), mac(10 + n)),
        ]);
        let mut plane = config(n);
        plane.ports[0].mtu_octets = LINK_MTU_OCTETS;
        let prepared = controller.prepare_config(Generation(1), &plane, &macs);
        controller.apply_config(prepared.unwrap());
        let worker = |id| Worker::new(id, shared.clone(), Engine::new(2 * SLOTS), Free);
        let mut node = Self {
            n,
            controller,
            workers: (0..WORKERS).map(worker).collect(),
            ports: Default::default(),
            now: Time(1_000_000),
            requests: 0,
        };
        for (index, queues) in node.ports.iter_mut().enumerate() {
            for id in 0..WORKERS {
                let port = Port::default();
                port.queues().waiting.reserve(ROOM);
                port.queues().sent.reserve(ROOM);
                node.controller.attach_port(id, index as u16, port.clone());
                queues.push(port);
            }
        }
        node.neighbourhood();
        for batch in (1..=SAS).collect::<Vec<_>>().chunks(BATCH) {
            let pairs: Vec<SaPair> = batch.iter().map(|sa| child(n, *sa)).collect();
            for (pair, result) in node.controller.install(&pairs) {
                assert_eq!(result, Ok(()), "{pair:?}");
            }
            for _ in 0..RUNS_PER_BATCH {
                node.run();
            }
        }
        node
    }

    /// Everything inside lies behind one neighbour, the outer network is attached.
    fn neighbourhood(&mut self) {
        let n = self.n;
        for v6 in [false, true] {
            let (link, inside) = match v6 {
                false => ("192.0.2.0/24".to_owned(), format!("10.{n}.0.0/16")),
                true => ("2001:db8::/64".to_owned(), format!("2001:db8:{n}::/48")),
            };
            let behind = host(n, v6);
            for (port, text, gateway, address, station) in [
                (UNTRUST, link, None, outer(3 - n, v6), mac(3 - n)),
                (TRUST, inside, Some(behind), behind, mac(20 + n)),
            ] {
                let interface = self.controller.index_of(&unit(port)).unwrap();
                let target = RouteTarget::Units(vec![(interface, gateway)]);
                self.controller
                    .set_route(VrfId::DEFAULT, prefix(&text), Some(target));
                self.controller.set_neighbour(Neighbour {
                    interface,
                    address,
                    mac: Some(station),
                });
            }
        }
    }

    /// Runs the workers until nothing moves any more, and counts what they ask the allocator for.
    fn run(&mut self) {
        for _ in 0..RUNS {
            self.now = Time(self.now.0 + 100);
            for worker in &mut self.workers {
                self.requests += counter::requests_of(|| {
                    worker.run_once(self.now);
                });
            }
        }
        self.controller.poll(self.now);
        while self.controller.shared().punt.pop().is_some() {}
    }

    /// Lets time pass, so that fragments without their rest go.
    pub fn wait_s(&mut self, seconds: u64) {
        self.now = Time(self.now.0 + seconds * 1_000_000);
        self.run();
    }

    /// Gives frames to a port's queues in turns and returns what left by the other one, and by the same.
    pub fn pass<'a>(
        &mut self,
        port: u16,
        frames: impl IntoIterator<Item = &'a [u8]>,
    ) -> [Vec<Vec<u8>>; 2] {
        for (index, frame) in frames.into_iter().enumerate() {
            let mut buf = Buf::new();
            assert!(buf.append(frame.len()));
            buf.data_mut().copy_from_slice(frame);
            let queues = &self.ports[usize::from(port)];
            queues[index % queues.len()].queues().waiting.push(buf);
        }
        self.run();
        [1 - port, port].map(|port| {
            let queues = &self.ports[usize::from(port)];
            let sent = queues.iter().flat_map(|port| {
                let mut queues = port.queues();
                let sent = queues.sent.drain(..).map(|buf| buf.data().to_vec());
                sent.collect::<Vec<_>>()
            });
            sent.collect()
        })
    }
}

/// The inner host of a child SA at gateway `n`.
pub fn inner(n: u8, sa: u32, v6: bool) -> std::net::IpAddr {
    addr(&match v6 {
        false => format!("10.{n}.{}.{}", 1 + sa / 250, 1 + sa % 250),
        true => format!("2001:db8:{n}::{sa:x}:1"),
    })
}

/// A child SA for one host at each end, its algorithm one of those that matter.
fn child(n: u8, sa: u32) -> SaPair {
    let transform = match sa % 4 {
        0 => EspTransform::AES_256_GCM,
        1 => EspTransform::AES_128_GCM,
        2 => EspTransform::new(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)).unwrap(),
        _ => EspTransform::new(EspEncr::ChaCha20Poly1305, None).unwrap(),
    };
    let mut child = pair(n, sa, false, false);
    child.transform = transform;
    for (half, owner) in [(&mut child.inbound, n), (&mut child.outbound, 3 - n)] {
        let octet = (sa as u8).wrapping_mul(2) ^ owner;
        half.key = SecretBytes::new(vec![octet; transform.keymat_octets()]);
    }
    let host = |owner: u8| {
        [false, true]
            .map(|v6| TrafficSelector::from_prefix(Prefix::host(inner(owner, sa, v6))))
            .to_vec()
    };
    (child.local_ts, child.remote_ts) = (host(n), host(3 - n));
    child
}

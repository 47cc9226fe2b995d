//! Two gateways in memory, back to back, and the packets around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::collections::HashMap;
use std::net::IpAddr;

use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf, SaPair};
use ravelin_dataplane::control::{Neighbour, Notice, RouteTarget};
use ravelin_dataplane::io::memory::{Memory, MemoryPool, MemoryPort, cells};
use ravelin_dataplane::{Controller, DropReason, Shared, Worker};
use ravelin_esp::engine::PortableEngine;
use ravelin_types::*;
use ravelin_wire::ethernet::{self, Mac, Tags};
use ravelin_wire::ip::{self, IpFields};

pub const SLOTS: usize = 64;
pub const UNTRUST: u16 = 0;
pub const TRUST: u16 = 1;

pub fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Station `n` of the test network.
pub fn mac(n: u8) -> Mac {
    [2, 0, 0, 0, 0, n]
}

/// The inner host behind gateway `n` (1 or 2), and the gateway's addresses.
pub fn host(n: u8, v6: bool) -> IpAddr {
    addr(&if v6 {
        format!("2001:db8:{n}::9")
    } else {
        format!("10.{n}.0.9")
    })
}

pub fn outer(n: u8, v6: bool) -> IpAddr {
    addr(&if v6 {
        format!("2001:db8::{n}")
    } else {
        format!("192.0.2.{n}")
    })
}

pub struct Gateway {
    pub n: u8,
    pub controller: Controller<Memory>,
    pub workers: Vec<Worker<Memory>>,
    /// For each worker, its end of each port.
    pub ports: Vec<[MemoryPort; 2]>,
    pub now: Time,
    pub notices: Vec<Notice<Memory>>,
}

pub fn config(n: u8) -> PlaneConfig {
    let peer = 3 - n;
    let unit = |port: &str, vlan, addresses: &[(IpAddr, u8)]| UnitConfig {
        name: UnitName::new(port, 0),
        vlan,
        inner_vlan: None,
        vrf: VrfId::DEFAULT,
        addresses: addresses.to_vec(),
    };
    let port = |name: &str, unit: UnitConfig| PortConfig {
        name: name.into(),
        device: Device::Vdev("net_null0".into()),
        mtu_octets: 1500,
        units: vec![unit],
    };
    PlaneConfig {
        ports: vec![
            port(
                "ge-0/0/0",
                unit(
                    "ge-0/0/0",
                    None,
                    &[(outer(n, false), 24), (outer(n, true), 64)],
                ),
            ),
            port(
                "ge-0/0/1",
                unit(
                    "ge-0/0/1",
                    Some(100),
                    &[
                        (addr(&format!("10.{n}.0.1")), 24),
                        (addr(&format!("2001:db8:{n}::1")), 64),
                    ],
                ),
            ),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: 1400,
            addresses: vec![],
            protected: vec![
                prefix(&format!("10.{peer}.0.0/16")),
                prefix(&format!("2001:db8:{peer}::/48")),
            ],
        }],
        ike_addresses: vec![
            (VrfId::DEFAULT, outer(n, false)),
            (VrfId::DEFAULT, outer(n, true)),
        ],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    }
}

pub fn unit(n: u16) -> UnitName {
    UnitName::new(format!("ge-0/0/{n}"), 0)
}

impl Gateway {
    pub fn new(n: u8) -> Self {
        Self::with(n, 1, cells(SLOTS))
    }

    pub fn with(n: u8, workers: u8, cells: Box<[std::sync::atomic::AtomicU64]>) -> Self {
        let shared = Shared::<Memory>::new(usize::from(workers), SLOTS, 64, cells);
        let mut controller = Controller::new(shared.clone());
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(n)),
            ("ge-0/0/1".to_owned(), mac(10 + n)),
        ]);
        let prepared = controller
            .prepare_config(Generation(1), &config(n), &macs)
            .unwrap();
        controller.apply_config(prepared);
        let mut gateway = Self {
            n,
            controller,
            workers: vec![],
            ports: vec![],
            now: Time(1_000_000),
            notices: vec![],
        };
        for id in 0..workers {
            gateway.workers.push(Worker::new(
                id,
                shared.clone(),
                PortableEngine::new(2 * SLOTS),
                MemoryPool,
            ));
            let ports = [MemoryPort::default(), MemoryPort::default()];
            for (index, port) in ports.iter().enumerate() {
                gateway
                    .controller
                    .attach_port(id, index as u16, port.clone());
            }
            gateway.ports.push(ports);
        }
        gateway.routes();
        gateway.run();
        gateway
    }

    /// Applies another configuration; the ports stay.
    pub fn configure(&mut self, generation: u64, config: &PlaneConfig) {
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(self.n)),
            ("ge-0/0/1".to_owned(), mac(10 + self.n)),
        ]);
        let prepared = self
            .controller
            .prepare_config(Generation(generation), config, &macs)
            .unwrap();
        self.controller.apply_config(prepared);
        self.run();
    }

    fn routes(&mut self) {
        let (untrust, trust) = (self.index(UNTRUST), self.index(TRUST));
        for (text, interface) in [
            ("192.0.2.0/24".to_owned(), untrust),
            ("2001:db8::/64".to_owned(), untrust),
            (format!("10.{}.0.0/24", self.n), trust),
            (format!("2001:db8:{}::/64", self.n), trust),
        ] {
            self.controller.set_route(
                VrfId::DEFAULT,
                prefix(&text),
                Some(RouteTarget::Units(vec![(interface, None)])),
            );
        }
        for v6 in [false, true] {
            self.neighbour(UNTRUST, outer(3 - self.n, v6), Some(mac(3 - self.n)));
            self.neighbour(TRUST, host(self.n, v6), Some(mac(20 + self.n)));
        }
    }

    pub fn index(&self, port: u16) -> ravelin_dataplane::tables::IfIndex {
        self.controller.index_of(&unit(port)).unwrap()
    }

    pub fn neighbour(&mut self, port: u16, address: IpAddr, mac: Option<Mac>) {
        let interface = self.index(port);
        self.controller.set_neighbour(Neighbour {
            interface,
            address,
            mac,
        });
    }

    /// Runs control and workers until nothing moves any more.
    pub fn run(&mut self) {
        for _ in 0..6 {
            self.now = Time(self.now.0 + 10);
            let notices = self.controller.poll(self.now);
            self.notices.extend(notices);
            for worker in &mut self.workers {
                worker.run_once(self.now);
            }
        }
    }

    pub fn advance(&mut self, seconds: u64) {
        self.now = Time(self.now.0 + seconds * 1_000_000);
        self.run();
    }

    /// Puts an IP packet on a port, as the neighbour station sends it.
    pub fn receive(&mut self, port: u16, packet: &[u8]) {
        let (to, from) = if port == UNTRUST {
            (mac(self.n), mac(3 - self.n))
        } else {
            (mac(10 + self.n), mac(20 + self.n))
        };
        let frame = frame(to, from, if port == TRUST { 100 } else { 0 }, packet);
        self.ports[0][usize::from(port)].push(&frame);
    }

    /// Takes the IP packets that left by a port and checks their Ethernet headers.
    pub fn sent(&mut self, port: u16) -> Vec<Vec<u8>> {
        self.run();
        let mut packets = Vec::new();
        for ports in &self.ports {
            while let Some(frame) = ports[usize::from(port)].pop() {
                let header = ethernet::parse(&frame).unwrap();
                assert_eq!(header.tags.outer, if port == TRUST { 100 } else { 0 });
                packets.push(frame[header.header_octets..].to_vec());
            }
        }
        packets
    }

    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        self.controller.drops()
    }

    pub fn drop_count(&self, reason: DropReason) -> u64 {
        self.drops()
            .iter()
            .find(|(r, _)| *r == reason)
            .map_or(0, |(_, n)| *n)
    }

    pub fn install(&mut self, pairs: &[SaPair]) {
        for (pair, result) in self.controller.install(pairs) {
            assert_eq!(result, Ok(()), "{pair:?}");
        }
        self.run();
    }
}

pub fn frame(to: Mac, from: Mac, vlan: u16, packet: &[u8]) -> Vec<u8> {
    let tags = Tags {
        outer: vlan,
        inner: 0,
    };
    let mut frame = vec![0; 14 + tags.octets()];
    let ethertype = if packet[0] >> 4 == 6 {
        ethernet::TYPE_IPV6
    } else {
        ethernet::TYPE_IPV4
    };
    ethernet::emit(&mut frame, to, from, tags, ethertype).unwrap();
    frame.extend_from_slice(packet);
    frame
}

/// A UDP packet.
pub fn udp(source: IpAddr, destination: IpAddr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    packet(source, destination, 64, false, ports, payload)
}

pub fn packet(
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    dont_fragment: bool,
    ports: (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let header = if source.is_ipv6() { 40 } else { 20 };
    let mut packet = vec![0; header + 8];
    let fields = IpFields {
        source,
        destination,
        protocol: 17,
        ttl,
        traffic_class: 0,
        dont_fragment,
        id: 77,
        payload_octets: (8 + payload.len()) as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet[header..header + 2].copy_from_slice(&ports.0.to_be_bytes());
    packet[header + 2..header + 4].copy_from_slice(&ports.1.to_be_bytes());
    packet[header + 4..header + 6].copy_from_slice(&((8 + payload.len()) as u16).to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// Computes the header checksum of an IPv4 packet anew.
pub fn refresh(packet: &mut [u8]) {
    packet[10..12].copy_from_slice(&[0, 0]);
    let sum = ravelin_wire::checksum::of(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// An IPv4 packet cut into fragments with payloads of `octets`.
pub fn fragments(packet: &[u8], octets: usize) -> Vec<Vec<u8>> {
    let payload = &packet[20..];
    let count = payload.len().div_ceil(octets);
    let part = |(at, chunk): (usize, &[u8])| {
        let mut part = packet[..20].to_vec();
        part.extend_from_slice(chunk);
        let total = part.len() as u16;
        part[2..4].copy_from_slice(&total.to_be_bytes());
        let field = (at * octets / 8) as u16 | if at + 1 < count { 0x2000 } else { 0 };
        part[6..8].copy_from_slice(&field.to_be_bytes());
        refresh(&mut part);
        part
    };
    payload.chunks(octets).enumerate().map(part).collect()
}

/// The pair of gateway `n`; its SPIs and keys mirror those of the other gateway with the same `slot`.
pub fn pair(n: u8, slot: u32, outer_v6: bool, nat: bool) -> SaPair {
    let spi = |owner: u8| Spi::compose(NodeId::default(), slot, 0x100 + u32::from(owner)).unwrap();
    let key = |owner: u8| {
        SecretBytes::new(vec![
            owner * 16 + slot as u8;
            EspTransform::AES_256_GCM.keymat_octets()
        ])
    };
    let selectors = |owner: u8| {
        vec![
            TrafficSelector::from_prefix(prefix(&format!("10.{owner}.0.0/16"))),
            TrafficSelector::from_prefix(prefix(&format!("2001:db8:{owner}::/48"))),
        ]
    };
    let peer = 3 - n;
    SaPair {
        pair: PairId(u64::from(slot)),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: outer(n, outer_v6),
            remote: outer(peer, outer_v6),
            udp: nat.then_some((4500, 4500)),
        },
        transform: EspTransform::AES_256_GCM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: SaHalf {
            spi: spi(n),
            key: key(n),
        },
        outbound: SaHalf {
            spi: spi(peer),
            key: key(peer),
        },
        state: Outbound::Active,
        life: ravelin_types::VolumeLife::default(),
        ceilings: Numbers::FIRST,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: selectors(n),
        remote_ts: selectors(peer),
        replay_window: 512,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

pub struct Net {
    pub a: Gateway,
    pub b: Gateway,
}

impl Net {
    pub fn new(outer_v6: bool, nat: bool) -> Self {
        let mut net = Self {
            a: Gateway::new(1),
            b: Gateway::new(2),
        };
        net.a.install(&[pair(1, 1, outer_v6, nat)]);
        net.b.install(&[pair(2, 1, outer_v6, nat)]);
        net
    }

    /// Moves what lies between the gateways in both directions and returns it.
    pub fn cable(&mut self) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        for _ in 0..3 {
            for packet in self.a.sent(UNTRUST) {
                self.b.receive(UNTRUST, &packet);
                seen.push(packet);
            }
            for packet in self.b.sent(UNTRUST) {
                self.a.receive(UNTRUST, &packet);
                seen.push(packet);
            }
        }
        seen
    }
}

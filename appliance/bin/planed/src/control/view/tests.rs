use super::*;
use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_dataplane::Shared;
use ravelin_dataplane::io::memory::{Memory, cells};
use ravelin_dataplane::tables::NextHop;
use ravelin_routing::mirror::Neighbour as KernelNeighbour;
use ravelin_routing::{NextHop as KernelHop, TABLE_MAIN};
use ravelin_types::Generation;

const UNTRUST: u32 = 11;
const TRUST: u32 = 12;
const TUN: u32 = 13;
const FOREIGN: u32 = 2;
const CORE: u32 = 14;
const CORE_DEVICE: u32 = 15;
/// An instance with a unit of its own.
const INSTANCE: VrfId = VrfId(3);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn controller() -> Controller<Memory> {
    let unit = |name: &str, vrf| UnitConfig {
        name: UnitName::new(name, 0),
        vlan: None,
        inner_vlan: None,
        vrf,
        addresses: vec![],
    };
    let port = |name: &str, vrf| PortConfig {
        name: name.to_owned(),
        device: Device::Vdev("net_null0".to_owned()),
        mtu_octets: 1500,
        units: vec![unit(name, vrf)],
    };
    let config = PlaneConfig {
        ports: vec![
            port("ge-0/0/0", VrfId::DEFAULT),
            port("ge-0/0/1", VrfId::DEFAULT),
            port("ge-0/0/2", INSTANCE),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: 1400,
            addresses: vec![],
            protected: vec![prefix("10.45.0.0/16")],
        }],
        ike_addresses: vec![],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    };
    let mut controller = Controller::new(Shared::<Memory>::new(1, 16, 64, cells(16)));
    let macs = [
        ("ge-0/0/0", [2; 6]),
        ("ge-0/0/1", [4; 6]),
        ("ge-0/0/2", [6; 6]),
    ];
    let macs = macs.map(|(name, mac)| (name.to_owned(), mac)).into();
    let prepared = controller
        .prepare_config(Generation(1), &config, &macs)
        .unwrap();
    controller.apply_config(prepared);
    controller
}

fn view(controller: &Controller<Memory>) -> View {
    let mut view = View::default();
    let unit = |name: &str, vrf, tunnel| {
        let name: UnitName = name.parse().unwrap();
        let index = controller.index_of(&name).unwrap();
        let unit = Unit {
            name: name.clone(),
            index,
            vrf,
            tunnel,
        };
        (name.kernel(), unit)
    };
    view.set_units(
        [
            unit("ge-0/0/0.0", VrfId::DEFAULT, false),
            unit("ge-0/0/1.0", VrfId::DEFAULT, false),
            unit("ge-0/0/2.0", INSTANCE, false),
            unit("st0.0", VrfId::DEFAULT, true),
        ]
        .into(),
    );
    view
}

fn link(ifindex: u32, name: &str) -> MirrorEvent {
    MirrorEvent::Link(plain_link(ifindex, name))
}

fn plain_link(ifindex: u32, name: &str) -> Link {
    Link {
        ifindex,
        name: name.to_owned(),
        up: true,
        admin_up: true,
        mac: None,
        mtu_octets: 1500,
        table: TABLE_MAIN,
        vrf_table: None,
    }
}

fn route(to: &str, target: KernelTarget) -> MirrorEvent {
    route_of(VrfId::DEFAULT, to, target)
}

fn route_of(vrf: VrfId, to: &str, target: KernelTarget) -> MirrorEvent {
    MirrorEvent::Route(Route {
        table: table_of(vrf),
        prefix: prefix(to),
        target,
        protocol: 4,
        metric: 0,
    })
}

fn forward(hops: &[(u32, Option<&str>)]) -> KernelTarget {
    let hop = |(ifindex, gateway): &(u32, Option<&str>)| KernelHop {
        gateway: gateway.map(address),
        ifindex: *ifindex,
        weight: 1,
    };
    KernelTarget::Forward(hops.iter().map(hop).collect())
}

struct Bench {
    controller: Controller<Memory>,
    view: View,
}

impl Bench {
    /// Links known, as after the first dump.
    fn new() -> Self {
        let controller = controller();
        let view = view(&controller);
        let mut bench = Self { controller, view };
        for (ifindex, name, ours) in [
            (LOOPBACK, "lo", true),
            (UNTRUST, "ge-0-0-0", true),
            (TRUST, "ge-0-0-1", true),
            (TUN, "st0-0", true),
            (FOREIGN, "eth0", false),
        ] {
            assert_eq!(bench.take(&link(ifindex, name)), ours);
            assert!(!bench.take(&link(ifindex, name)), "nothing new");
        }
        bench
    }

    fn take(&mut self, event: &MirrorEvent) -> bool {
        self.view.take(event, &mut self.controller, Time(1))
    }

    fn next_hop(&self, to: &str) -> NextHop {
        self.next_hop_of(VrfId::DEFAULT, to)
    }

    fn next_hop_of(&self, vrf: VrfId, to: &str) -> NextHop {
        self.controller.tables().next_hop(vrf, address(to))
    }

    fn index(&self, name: &str) -> IfIndex {
        self.controller.index_of(&name.parse().unwrap()).unwrap()
    }
}

#[test]
fn routes_lead_where_the_kernel_says() {
    let mut bench = Bench::new();
    let (untrust, trust) = (bench.index("ge-0/0/0.0"), bench.index("ge-0/0/1.0"));
    bench.take(&route("192.0.2.0/24", forward(&[(UNTRUST, None)])));
    bench.take(&route(
        "192.0.2.1/32",
        KernelTarget::Local { ifindex: UNTRUST },
    ));
    bench.take(&route(
        "0.0.0.0/0",
        forward(&[(UNTRUST, Some("192.0.2.9"))]),
    ));
    bench.take(&route("198.51.100.0/24", forward(&[(TRUST, None)])));
    bench.take(&route("203.0.113.0/24", KernelTarget::Blackhole));
    assert_eq!(bench.next_hop("192.0.2.7"), NextHop::Glean(untrust));
    assert_eq!(bench.next_hop("192.0.2.1"), NextHop::Local);
    assert_eq!(bench.next_hop("198.51.100.1"), NextHop::Glean(trust));
    assert_eq!(bench.next_hop("203.0.113.1"), NextHop::Blackhole);
    assert!(matches!(bench.next_hop("8.8.8.8"), NextHop::Adjacency(_)));
    bench.take(&MirrorEvent::RouteGone {
        table: TABLE_MAIN,
        prefix: prefix("0.0.0.0/0"),
    });
    assert_eq!(bench.next_hop("8.8.8.8"), NextHop::None);
}

#[test]
fn protected_prefixes_never_follow_the_kernel() {
    let mut bench = Bench::new();
    let tunnel = bench.index("st0.0");
    bench.take(&route(
        "0.0.0.0/0",
        forward(&[(UNTRUST, Some("192.0.2.9"))]),
    ));
    bench.take(&route("10.45.1.0/24", forward(&[(TRUST, None)])));
    assert_eq!(bench.next_hop("10.45.1.1"), NextHop::Tunnel(tunnel));
    assert_eq!(bench.next_hop("10.45.9.9"), NextHop::Tunnel(tunnel));
}

#[test]
fn routes_by_tunnels_and_by_devices_of_others() {
    let mut bench = Bench::new();
    let tunnel = bench.index("st0.0");
    bench.take(&route(
        "0.0.0.0/0",
        forward(&[(UNTRUST, Some("192.0.2.9"))]),
    ));
    bench.take(&route("172.16.0.0/16", forward(&[(TUN, None)])));
    bench.take(&route("10.0.0.0/24", forward(&[(FOREIGN, None)])));
    bench.take(&route(
        "10.0.0.9/32",
        KernelTarget::Local { ifindex: FOREIGN },
    ));
    bench.take(&route(
        "203.0.113.5/32",
        KernelTarget::Local { ifindex: LOOPBACK },
    ));
    assert_eq!(bench.next_hop("172.16.0.1"), NextHop::Tunnel(tunnel));
    assert_eq!(bench.next_hop("10.0.0.1"), NextHop::Reject);
    assert_eq!(bench.next_hop("10.0.0.9"), NextHop::Reject, "management");
    assert_eq!(bench.next_hop("203.0.113.5"), NextHop::Local, "lo0");
}

#[test]
fn neighbours_of_units_only() {
    let mut bench = Bench::new();
    let neighbour = |ifindex, usable| {
        MirrorEvent::Neighbour(KernelNeighbour {
            ifindex,
            address: address("192.0.2.10"),
            mac: Some([6; 6]),
            usable,
        })
    };
    bench.take(&route("192.0.2.0/24", forward(&[(UNTRUST, None)])));
    bench.take(&neighbour(FOREIGN, true));
    assert!(matches!(bench.next_hop("192.0.2.10"), NextHop::Glean(_)));
    bench.take(&neighbour(UNTRUST, true));
    assert!(matches!(
        bench.next_hop("192.0.2.10"),
        NextHop::Adjacency(_)
    ));
    bench.take(&neighbour(UNTRUST, false));
    assert!(matches!(bench.next_hop("192.0.2.10"), NextHop::Glean(_)));
}

#[test]
fn tables_of_no_instance_are_ignored() {
    let mut bench = Bench::new();
    let mut event = route("8.0.0.0/8", forward(&[(UNTRUST, None)]));
    if let MirrorEvent::Route(route) = &mut event {
        route.table = 220;
    }
    bench.take(&event);
    assert_eq!(bench.next_hop("8.8.8.8"), NextHop::None);
}

#[test]
fn routes_of_an_instance_are_in_its_table_alone() {
    let mut bench = Bench::new();
    let device = Link {
        vrf_table: Some(table_of(INSTANCE)),
        ..plain_link(CORE_DEVICE, "core")
    };
    assert!(bench.take(&MirrorEvent::Link(device)));
    let twin = Link {
        table: table_of(INSTANCE),
        ..plain_link(CORE, "ge-0-0-2")
    };
    assert!(bench.take(&MirrorEvent::Link(twin)));
    let core = bench.index("ge-0/0/2.0");
    bench.take(&route_of(
        INSTANCE,
        "192.0.2.0/24",
        forward(&[(CORE, None)]),
    ));
    let own = KernelTarget::Local {
        ifindex: CORE_DEVICE,
    };
    bench.take(&route_of(INSTANCE, "10.0.0.1/32", own));
    bench.take(&route("192.0.2.0/24", forward(&[(UNTRUST, None)])));
    let glean = |name: &str| NextHop::Glean(bench.index(name));
    assert_eq!(
        bench.next_hop_of(INSTANCE, "192.0.2.7"),
        NextHop::Glean(core)
    );
    assert_eq!(bench.next_hop("192.0.2.7"), glean("ge-0/0/0.0"));
    assert_eq!(bench.next_hop_of(INSTANCE, "10.0.0.1"), NextHop::Local);
    assert_eq!(bench.next_hop("10.0.0.1"), NextHop::None);
    // What the kernel takes away after the instance has left the configuration is taken away here.
    bench.view.set_units(HashMap::new());
    bench.take(&MirrorEvent::RouteGone {
        table: table_of(INSTANCE),
        prefix: prefix("192.0.2.0/24"),
    });
    assert_eq!(bench.next_hop_of(INSTANCE, "192.0.2.7"), NextHop::None);
}

#[test]
fn a_twin_that_is_not_in_its_instance_is_no_unit() {
    let mut bench = Bench::new();
    assert!(!bench.take(&link(CORE, "ge-0-0-2")), "not enslaved yet");
    bench.take(&route("198.51.100.0/24", forward(&[(CORE, None)])));
    let own = KernelTarget::Local { ifindex: CORE };
    bench.take(&route("198.51.100.1/32", own));
    assert_eq!(bench.next_hop("198.51.100.7"), NextHop::Reject);
    assert_eq!(bench.next_hop("198.51.100.1"), NextHop::Reject);
}

use super::*;
use crate::io::memory::{Memory, cells};
use crate::selector::Child;
use crate::tables::NextHop;
use ravelin_ctl::plane::{PlaneConfig, TunnelConfig};
use ravelin_types::{Generation, Prefix, TrafficSelector};
use std::net::IpAddr;

const VRF: VrfId = VrfId(3);
const CLEAR: IfIndex = IfIndex(77);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn controller(protected: &[&str]) -> Controller<Memory> {
    let mut controller = Controller::new(Shared::new(1, 16, 16, cells(16)));
    let config = PlaneConfig {
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VRF,
            mtu_octets: 1400,
            addresses: vec![],
            protected: protected.iter().map(|text| prefix(text)).collect(),
        }],
        ..PlaneConfig::default()
    };
    let prepared = controller
        .prepare_config(Generation(1), &config, &HashMap::new())
        .unwrap();
    controller.apply_config(prepared);
    controller
}

fn clear() -> Option<RouteTarget> {
    Some(RouteTarget::Units(vec![(CLEAR, None)]))
}

fn next_hop(controller: &Controller<Memory>, address: &str) -> NextHop {
    controller
        .tables()
        .next_hop(VRF, address.parse::<IpAddr>().unwrap())
}

#[test]
fn nothing_clear_is_installed_within_a_protected_prefix() {
    let mut controller = controller(&["10.0.0.0/8"]);
    let tunnel = controller.index_of(&UnitName::new("st0", 0)).unwrap();
    for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32"] {
        controller.set_route(VRF, prefix(text), clear());
    }
    assert_eq!(next_hop(&controller, "10.1.1.1"), NextHop::Tunnel(tunnel));
    assert_eq!(next_hop(&controller, "10.200.0.1"), NextHop::Tunnel(tunnel));
    assert_eq!(next_hop(&controller, "11.0.0.1"), NextHop::Glean(CLEAR));
    controller.local_address(VRF, "10.1.1.1".parse().unwrap(), true);
    assert_eq!(next_hop(&controller, "10.1.1.1"), NextHop::Local);
    // Another instance is not concerned.
    controller.set_route(VrfId(4), prefix("10.1.0.0/16"), clear());
    assert_eq!(
        controller
            .tables()
            .next_hop(VrfId(4), "10.1.0.1".parse().unwrap()),
        NextHop::Glean(CLEAR)
    );
    // Without the protected set the routes are there at once.
    let empty = controller
        .prepare_config(Generation(2), &PlaneConfig::default(), &HashMap::new())
        .unwrap();
    controller.apply_config(empty);
    assert_eq!(next_hop(&controller, "10.1.0.1"), NextHop::Glean(CLEAR));
}

#[test]
fn a_protected_default_takes_what_is_left() {
    let mut controller = controller(&["0.0.0.0/0"]);
    let tunnel = controller.index_of(&UnitName::new("st0", 0)).unwrap();
    controller.set_route(VRF, prefix("0.0.0.0/0"), clear());
    controller.set_route(VRF, prefix("192.0.2.0/24"), clear());
    assert_eq!(next_hop(&controller, "192.0.2.9"), NextHop::Glean(CLEAR));
    assert_eq!(
        next_hop(&controller, "198.51.100.1"),
        NextHop::Tunnel(tunnel)
    );
}

#[test]
fn sources_of_one_prefix_come_and_go() {
    let mut controller = controller(&[]);
    let host = prefix("192.0.2.9/32");
    let address = host.addr();
    controller.set_route(VRF, prefix("192.0.2.0/24"), clear());
    controller.local_address(VRF, address, true);
    controller.local_address(VRF, address, true);
    controller.set_route(VRF, host, Some(RouteTarget::Blackhole));
    assert_eq!(next_hop(&controller, "192.0.2.9"), NextHop::Local);
    controller.local_address(VRF, address, false);
    assert_eq!(
        next_hop(&controller, "192.0.2.9"),
        NextHop::Local,
        "named twice"
    );
    controller.local_address(VRF, address, false);
    assert_eq!(next_hop(&controller, "192.0.2.9"), NextHop::Blackhole);
    controller.set_route(VRF, host, None);
    assert_eq!(next_hop(&controller, "192.0.2.9"), NextHop::Glean(CLEAR));
    controller.set_route(VRF, prefix("192.0.2.0/24"), None);
    assert_eq!(next_hop(&controller, "192.0.2.9"), NextHop::None);
}

#[test]
fn multipath_groups_are_shared() {
    let mut controller = controller(&[]);
    let hops = |last: [u8; 2]| {
        let hop = |n: u8| (CLEAR, Some(IpAddr::from([192, 0, 2, n])));
        Some(RouteTarget::Units(last.map(hop).to_vec()))
    };
    controller.set_route(VRF, prefix("10.0.0.0/8"), hops([1, 2]));
    controller.set_route(VRF, prefix("11.0.0.0/8"), hops([1, 2]));
    let first = next_hop(&controller, "10.0.0.1");
    assert_eq!(first, NextHop::Group { first: 0, count: 2 });
    assert_eq!(next_hop(&controller, "11.0.0.1"), first);
    let vrf = controller.tables().vrf(VRF).unwrap();
    assert_ne!(vrf.group_member(0, 2, 6), vrf.group_member(0, 2, 7));
}

#[test]
fn what_was_replaced_waits_for_its_last_reader() {
    let mut controller = controller(&[]);
    controller.publish();
    let reader = controller.shared().tables.load_full();
    controller.set_route(VRF, prefix("10.0.0.0/8"), clear());
    controller.publish();
    assert_eq!(controller.replaced.len(), 1);
    assert_ne!(reader.version, controller.shared().tables.load().version);
    drop(reader);
    controller.publish();
    assert!(controller.replaced.is_empty());
}

#[test]
fn configurations_that_cannot_run_are_named() {
    let controller = controller(&[]);
    let tunnel = |unit: u32, vrf: u16| TunnelConfig {
        unit,
        vrf: VrfId(vrf),
        mtu_octets: 1400,
        addresses: vec![],
        protected: vec![],
    };
    let prepare = |tunnels: Vec<TunnelConfig>| {
        let config = PlaneConfig {
            tunnels,
            ..PlaneConfig::default()
        };
        controller
            .prepare_config(Generation(2), &config, &HashMap::new())
            .unwrap_err()
    };
    assert_eq!(
        prepare(vec![tunnel(1, 64)]).to_string(),
        "routing instance 64 of st0.1 is beyond 64"
    );
    assert_eq!(
        prepare(vec![tunnel(1, 0), tunnel(1, 0)]).to_string(),
        "interface st0.1 appears twice"
    );
    let many = (0..1100).map(|unit| tunnel(unit, 0)).collect();
    assert_eq!(prepare(many), ConfigError::TooManyInterfaces);
}

#[test]
fn esp_itself_takes_the_hidden_route() {
    let mut controller = controller(&["10.0.0.0/8"]);
    let outer = |controller: &Controller<Memory>, address: &str| {
        controller
            .tables()
            .vrf(VRF)
            .unwrap()
            .outer_next_hop(address.parse().unwrap())
    };
    controller.set_route(VRF, prefix("0.0.0.0/0"), clear());
    assert_eq!(outer(&controller, "10.1.1.1"), NextHop::Glean(CLEAR));
    controller.set_route(VRF, prefix("10.1.0.0/16"), Some(RouteTarget::Blackhole));
    assert_eq!(
        outer(&controller, "10.1.1.1"),
        NextHop::Blackhole,
        "longest, though hidden"
    );
    controller.set_route(VRF, prefix("10.0.0.0/8"), clear());
    assert_eq!(outer(&controller, "10.2.0.1"), NextHop::Glean(CLEAR));
    let tunnel = controller.index_of(&UnitName::new("st0", 0)).unwrap();
    let all = TrafficSelector::any(false);
    let child = Child::new(PairId(1), (1, 0), tunnel, &[all], &[all]);
    controller.selector_routes(VRF, &child, true);
    assert_eq!(
        next_hop(&controller, "198.51.100.1"),
        NextHop::Tunnel(tunnel)
    );
    assert_eq!(outer(&controller, "198.51.100.1"), NextHop::Glean(CLEAR));
    controller.set_route(VRF, prefix("0.0.0.0/0"), None);
    assert_eq!(
        outer(&controller, "198.51.100.1"),
        NextHop::Tunnel(tunnel),
        "nowhere else to go"
    );
    controller.selector_routes(VRF, &child, false);
    assert_eq!(outer(&controller, "198.51.100.1"), NextHop::None);
}

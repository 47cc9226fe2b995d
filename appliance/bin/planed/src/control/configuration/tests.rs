use super::*;
use ravelin_ctl::plane::{Device, PortConfig, TunnelConfig, UnitConfig};
use ravelin_dataplane::tables::IfIndex;
use ravelin_types::VrfId;

fn port(name: &str, vlans: &[Option<u16>]) -> PortConfig {
    let unit = |(number, vlan): (u32, &Option<u16>)| UnitConfig {
        name: UnitName::new(name, number),
        vlan: *vlan,
        inner_vlan: None,
        vrf: VrfId(3),
        addresses: vec![],
    };
    PortConfig {
        name: name.to_owned(),
        device: Device::Vdev(format!("net_null_{name}")),
        mtu_octets: 1500,
        units: (0..).zip(vlans).map(unit).collect(),
    }
}

#[test]
fn ports_left_out_are_found() {
    let config = |names: &[&str]| PlaneConfig {
        ports: names.iter().map(|name| port(name, &[None])).collect(),
        ..PlaneConfig::default()
    };
    let (a, b) = (config(&["ge-0/0/0", "ge-0/0/1"]), config(&["ge-0/0/1"]));
    assert_eq!(missing_ports(&a, &b), ["ge-0/0/0"]);
    assert!(missing_ports(&b, &a).is_empty());
}

#[test]
fn units_are_known_by_their_kernel_name() {
    let config = PlaneConfig {
        ports: vec![port("ge-0/0/0", &[None, Some(7)])],
        tunnels: vec![TunnelConfig {
            unit: 2,
            vrf: VrfId::DEFAULT,
            mtu_octets: 1400,
            addresses: vec![],
            protected: vec![],
        }],
        ike_addresses: vec![],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    };
    let units = units(&config, |name| Some(IfIndex(name.unit as u16 + 10)));
    let facts = |kernel: &str| {
        let unit = &units[kernel];
        (unit.index.0, unit.vrf.0, unit.tunnel)
    };
    assert_eq!(facts("ge-0-0-0"), (10, 3, false));
    assert_eq!(facts("ge-0-0-0.1"), (11, 3, false));
    assert_eq!(facts("st0-2"), (12, 0, true));
}

//! Messages about VRF devices; the kernel's answers are in `tests/kernel.rs`.

use super::*;
use crate::kernel::decode_link;
use crate::{TABLE_MAIN, table_of};
use ravelin_types::VrfId;

fn vrf(name: &str, number: u16) -> VrfDevice {
    VrfDevice {
        name: name.to_owned(),
        table: table_of(VrfId(number)),
    }
}

#[test]
fn a_vrf_device_reads_as_it_was_written() {
    let blue = vrf("blue", 7);
    let link = decode_link(&encode(&blue)).unwrap();
    assert!(link.admin_up);
    assert_eq!(of_instance(&link), Some(blue));
}

#[test]
fn devices_of_others_are_not_ours() {
    // fxp0's, by systemd-networkd.
    let management = decode_link(&encode(&VrfDevice {
        name: "mgmt".to_owned(),
        table: 6010,
    }));
    assert_eq!(of_instance(&management.unwrap()), None);
    let plain = LinkInfo {
        vrf_table: None,
        ..decode_link(&encode(&vrf("blue", 1))).unwrap()
    };
    assert_eq!(of_instance(&plain), None);
}

#[test]
fn tables_and_instances_stand_for_each_other() {
    assert_eq!(table_of(VrfId::DEFAULT), TABLE_MAIN);
    for number in 0..64 {
        assert_eq!(vrf_of_table(table_of(VrfId(number))), Some(VrfId(number)));
    }
    for foreign in [0, 6010, table_of(VrfId(1)) - 1, table_of(VrfId(63)) + 1] {
        assert_eq!(vrf_of_table(foreign), None);
    }
}

#[test]
fn an_instance_ends_in_both_families() {
    let ends: Vec<String> = StaticRoute::end_of(6101)
        .map(|route| route.prefix.to_string())
        .collect();
    assert_eq!(ends, ["0.0.0.0/0", "::/0"]);
}

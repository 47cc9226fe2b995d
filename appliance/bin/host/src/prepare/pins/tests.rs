#![allow(clippy::unwrap_used)]

use super::*;

/// A NIC at slot `slot` with a MAC that ends in `mac`, or none.
fn nic(slot: u8, mac: Option<u8>) -> Found {
    Found {
        pci: format!("0000:00:{slot:02x}.0").parse().unwrap(),
        vendor: 0x1af4,
        device: 0x1041,
        mac: mac.map(|last| Mac([0x52, 0x54, 0, 0, 0, last])),
        kernel_device: mac.map(|last| format!("eth{last}")),
        driver: Some(
            if mac.is_some() {
                "virtio-pci"
            } else {
                "vfio-pci"
            }
            .to_owned(),
        ),
        iommu_group: None,
        group_users: Vec::new(),
        bypasses_iommu: false,
        numa_node: None,
        has_line_interrupt: true,
        is_virtual_function: false,
    }
}

/// Names in the order of the bus, then the subjects of the alarms.
fn names(named: &Named) -> (Vec<&str>, Vec<&str>) {
    (
        named.names.values().map(String::as_str).collect(),
        named
            .alarms
            .iter()
            .map(|alarm| alarm.subject.as_str())
            .collect(),
    )
}

fn first_boot() -> Pins {
    name(
        &Pins::default(),
        &[nic(3, Some(1)), nic(4, Some(2)), nic(5, Some(3))],
    )
    .pins
}

#[test]
fn the_first_boot_names_by_place() {
    let named = name(
        &Pins::default(),
        &[nic(3, Some(9)), nic(4, Some(2)), nic(5, Some(3))],
    );
    assert_eq!(
        names(&named),
        (vec!["fxp0", "ge-0/0/0", "ge-0/0/1"], vec![])
    );
    let again = name(
        &named.pins,
        &[nic(3, Some(9)), nic(4, Some(2)), nic(5, Some(3))],
    );
    assert_eq!((again.pins == named.pins, again.alarms), (true, vec![]));
}

#[test]
fn names_follow_the_address_wherever_the_nic_goes() {
    let named = name(
        &first_boot(),
        &[nic(3, Some(3)), nic(7, Some(1)), nic(8, Some(2))],
    );
    assert_eq!(
        names(&named),
        (vec!["ge-0/0/1", "fxp0", "ge-0/0/0"], vec![])
    );
    assert_eq!(
        named.pins.nics[0].pci,
        nic(7, None).pci,
        "the new place is kept"
    );
}

#[test]
fn an_added_nic_takes_the_next_number_even_before_the_others() {
    let all = [
        nic(2, Some(7)),
        nic(3, Some(1)),
        nic(4, Some(2)),
        nic(5, Some(3)),
    ];
    let named = name(&first_boot(), &all);
    let expected = vec!["ge-0/0/2", "fxp0", "ge-0/0/0", "ge-0/0/1"];
    assert_eq!(names(&named), (expected, vec!["ge-0/0/2"]));
    assert_eq!(named.alarms[0].severity, Severity::Minor);
}

#[test]
fn a_removed_nic_leaves_its_name_reserved() {
    let without = name(&first_boot(), &[nic(3, Some(1)), nic(5, Some(3))]);
    assert_eq!(
        names(&without),
        (vec!["fxp0", "ge-0/0/1"], vec!["ge-0/0/0"])
    );
    assert_eq!(without.alarms[0].severity, Severity::Major);
    // Another one in its place is another one.
    let other = name(
        &without.pins,
        &[nic(3, Some(1)), nic(4, Some(8)), nic(5, Some(3))],
    );
    assert_eq!(names(&other).0, ["fxp0", "ge-0/0/2", "ge-0/0/1"]);
    // And when it returns it is itself.
    let back = name(
        &other.pins,
        &[nic(3, Some(1)), nic(9, Some(2)), nic(5, Some(3))],
    );
    assert_eq!(back.names[&nic(9, None).pci], "ge-0/0/0");
}

#[test]
fn a_missing_management_nic_is_not_replaced_by_a_port() {
    let named = name(&first_boot(), &[nic(4, Some(2)), nic(5, Some(3))]);
    assert_eq!(names(&named), (vec!["ge-0/0/0", "ge-0/0/1"], vec!["fxp0"]));
}

#[test]
fn a_nic_whose_address_is_not_known_is_known_by_its_place() {
    let named = name(
        &first_boot(),
        &[nic(3, Some(1)), nic(4, None), nic(5, None)],
    );
    assert_eq!(
        names(&named),
        (vec!["fxp0", "ge-0/0/0", "ge-0/0/1"], vec![])
    );
    assert_eq!(named.pins, first_boot(), "the pinned address stays");
    let mut other = nic(4, None);
    other.device = 0x1000;
    let named = name(&first_boot(), &[nic(3, Some(1)), other, nic(5, None)]);
    assert_eq!(
        names(&named).0,
        ["fxp0", "ge-0/0/2", "ge-0/0/1"],
        "of another kind"
    );
}

#[test]
fn one_address_of_two_nics_is_told_and_place_decides() {
    let twins = [nic(3, Some(1)), nic(4, Some(2)), nic(5, Some(2))];
    let first = name(&Pins::default(), &twins);
    assert_eq!(
        names(&first),
        (vec!["fxp0", "ge-0/0/0", "ge-0/0/1"], vec!["interfaces"])
    );
    let again = name(&first.pins, &twins);
    assert_eq!(again.names, first.names);
    assert_eq!(again.pins, first.pins);
}

#[test]
fn the_disk_of_another_machine_begins_anew() {
    let named = name(&first_boot(), &[nic(6, Some(11)), nic(7, Some(12))]);
    assert_eq!(
        names(&named),
        (vec!["fxp0", "ge-0/0/0"], vec!["interfaces"])
    );
    assert_eq!(named.pins.nics.len(), 2, "nothing stays reserved");
    // The same places with other addresses are another machine too.
    let copy = name(
        &first_boot(),
        &[nic(3, Some(11)), nic(4, Some(12)), nic(5, Some(13))],
    );
    assert_eq!(
        names(&copy),
        (vec!["fxp0", "ge-0/0/0", "ge-0/0/1"], vec!["interfaces"])
    );
}

#[test]
fn no_nics_at_all_keep_the_pins() {
    let named = name(&first_boot(), &[]);
    assert_eq!(named.pins, first_boot());
    assert_eq!(named.alarms.len(), 3);
}

#[test]
fn there_are_so_many_names() {
    let many: Vec<Found> = (0..=66)
        .map(|n| {
            let mut nic = nic(n % 32, Some(n));
            nic.pci.bus = n / 32;
            nic
        })
        .collect();
    let named = name(&Pins::default(), &many);
    assert_eq!(named.names.len(), 65);
    assert_eq!(named.alarms.len(), 2);
}

#![allow(clippy::unwrap_used)]

use super::*;

const FAMILY: Family = Family {
    name: "virtio",
    way: Way::Alone,
};

fn nic() -> Found {
    Found {
        pci: "0000:00:04.0".parse().unwrap(),
        vendor: 0x1af4,
        device: 0x1041,
        mac: None,
        kernel_device: Some("eth1".to_owned()),
        driver: Some("virtio-pci".to_owned()),
        iommu_group: None,
        group_users: Vec::new(),
        bypasses_iommu: false,
        numa_node: None,
        has_line_interrupt: true,
        is_virtual_function: false,
    }
}

const ALL: Offers = Offers {
    vfio_pci: true,
    no_iommu: true,
    igb_uio: true,
    uio_pci_generic: true,
    locked_down: false,
    hugepages: true,
    iommu: false,
};

const GUARDED: Offers = Offers { iommu: true, ..ALL };

fn binding(nic: &Found, offers: Offers) -> Binding {
    let decision = decide("ge-0/0/0", nic, FAMILY, offers, None);
    assert!(!decision.reason.is_empty());
    let grave = matches!(decision.binding, Binding::AfPacket | Binding::Unusable);
    assert_eq!(decision.alarm.is_some(), grave, "{decision:?}");
    decision.binding
}

#[test]
fn each_way_is_taken_when_the_better_ones_are_not_there() {
    let grouped = Found {
        iommu_group: Some(3),
        ..nic()
    };
    assert_eq!(binding(&grouped, GUARDED), Binding::VfioPci);
    assert_eq!(binding(&nic(), GUARDED), Binding::AfPacket);
    assert_eq!(binding(&grouped, ALL), Binding::VfioNoIommu);
    assert_eq!(binding(&nic(), ALL), Binding::VfioNoIommu);
    let mut offers = Offers {
        no_iommu: false,
        ..ALL
    };
    assert_eq!(binding(&nic(), offers), Binding::IgbUio);
    offers.igb_uio = false;
    assert_eq!(binding(&nic(), offers), Binding::UioPciGeneric);
    let silent = Found {
        has_line_interrupt: false,
        ..nic()
    };
    assert_eq!(binding(&silent, offers), Binding::AfPacket);
    let lost = Found {
        kernel_device: None,
        ..silent
    };
    assert_eq!(binding(&lost, offers), Binding::Unusable);
}

#[test]
fn a_group_that_others_use_is_not_given_away() {
    let shared = Found {
        iommu_group: Some(3),
        group_users: vec!["0000:00:1f.2".parse().unwrap()],
        ..nic()
    };
    let decision = decide("ge-0/0/0", &shared, FAMILY, GUARDED, None);
    assert_eq!(decision.binding, Binding::AfPacket);
    assert!(
        decision
            .reason
            .contains("IOMMU group 3 is shared with 0000:00:1f.2"),
        "{decision:?}"
    );
}

#[test]
fn a_nic_that_goes_past_the_iommu_is_not_given_away() {
    let past = Found {
        iommu_group: Some(3),
        bypasses_iommu: true,
        ..nic()
    };
    let decision = decide("ge-0/0/0", &past, FAMILY, GUARDED, None);
    assert_eq!(decision.binding, Binding::AfPacket);
    let reason = "packets take the slow way through the kernel: it goes past the IOMMU, which its host must forbid (QEMU: \
                  iommu_platform=on); this machine has an IOMMU, so nothing else is given to programs";
    assert_eq!(decision.reason, reason);
    for wish in [DriverWish::VfioPci, DriverWish::UioPciGeneric] {
        let decision = decide("ge-0/0/0", &past, FAMILY, GUARDED, Some(wish));
        assert_eq!(decision.binding, Binding::AfPacket);
        let text = decision.alarm.unwrap().text;
        assert!(
            text.starts_with("the configured driver cannot be used"),
            "{text}"
        );
    }
}

#[test]
fn without_hugepages_or_locked_down_only_an_iommu_will_do() {
    let grouped = Found {
        iommu_group: Some(3),
        ..nic()
    };
    for offers in [
        Offers {
            hugepages: false,
            ..ALL
        },
        Offers {
            locked_down: true,
            ..ALL
        },
    ] {
        assert_eq!(binding(&nic(), offers), Binding::AfPacket);
        let guarded = Offers {
            iommu: true,
            ..offers
        };
        assert_eq!(binding(&grouped, guarded), Binding::VfioPci);
    }
}

#[test]
fn a_wish_counts_when_it_can_be_met_and_is_an_alarm_else() {
    let grouped = Found {
        iommu_group: Some(3),
        ..nic()
    };
    for (nic, offers, wish, expected) in [
        (&grouped, GUARDED, DriverWish::VfioPci, Binding::VfioPci),
        (&grouped, GUARDED, DriverWish::Kernel, Binding::AfPacket),
        (&nic(), ALL, DriverWish::VfioPci, Binding::VfioNoIommu),
        (
            &nic(),
            ALL,
            DriverWish::UioPciGeneric,
            Binding::UioPciGeneric,
        ),
        (&nic(), ALL, DriverWish::IgbUio, Binding::IgbUio),
        (&nic(), ALL, DriverWish::Kernel, Binding::AfPacket),
    ] {
        let decision = decide("ge-0/0/0", nic, FAMILY, offers, Some(wish));
        assert_eq!((decision.binding, decision.alarm), (expected, None));
        assert_eq!(decision.reason, "as configured");
    }
    let refused = decide(
        "ge-0/0/0",
        &grouped,
        FAMILY,
        GUARDED,
        Some(DriverWish::IgbUio),
    );
    assert_eq!(refused.binding, Binding::VfioPci);
    let text = refused.alarm.unwrap().text;
    assert_eq!(
        text,
        "the configured driver cannot be used: this machine has an IOMMU, so nothing else is given to programs"
    );
}

#[test]
fn a_crypto_device_is_driven_behind_an_iommu_or_not_at_all() {
    let qat = Family {
        name: "QAT",
        way: Way::Crypto,
    };
    let device = Found {
        kernel_device: None,
        driver: None,
        iommu_group: Some(3),
        ..nic()
    };
    let shared = Found {
        group_users: vec!["0000:00:1f.2".parse().unwrap()],
        ..device.clone()
    };
    let no_vfio = Offers {
        vfio_pci: false,
        ..GUARDED
    };
    for (device, offers, binding, reason) in [
        (
            &device,
            GUARDED,
            Binding::VfioPci,
            "guarded by IOMMU group 3",
        ),
        (&device, ALL, Binding::Unusable, "there is no IOMMU"),
        (
            &device,
            no_vfio,
            Binding::Unusable,
            "the kernel has no vfio-pci",
        ),
        (
            &shared,
            GUARDED,
            Binding::Unusable,
            "its IOMMU group 3 is shared with 0000:00:1f.2",
        ),
    ] {
        let decision = decide("0000:00:04.0", device, qat, offers, None);
        let decided = (decision.binding, decision.reason.as_str());
        assert_eq!((decided, decision.alarm), ((binding, reason), None));
    }
}

#[test]
fn connectx_stays_with_its_driver_and_strangers_with_theirs() {
    let connectx = Family {
        name: "ConnectX",
        way: Way::Bifurcated,
    };
    let decision = decide("ge-0/0/0", &nic(), connectx, ALL, None);
    assert_eq!(
        (decision.binding, decision.alarm),
        (Binding::Bifurcated, None)
    );
    let strange = Family {
        name: "Ethernet",
        way: Way::No,
    };
    let decision = decide("ge-0/0/0", &nic(), strange, ALL, None);
    assert_eq!(decision.binding, Binding::AfPacket);
    assert!(
        decision.reason.contains("DPDK has no driver"),
        "{decision:?}"
    );
}

//! A machine with NICs and crypto devices of every fate.

use ravelin_ctl::host::{
    Alarm, Binding, CryptoFunction, Machine, Nic, Pages, Plan, Platform, Severity,
};
use ravelin_ctl::operator::Reply;

fn nic(name: &str, slot: u8, model: &str, binding: Binding, reason: &str) -> Nic {
    let there = binding != Binding::Absent;
    let kernel = matches!(
        binding,
        Binding::Management | Binding::AfPacket | Binding::Bifurcated
    );
    Nic {
        name: name.into(),
        pci: there.then(|| format!("0000:00:{slot:02x}.0").parse().unwrap()),
        mac: Some(format!("52:54:00:00:00:{slot:02x}").parse().unwrap()),
        vendor: 0x1af4,
        device: 0x1041,
        model: model.into(),
        iommu_group: (binding == Binding::VfioPci).then_some(slot.into()),
        numa_node: None,
        driver_before: there.then(|| "virtio-pci".into()),
        driver: match binding {
            Binding::VfioPci => Some("vfio-pci".into()),
            _ => kernel.then(|| "virtio-pci".into()),
        },
        kernel_device: kernel.then(|| format!("eth{slot}")),
        binding,
        reason: reason.into(),
    }
}

fn crypto(function: u8, driver: Option<&str>, binding: Binding, reason: &str) -> CryptoFunction {
    CryptoFunction {
        pci: format!("0000:3d:01.{function}").parse().unwrap(),
        vendor: 0x8086,
        device: 0x37c9,
        model: "QAT C62x virtual function".into(),
        iommu_group: Some(70 + u32::from(function)),
        numa_node: Some(0),
        driver_before: Some("c6xxvf".into()),
        driver: driver.map(str::to_owned),
        binding,
        reason: reason.into(),
    }
}

fn platform() -> Platform {
    Platform {
        machine: Machine {
            vendor: "QEMU".into(),
            product: "Standard PC (Q35 + ICH9, 2009)".into(),
            processor:
                "Intel(R) Xeon(R) Processor with a name that is longer than the screen is wide"
                    .into(),
            processors: 4,
            memory_mib: 7_943,
            kernel: "6.12.107+deb13-amd64".into(),
        },
        plan: Plan {
            workers: 3,
            packet_memory_mib: 1_024,
            pages: vec![Pages {
                size_kib: 2_048,
                wanted: 512,
                reserved: 512,
            }],
            ordinary_pages: false,
            reason: "4 processors and 7943 MiB of memory".into(),
        },
        nics: vec![
            nic(
                "fxp0",
                3,
                "virtio",
                Binding::Management,
                "the management NIC stays with the kernel",
            ),
            nic(
                "ge-0/0/0",
                4,
                "virtio",
                Binding::VfioPci,
                "guarded by IOMMU group 4",
            ),
            nic(
                "ge-0/0/1",
                5,
                "adaptive virtual function",
                Binding::AfPacket,
                "packets take the slow way through the kernel: there is no IOMMU; the kernel has no vfio without IOMMU; there is no igb_uio; it has no interrupt line for uio_pci_generic",
            ),
            nic(
                "ge-0/0/12",
                6,
                "",
                Binding::Absent,
                "it was at 0000:00:06.0 when it was last there",
            ),
        ],
        crypto: vec![
            crypto(
                0,
                Some("vfio-pci"),
                Binding::VfioPci,
                "guarded by IOMMU group 70",
            ),
            crypto(
                1,
                Some("c6xxvf"),
                Binding::Unusable,
                "its IOMMU group 71 is shared with 0000:3c:00.0",
            ),
        ],
        alarms: Vec::new(),
    }
}

pub fn hardware() -> Reply {
    Reply::Hardware(Box::new(platform()))
}

pub fn alarms() -> Reply {
    let alarm = |severity, subject: &str, text: &str| Alarm {
        severity,
        subject: subject.into(),
        text: text.into(),
    };
    Reply::Alarms(vec![
        alarm(
            Severity::Major,
            "ge-0/0/12",
            "the NIC is gone (MAC 52:54:00:00:00:06, last at 0000:00:06.0); its name stays reserved",
        ),
        alarm(
            Severity::Minor,
            "hugepages",
            "90 of 128 hugepages of 2 MiB are to be had",
        ),
    ])
}

#![allow(clippy::unwrap_used)]

use super::*;
use ravelin_dataplane::engine::accelerator::Failure;

fn unit(number: u16, name: &str, serves: bool, failure: Option<Failure>) -> UnitStatus {
    UnitStatus {
        number,
        name: name.to_owned(),
        driver: "crypto_qat".to_owned(),
        serves,
        failure,
        queues: 1,
        keys: (2, 64),
        packets: 0,
        lost: 0,
        errors: 0,
    }
}

#[test]
fn sas_are_counted_by_engine_with_the_reason() {
    let units = [
        unit(1, "a", true, None),
        unit(2, "b", false, Some(Failure::Silent)),
        unit(3, "c", false, None),
    ];
    let (device, cpu) = (Service::Device, Service::Cpu);
    let services = [
        [device(1); 2],
        [device(1), cpu(WhyCpu::Sessions)],
        [device(2); 2],
        [device(3); 2],
        [cpu(WhyCpu::Algorithm); 2],
    ];
    let rows = served(services.into_iter(), &units);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.device.as_deref(),
                row.why.as_deref(),
                row.inbound,
                row.outbound,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (Some("a"), None, 2, 1),
            (None, Some("no device has the algorithms"), 1, 1),
            (None, Some("devices hold all keys they can"), 0, 1),
            (None, Some("c is not configured any more"), 1, 1),
            (None, Some("b failed"), 1, 1),
        ]
    );
}

#[test]
fn a_pci_function_that_cannot_be_opened_is_told_with_the_reason() {
    let bus = tempfile::tempdir().unwrap();
    let function = |address: &str, class: &str, driver: Option<&str>| {
        let folder = bus.path().join(address);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("class"), class).unwrap();
        if let Some(driver) = driver {
            let target = Path::new("../../drivers").join(driver);
            std::os::unix::fs::symlink(target, folder.join("driver")).unwrap();
        }
    };
    function("0000:00:04.0", "0x020000\n", Some("vfio-pci"));
    function("0000:3d:01.0", "0x0b4000\n", Some("vfio-pci"));
    function("0000:3d:01.1", "0x0b4000\n", Some("c6xxvf"));
    function("0000:3d:01.2", "0x0b4000\n", None);
    let should = "and vfio-pci should (`show chassis hardware` tells why)";
    for (name, why) in [
        ("crypto_openssl0", None),
        ("0000:3d:01.0", None),
        ("0000:00:04.0", Some("it is a NIC".to_owned())),
        ("0000:3d:01.1", Some(format!("c6xxvf drives it, {should}"))),
        ("0000:3d:01.2", Some(format!("it has no driver, {should}"))),
        (
            "0000:3d:01.3",
            Some("there is no such PCI function".to_owned()),
        ),
    ] {
        assert_eq!(obstacle(bus.path(), name), why, "{name}");
    }
}

//! Real QEMUs with boot sectors for images.

use super::{Backend, Disk, DiskBus, Firmware, Guest, GuestPlan, Nic, NicModel};
use crate::boot_sector::serial_echo;
use crate::{Accel, Lab, Link, VmError, minutes, seconds};
use std::path::PathBuf;

fn sector(lab: &Lab, greeting: &str) -> PathBuf {
    let path = lab.disks().join("sector.raw");
    // The BIOS reads nothing from a virtio disk of one sector.
    let mut image = serial_echo(greeting).to_vec();
    image.resize(1 << 20, 0);
    std::fs::write(&path, image).unwrap();
    path
}

fn plan(name: &str) -> GuestPlan {
    Guest::named(name).accel(Accel::Tcg).memory_mib(32)
}

fn echo(guest: &mut Guest) {
    let console = guest.console().unwrap();
    console.expect("hello", minutes(1)).unwrap();
    console.send("abc").unwrap();
    console.expect("ABC", minutes(1)).unwrap();
}

#[test]
fn a_guest_boots_talks_resets_loses_power_and_ends() {
    let lab = Lab::new("guest_life").unwrap();
    let image = sector(&lab, "hello");
    let mut guest = plan("life").image(&image).start(&lab).unwrap();
    echo(&mut guest);
    assert_eq!(guest.status().unwrap(), "running");
    guest.reset().unwrap();
    echo(&mut guest);
    guest.qmp().unwrap().event("RESET", seconds(20)).unwrap();

    let pid = guest.pid().unwrap();
    guest.power_cut().unwrap();
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
    assert!(matches!(guest.console(), Err(VmError::Off(name)) if name == "life"));
    guest.power_on().unwrap();
    guest.power_on().unwrap();
    echo(&mut guest);
    guest.quit().unwrap();
    assert!(matches!(guest.status(), Err(VmError::Off(_))));

    let serial = std::fs::read_to_string(guest.artifact("serial.log")).unwrap();
    assert_eq!(serial.matches("helloABC").count(), 3, "{serial}");
    let command = std::fs::read_to_string(guest.artifact("command")).unwrap();
    assert!(
        command.starts_with("qemu-system-x86_64 -name life "),
        "{command}"
    );
    assert_eq!(command.trim(), guest.command_line());
}

#[test]
fn nothing_is_written_to_the_image() {
    let lab = Lab::new("guest_layer").unwrap();
    let image = sector(&lab, "hello");
    let before = std::fs::read(&image).unwrap();
    let disk = Disk::overlay(&image).size_mib(64);
    let mut guest = plan("layer").disk(disk).start(&lab).unwrap();
    echo(&mut guest);
    let blocks = guest
        .qmp()
        .unwrap()
        .execute("query-block", serde_json::Value::Null);
    let size = blocks.unwrap()[0]["inserted"]["image"]["virtual-size"].as_u64();
    assert_eq!(size, Some(64 << 20));
    drop(guest);
    assert_eq!(std::fs::read(&image).unwrap(), before);
}

#[test]
fn a_layer_may_be_kept() {
    let lab = Lab::new("guest_kept").unwrap();
    let image = sector(&lab, "hello");
    let layer = lab.disks().join("kept.qcow2");
    for _ in 0..2 {
        let disk = Disk::kept(&image, &layer);
        let mut guest = plan("kept").disk(disk).start(&lab).unwrap();
        echo(&mut guest);
        drop(guest);
        assert!(layer.exists());
    }
    assert_eq!(DiskBus::of_medium("a.iso".as_ref()), DiskBus::Cd);
    assert_eq!(DiskBus::of_medium("a.raw".as_ref()), DiskBus::Virtio);
}

#[test]
fn every_bus_has_its_disk() {
    let lab = Lab::new("guest_buses").unwrap();
    let image = sector(&lab, "hello");
    for bus in [DiskBus::Sata, DiskBus::PvScsi, DiskBus::Nvme, DiskBus::Usb] {
        let disk = Disk::overlay(&image).bus(bus);
        let cd = Disk::cd(&image);
        let mut guest = plan("bus").disk(disk).disk(cd).start(&lab).unwrap();
        echo(&mut guest);
    }
}

#[test]
fn a_qemu_that_does_not_start_is_quoted() {
    let lab = Lab::new("guest_refused").unwrap();
    let error = plan("refused")
        .arguments(&["-device", "none-such"])
        .start(&lab);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("refused ended early") && text.contains("none-such"),
        "{text}"
    );
    let missing = plan("missing")
        .image("/nowhere/image.qcow2".as_ref())
        .start(&lab);
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("/nowhere/image.qcow2")
    );
}

/// The station that sent a DHCP request: what a NIC's boot ROM asks first.
fn asks_for_an_address(frame: &[u8]) -> Option<[u8; 6]> {
    let station: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    let broadcast = frame.starts_with(&[0xff; 6]);
    (broadcast && frame.get(12..14)? == [8, 0] && frame.get(36..38)? == [0, 67]).then_some(station)
}

#[test]
fn each_nic_sends_and_receives_on_its_link() {
    let lab = Lab::new("guest_nics").unwrap();
    for model in [NicModel::virtio(), NicModel::Vmxnet3, NicModel::E1000e] {
        let link = Link::new(&lab, "wire").unwrap();
        let mut end = link.end().unwrap();
        let nic = Nic::new(model).on(&link);
        let mut guest = plan("nic").nic(nic).network_boot().start(&lab).unwrap();
        let own = guest.mac(0).unwrap();
        assert_eq!(own[..3], [0x52, 0x54, 0x00]);
        let station = end.expect("a request for an address", minutes(2), asks_for_an_address);
        assert_eq!(station.unwrap(), own, "{model:?}");
        let captured = link.captured().unwrap();
        assert!(
            captured
                .iter()
                .any(|c| asks_for_an_address(&c.frame) == Some(own))
        );
        guest.set_carrier(0, false).unwrap();
        assert!(guest.set_carrier(1, false).is_err());
    }
}

#[test]
fn nics_disks_and_strings_become_arguments() {
    let lab = Lab::new("guest_arguments").unwrap();
    let image = sector(&lab, "hello");
    let link = Link::new(&lab, "wire").unwrap();
    let mut guest = plan("args")
        .cpus(2)
        .memory_mib(64)
        .iommu()
        .smbios_serial("ds=nocloud;h=a,b")
        .smbios_string("one")
        .channel("marks")
        .image(&image)
        .disk(Disk::cd(&image))
        .nic(Nic::new(NicModel::virtio_iommu()).on(&link))
        .nic(Nic::new(NicModel::Igb))
        .nic(
            Nic::new(NicModel::Vmxnet3)
                .backend(Backend::User(vec![(0, 22)]))
                .mac([2, 0, 0, 0, 0, 9]),
        )
        .start(&lab)
        .unwrap();
    echo(&mut guest);
    let line = guest.command_line();
    for part in [
        "-smp 2 -m 64",
        "intel-iommu,intremap=on,caching-mode=on",
        "-smbios 'type=1,serial=ds=nocloud;h=a,,b' -smbios type=11,value=one",
        "virtio-blk-pci,drive=disk0,bootindex=0,serial=disk0,addr=0x2",
        "ide-cd,bus=ide.1,drive=disk1,bootindex=1",
        "netdev=net0,romfile=,addr=0x10,disable-legacy=on,iommu_platform=on",
        "pcie-root-port,id=port1,chassis=2,addr=0x11",
        "hostfwd=tcp:127.0.0.1:0-:22",
        "vmxnet3,id=nic2,mac=02:00:00:00:00:09,netdev=net2,romfile=,addr=0x12",
    ] {
        assert!(line.contains(part), "{part}\nnot in\n{line}");
    }
    assert!(guest.take_channel("marks").is_ok() && guest.take_channel("marks").is_err());
    assert!(guest.started().unwrap().elapsed() < minutes(10));
    assert_eq!(guest.mac(2), Some([2, 0, 0, 0, 0, 9]));
    assert!(guest.forwarded(2, 22).unwrap() > 0 && guest.forwarded(1, 22).is_err());
    let pci = guest
        .qmp()
        .unwrap()
        .execute("query-pci", serde_json::Value::Null)
        .unwrap();
    let devices = pci[0]["devices"].as_array().unwrap();
    let slot = |number: u64| devices.iter().any(|device| device["slot"] == number);
    assert!(slot(0x2) && slot(0x10) && slot(0x11) && slot(0x12), "{pci}");
}

#[test]
fn too_many_nics_are_refused() {
    let lab = Lab::new("guest_many_nics").unwrap();
    let many = (0..13).fold(plan("many"), |plan, _| {
        plan.nic(Nic::new(NicModel::virtio()))
    });
    let error = many.start(&lab).unwrap_err();
    assert!(error.to_string().contains("13 NICs"), "{error}");
}

#[test]
fn uefi_starts_with_variables_of_its_own() {
    let lab = Lab::new("guest_uefi").unwrap();
    let image = sector(&lab, "hello");
    let guest = plan("uefi").memory_mib(256).firmware(Firmware::Uefi);
    let mut guest = guest.image(&image).start(&lab).unwrap();
    let console = guest.console().unwrap();
    console.expect("BdsDxe", minutes(4)).unwrap();
    guest.power_cut().unwrap();
}

#[test]
fn the_serial_line_can_be_taken_as_it_is() {
    use std::io::{Read, Write};
    let lab = Lab::new("guest_plain").unwrap();
    let image = sector(&lab, "hello");
    let mut guest = plan("plain")
        .image(&image)
        .start_with_plain_serial(&lab)
        .unwrap();
    let mut serial = guest.take_serial().unwrap();
    assert!(guest.take_serial().is_err() && guest.console().is_err());
    serial.set_read_timeout(Some(minutes(1))).unwrap();
    let mut octets = [0; 5];
    serial.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"hello");
    serial.write_all(b"xyz").unwrap();
    serial.read_exact(&mut octets[..3]).unwrap();
    assert_eq!(&octets[..3], b"XYZ");
}

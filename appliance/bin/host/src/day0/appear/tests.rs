use super::*;

#[test]
fn a_storage_interface_without_a_disk_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    assert!(!awaits_disk(&root), "no USB at all");
    let interface = |name: &str, class: &str| {
        let path = root.path(USB).join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("bInterfaceClass"), format!("{class}\n")).unwrap();
        path
    };
    interface("1-1:1.0", "03");
    assert!(!awaits_disk(&root), "a keyboard");
    let stick = interface("1-2:1.0", "08");
    assert!(awaits_disk(&root));
    fs::create_dir_all(stick.join("host6/target6:0:0/6:0:0:0")).unwrap();
    assert!(awaits_disk(&root));
    fs::create_dir(stick.join("host6/target6:0:0/6:0:0:0/block")).unwrap();
    assert!(!awaits_disk(&root));
    interface("1-3:1.0", "08");
    assert!(awaits_disk(&root), "the second one");
}

#[test]
fn drivers_of_storage_are_loaded_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    for (device, alias) in [
        (
            "pci/devices/0000:00:01.1",
            "pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80",
        ),
        (
            "pci/devices/0000:00:04.0",
            "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30",
        ),
        (
            "pci/devices/0000:00:03.0",
            "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00",
        ),
        (
            "usb/devices/1-1:1.0",
            "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00",
        ),
        (
            "usb/devices/1-2:1.0",
            "usb:v0627p0001d0000dc00dsc00dp00ic03isc01ip01in00",
        ),
        ("scsi/devices/1:0:0:0", "scsi:t-0x05"),
        ("virtio/devices/virtio0", "virtio:d00000001v00001AF4"),
        ("virtio/devices/virtio1", "virtio:d00000002v00001AF4"),
    ] {
        let path = root.path("/sys/bus").join(device);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("modalias"), format!("{alias}\n")).unwrap();
    }
    let drivers = drivers(&root);
    assert_eq!(drivers.len(), 5, "{drivers:?}");
    let others = |alias: &&String| alias.contains("bc02") || alias.contains("ic03");
    assert_eq!(drivers.iter().find(others), None);
}

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ravelin_ctl::host::Binding;

use super::*;

/// A recorded tree on disk; the format is told in `tests/sysfs/record.sh`.
fn expanded(text: &str) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    let mut base = "/".to_owned();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
    {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (path, value) = rest.split_once(' ').unwrap_or((rest, ""));
        if kind == "@" {
            base = path.to_owned();
            continue;
        }
        let path = root.path(Path::new(&base).join(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match kind {
            "=" => fs::write(path, format!("{value}\n")).unwrap(),
            "x" => fs::write(path, octets(value)).unwrap(),
            ">" => {
                // The driver's folder holds the files that binding writes.
                fs::create_dir_all(path.parent().unwrap().join(value)).unwrap();
                symlink(value, path).unwrap();
            }
            "d" => fs::create_dir_all(path).unwrap(),
            _ => panic!("{line}"),
        }
    }
    (folder, root)
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// All recorded machines, with their names.
fn machines() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sysfs");
    let mut machines = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            machines.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    machines.sort();
    machines
}

/// What a machine's file says that is decided for it: its lines with `!`.
fn expected(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("! "))
        .collect()
}

/// Inventory, names and decisions for a tree, nothing bound: name, MAC, model, binding; then the crypto devices.
fn decided(root: &Root) -> Vec<String> {
    let found = inventory::find(root).unwrap();
    let named = pins::name(&pins::Pins::default(), &found);
    let offers = drivers::offers(root, true);
    let line = |nic: &inventory::Found| {
        let name = &named.names[&nic.pci];
        let family = families::of(nic, None);
        let binding = if name == pins::MANAGEMENT {
            Binding::Management
        } else {
            policy::decide(name, nic, family, offers, None).binding
        };
        let mac = nic.mac.map_or("-".to_owned(), |mac| mac.to_string());
        format!("{name} {} {mac} {} / {binding}", nic.pci, family.name)
    };
    let crypto = inventory::find_crypto(root).unwrap();
    let crypto_line = |device: &inventory::Found| {
        let family = families::of(device, None);
        let name = device.pci.to_string();
        let decision = policy::decide(&name, device, family, offers, None);
        format!("crypto {name} {} / {}", family.name, decision.binding)
    };
    let nics = found.iter().map(line);
    nics.chain(crypto.iter().map(crypto_line)).collect()
}

#[test]
fn every_recorded_machine_is_decided_as_its_file_says() {
    let machines = machines();
    assert!(machines.len() >= 8, "{}", machines.len());
    for (name, text) in machines {
        let (_folder, root) = expanded(&text);
        assert_eq!(decided(&root), expected(&text), "{name}");
    }
}

/// A recorded machine with processors, memory and hugepages.
fn whole(name: &str) -> (tempfile::TempDir, Root) {
    let (_, text) = machines().into_iter().find(|(n, _)| n == name).unwrap();
    let (folder, root) = expanded(&text);
    let flags = "ssse3 sse4_1 sse4_2 popcnt aes pclmulqdq";
    let processor =
        format!("processor\t: 0\nflags\t: {flags}\n\nprocessor\t: 1\nflags\t: {flags}\n");
    for (path, text) in [
        ("/proc/cpuinfo", processor.as_str()),
        ("/proc/meminfo", "MemTotal: 2014776 kB\n"),
        (
            "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
            "0\n",
        ),
        ("/sys/class/tty/console/active", "ttyS0\n"),
        ("/dev/ttyS0", ""),
    ] {
        let path = root.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (folder, root)
}

fn platform(root: &Root) -> Platform {
    files::read_json(&root.path("/run/ravelin/host/platform.json"))
        .unwrap()
        .unwrap()
}

#[test]
fn what_was_found_is_written_for_the_others() {
    let (_folder, root) = whole("mlx5");
    run(&root, &[]).unwrap();
    let environment = fs::read_to_string(root.path("/run/ravelin/host/planed.env")).unwrap();
    assert_eq!(
        environment,
        "RAVELIN_PLANED_ARGS=\"--workers 1 --memory-mib 256\"\nRAVELIN_NO_HUGE=0\n"
    );
    let platform = platform(&root);
    assert_eq!(platform.alarms, []);
    let port = platform.nic("ge-0/0/0").unwrap();
    assert_eq!(port.binding, Binding::Bifurcated);
    assert_eq!(port.plane_device().as_deref(), Some("0000:00:06.0"));
    assert_eq!(platform.nic("fxp0").unwrap().plane_device(), None);
    assert_eq!(fs::read_to_string(root.path("/dev/ttyS0")).unwrap(), "");
    let pins = fs::read_to_string(root.path("/data/platform/nics.json")).unwrap();
    assert!(pins.contains("02:09:c0:00:00:05"), "{pins}");
}

#[test]
fn a_nic_is_bound_by_override_and_one_that_refuses_falls_back_to_the_kernel() {
    let (_folder, root) = whole("iavf_iommu");
    run(&root, &[]).unwrap();
    // Nobody binds in a recorded tree: so this driver refuses.
    let device = root.path("/sys/bus/pci/devices/0000:00:06.0");
    let probed = fs::read_to_string(root.path("/sys/bus/pci/drivers_probe")).unwrap();
    assert_eq!(probed, "0000:00:06.0");
    assert_eq!(
        fs::read_to_string(device.join("driver/unbind")).unwrap(),
        "0000:00:06.0"
    );
    let platform = platform(&root);
    let port = platform.nic("ge-0/0/0").unwrap();
    assert_eq!(port.binding, Binding::AfPacket);
    assert_eq!(
        port.plane_device().as_deref(),
        Some("net_af_packet_eth1,iface=eth1")
    );
    let [alarm] = platform.alarms.as_slice() else {
        panic!("{:?}", platform.alarms)
    };
    assert_eq!(
        alarm.text,
        "vfio-pci was chosen, but the driver vfio-pci does not take the device at 0000:00:06.0 (the kernel's log says why)"
    );
    let console = fs::read_to_string(root.path("/dev/ttyS0")).unwrap();
    assert!(
        console.contains("ravelin: ge-0/0/0: vfio-pci was chosen"),
        "{console}"
    );
    let issue = fs::read_to_string(root.path("/run/issue.d/40-ravelin-platform.issue")).unwrap();
    assert!(issue.starts_with("ge-0/0/0: vfio-pci"), "{issue}");
}

#[test]
fn a_configured_driver_is_taken() {
    let (_folder, root) = whole("iavf_iommu");
    let file = root.path("/data/config/host.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(
        &file,
        r#"{"host_name": "x", "drivers": {"ge-0/0/0": "kernel", "ge-0/0/7": "vfio-pci"}}"#,
    )
    .unwrap();
    run(&root, &[]).unwrap();
    let platform = platform(&root);
    let port = platform.nic("ge-0/0/0").unwrap();
    assert_eq!(
        (port.binding, port.reason.as_str()),
        (Binding::AfPacket, "as configured")
    );
    assert!(
        !root.path("/sys/bus/pci/drivers_probe").exists(),
        "it is left alone"
    );
    assert_eq!(platform.alarms, []);
}

#[test]
fn crypto_devices_are_bound_and_told_and_no_alarm() {
    let (_folder, root) = whole("qat_host");
    // As after an earlier run.
    let function = root.path("/sys/bus/pci/devices/0000:3d:01.0");
    symlink("../../drivers/vfio-pci", function.join("driver")).unwrap();
    run(&root, &[]).unwrap();
    let platform = platform(&root);
    let told: Vec<_> = platform
        .crypto
        .iter()
        .map(|device| {
            let driver = device.driver.as_deref();
            (device.pci.to_string(), driver, device.reason.as_str())
        })
        .collect();
    // Nobody binds in a recorded tree.
    let refused = "vfio-pci was chosen, but the driver vfio-pci does not take the device at 0000:3d:01.1 (the kernel's log says why)";
    assert_eq!(
        told,
        [
            (
                "0000:3d:01.0".to_owned(),
                Some("vfio-pci"),
                "guarded by IOMMU group 70"
            ),
            ("0000:3d:01.1".to_owned(), Some("c6xxvf"), refused),
        ]
    );
    let bindings: Vec<Binding> = platform.crypto.iter().map(|d| d.binding).collect();
    assert_eq!(bindings, [Binding::VfioPci, Binding::Unusable]);
    let unbound = root.path("/sys/bus/pci/devices/0000:3d:01.1/driver/unbind");
    assert_eq!(fs::read_to_string(unbound).unwrap(), "0000:3d:01.1");
    assert_eq!(platform.alarms, []);
}

#[test]
fn a_crypto_device_is_not_taken_out_of_a_group_that_a_nic_of_the_kernel_uses() {
    let (_folder, root) = whole("qat_guest");
    let link = root.path("/sys/bus/pci/devices/0000:00:07.0/iommu_group");
    fs::remove_file(&link).unwrap();
    symlink("../../../../kernel/iommu_groups/1", link).unwrap();
    run(&root, &[]).unwrap();
    let reasons: Vec<String> = platform(&root)
        .crypto
        .into_iter()
        .map(|device| device.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            "its IOMMU group 1 is shared with 0000:00:03.0",
            "its IOMMU group 9 is shared with 0000:02:02.0",
        ]
    );
}

#[test]
fn a_bare_machine_gets_alarms_and_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    run(&root, &[]).unwrap();
    let platform = platform(&root);
    let subjects: Vec<&str> = platform
        .alarms
        .iter()
        .map(|alarm| alarm.subject.as_str())
        .collect();
    assert_eq!(subjects, ["hugepages", "interfaces"]);
    let environment = fs::read_to_string(root.path("/run/ravelin/host/planed.env")).unwrap();
    assert!(
        environment.contains("--workers 1 --memory-mib 128") && environment.contains("NO_HUGE=1")
    );
    assert!(run(&root, &["--what".to_owned()]).is_err());
}

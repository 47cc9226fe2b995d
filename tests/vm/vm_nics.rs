//! Data NICs of each model carry the tunnel, each driven as the policy says and with the queues that it has.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::wait::wait_until;
use ravelin_qemu::{Disk, Guest, GuestPlan, Lab, Nic, NicModel, VmError, minutes, seconds};
use ravelin_tests::Result;
use ravelin_tests::site::V6;
use ravelin_tests::vm::appliance::seed;
use ravelin_tests::vm::site::{HOST_NAME, configuration};
use ravelin_tests::vm::{Options, Site, image};

/// The tunnel comes up and carries; `show chassis hardware` then says all of `shown`, whose line ends are blanks.
fn carries(site: &mut Site, shown: &[&str]) {
    site.tunnel().unwrap();
    site.traffic().unwrap();
    println!("{}", site.evidence().unwrap());
    let hardware = site.gateway.cli("show chassis hardware").unwrap();
    println!("{hardware}");
    let words: Vec<&str> = hardware.split_whitespace().collect();
    for part in shown {
        assert!(
            words.join(" ").contains(part),
            "{part} is not in {hardware}"
        );
    }
    site.no_nonce_twice().unwrap();
}

/// A site with data NICs of that model, logged in.
fn booted(test: &str, options: Options) -> Site {
    let mut site = Site::start(test, options).unwrap();
    site.gateway.boot_and_login().unwrap();
    site
}

/// A unit with a VLAN on the access link.
const TAGGED_UNIT: &str = "unit 100 { vlan-id 100; family inet { address 203.0.113.1/24; } }";
const TAG: [u8; 4] = [0x81, 0x00, 0, 100];

/// The day-0 configuration with [`TAGGED_UNIT`] as well.
fn tagged(lab: &Lab, plan: GuestPlan) -> Result<GuestPlan> {
    let port = "ge-0/0/0 {";
    let text = configuration().replace(port, &format!("{port} {TAGGED_UNIT}"));
    Ok(plan.disk(Disk::cd(&seed(lab, &text, HOST_NAME)?)))
}

/// [`TAGGED_UNIT`] answers ARP, with its tag.
fn answers_with_tag(site: &Site) {
    let (mac, asked) = ([2, 0, 0, 0, 0, 9], [203, 0, 113, 1]);
    let mut request = [[0xff; 6], mac].concat();
    request.extend(TAG);
    request.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    request.extend(mac);
    request.extend([203, 0, 113, 9, 0, 0, 0, 0, 0, 0]);
    request.extend(asked);
    let mut end = site.access.end().unwrap();
    let answer = wait_until("a tagged answer", minutes(1), || {
        end.send(&request)?;
        let ours = |frame: &[u8]| {
            let answer = frame.starts_with(&mac) && frame.get(12..16) == Some(&TAG[..]);
            (answer && frame.get(32..36) == Some(&asked[..])).then_some(())
        };
        Ok::<_, VmError>(end.expect("an answer", seconds(5), ours).ok())
    });
    answer.unwrap();
}

/// Runs lines of shell as root, each of which must succeed.
fn root(site: &mut Site, lines: &[&str]) {
    for line in lines {
        let said = site.gateway.shell(&format!("{line} && echo all is we''ll"));
        let said = said.unwrap();
        assert!(said.contains("all is well"), "{line}: {said}");
    }
}

#[test]
#[ignore = "vm: a boot of its own"]
fn virtio_by_vfio_behind_an_iommu() {
    let model = NicModel::virtio_iommu();
    let options = Options {
        model,
        ..Options::default()
    };
    let mut site = Site::start_with("vm_virtio_vfio", options, tagged).unwrap();
    site.gateway.boot_and_login().unwrap();
    carries(
        &mut site,
        &[
            "ge-0/0/0",
            "vfio-pci, before virtio-pci: guarded by IOMMU group",
        ],
    );
    answers_with_tag(&site);
    // The same when the kernel has no hugepages to give: an IOMMU makes any page do.
    let pages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    root(
        &mut site,
        &[
            "systemctl stop ravelin-planed",
            &format!("echo 0 >{pages}"),
            &format!("mount --bind /dev/null {pages}"),
            "ravelin-host prepare",
            "systemctl start ravelin-planed",
        ],
    );
    site.returned(minutes(3)).unwrap();
    site.traffic().unwrap();
    site.evidence().unwrap();
    let alarms = site.gateway.cli("show system alarms").unwrap();
    println!("{alarms}");
    assert!(alarms.contains("hugepages"), "{alarms}");
    site.no_nonce_twice().unwrap();
}

#[test]
#[ignore = "vm: a boot of its own"]
fn vmxnet3_by_uio() {
    let options = Options {
        model: NicModel::Vmxnet3,
        ..Options::default()
    };
    let mut site = booted("vm_vmxnet3", options);
    carries(&mut site, &["uio-pci-generic, before vmxnet3"]);
}

#[test]
#[ignore = "vm: a boot of its own"]
fn ipv6_outside_and_both_families_inside() {
    let options = Options {
        outer: V6,
        ..Options::default()
    };
    let mut site = booted("vm_ipv6", options);
    carries(&mut site, &["uio-pci-generic, before virtio-pci"]);
}

/// A virtio NIC that its host lets past the IOMMU would take the IOMMU's addresses for physical ones.
#[test]
#[ignore = "vm: a boot of its own"]
fn virtio_past_the_iommu_stays_with_the_kernel_and_carries() {
    let site = Site::start_with("vm_virtio_kernel", Options::default(), |lab, plan| {
        tagged(lab, plan.iommu())
    });
    let mut site = site.unwrap();
    site.gateway.boot_and_login().unwrap();
    carries(
        &mut site,
        &[
            "kernel (virtio-pci): packets take the slow way through the kernel: it goes past the IOMMU",
        ],
    );
    answers_with_tag(&site);
    let alarms = site.gateway.cli("show system alarms").unwrap();
    assert!(
        alarms.contains("ge-0/0/0") && alarms.contains("ge-0/0/1"),
        "{alarms}"
    );
}

/// Towards the core an igb with a queue for each of two workers. Towards the eNodeB a virtual function: its physical function is on the same
/// link and must be the guest's too, so it is the management NIC, which stays with the kernel.
#[test]
#[ignore = "vm: a boot of its own"]
fn igb_with_two_queues_and_a_virtual_function() {
    let site = Site::start_on("vm_igb_vf", Options::default(), |lab, links| {
        // The management NIC is on the access link: no requests for an address there.
        let text = configuration().replace("dhcp;", "address 203.0.113.1/24;");
        let (access, core) = ("ge-0/0/0", "ge-0/0/1");
        let text = text.replace(access, "ACCESS").replace(core, access);
        let seed = seed(lab, &text.replace("ACCESS", core), HOST_NAME)?;
        let machine = Guest::named("gateway").cpus(3).memory_mib(2048).iommu();
        let machine = machine.disk(Disk::overlay(&image()?)).disk(Disk::cd(&seed));
        let nic = |link| Nic::new(NicModel::Igb).on(link);
        Ok(links
            .iter()
            .fold(machine, |machine, link| machine.nic(nic(link))))
    });
    let mut site = site.unwrap();
    site.gateway.boot_and_login().unwrap();
    let alarms = site.gateway.cli("show system alarms").unwrap();
    assert!(alarms.contains("there is no NIC of this name"), "{alarms}");
    root(
        &mut site,
        &[
            "echo 1 >/sys/class/net/fxp0/device/sriov_numvfs",
            "ip link set fxp0 vf 0 mac 52:54:00:aa:00:01",
            "ravelin-host prepare",
            "systemctl restart ravelin-mgmtd",
        ],
    );
    carries(
        &mut site,
        &[
            "igb [8086:10c9] Driver: vfio-pci: guarded",
            "vfio-pci, before igbvf: guarded",
        ],
    );
    let log = site
        .gateway
        .shell("journalctl -u ravelin-planed -o cat | grep queues");
    let log = log.unwrap();
    println!("{log}");
    assert!(
        log.contains("ge-0/0/0: net_e1000_igb, receive queues: 2 by RSS, transmit queues: 2"),
        "{log}"
    );
}

//! The main job inside the booted image, on emulated NICs through DPDK, against a Linux kernel's own ESP: the image takes its day-0
//! ISO, the tunnel of an eNodeB comes up, traffic of both families crosses it both ways, and a rekey under traffic loses nothing.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{minutes, seconds};
use ravelin_tests::site::V4;
use ravelin_tests::vm::{Options, Site};

/// Pings, 50 ms apart, during a rekey.
const PINGS: u32 = 100;

#[test]
fn native_esp_crosses_the_image() {
    let mut site = Site::start("vm_native_esp", Options::default()).unwrap();
    let boot = site.gateway.boot_and_login().unwrap();
    let tunnel = site.tunnel().unwrap();
    println!("login prompt after {boot:.1?}, tunnel after {tunnel:.1?}");
    site.traffic().unwrap();
    println!("{}", site.evidence().unwrap());

    day0_is_there(&mut site);
    shows_what_runs(&mut site);
    rekey_loses_nothing(&mut site);
    site.no_nonce_twice().unwrap();
}

fn day0_is_there(site: &mut Site) {
    let configuration = site.gateway.cli("show configuration").unwrap();
    assert!(
        configuration.contains("local-identity hostname secgw.example"),
        "{configuration}"
    );
    assert!(
        !configuration.contains("backhaul-secret"),
        "{configuration}"
    );
    let hardware = site.gateway.cli("show chassis hardware").unwrap();
    assert!(
        hardware.contains("fxp0") && hardware.contains("ge-0/0/1"),
        "{hardware}"
    );
}

fn shows_what_runs(site: &mut Site) {
    let sas = site
        .gateway
        .cli("show security ipsec security-associations")
        .unwrap();
    assert!(sas.contains("192.0.2.10"), "{sas}");
    let processes = site.gateway.cli("show system processes").unwrap();
    for name in [
        "ravelin-netd",
        "ravelin-planed",
        "ravelin-iked",
        "ravelin-mgmtd",
    ] {
        assert!(processes.contains(name), "{processes}");
    }
    let alarms = site.gateway.cli("show system alarms").unwrap();
    assert!(!alarms.to_lowercase().contains("major"), "{alarms}");
}

fn rekey_loses_nothing(site: &mut Site) {
    let (from, to) = (V4.enb_inner, V4.core);
    site.enb
        .run(&format!(
            "ping -n -q -i 0.05 -W 10 -c {PINGS} -I {from} {to} >/run/ping.log 2>&1 &"
        ))
        .unwrap();
    let before = site.enb.tunnels_so_far().unwrap();
    site.enb.run("swanctl --rekey --child enb-s1").unwrap();
    site.enb.wait_tunnel(before, minutes(1)).unwrap();
    let report = ravelin_qemu::wait::wait_until("the end of the pings", seconds(120), || {
        let (status, log) = site
            .enb
            .attempt("grep received /run/ping.log", minutes(1))?;
        Ok::<_, ravelin_tests::BenchError>((status == 0).then_some(log))
    });
    let report = report.unwrap();
    assert!(report.contains(&format!("{PINGS} received")), "{report}");
}

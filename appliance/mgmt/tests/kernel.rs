//! Addresses and static routes follow the configuration in a real kernel, while devices come and go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use nix::sched::{CloneFlags, unshare};
use ravelin_config::Model;
use ravelin_mgmt::VrfIds;
use ravelin_mgmt::compile::compile;
use ravelin_mgmt::kernel::{KernelPlan, start};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CONFIGURATION: &str = "
interfaces {
    ge-0/0/0 { device net_null0; unit 0 { family inet { address 192.0.2.1/24; } family inet6 { address 2001:db8:a::1/64; } } }
    lo0 { unit 0 { family inet { address 10.0.0.1/32; } } }
    st0 { unit 0 { family inet; } }
}
routing-options {
    static {
        route 10.45.0.0/16 next-hop st0.0;
        route 10.9.0.0/16 next-hop 192.0.2.9;
        route 10.8.0.0/16 discard;
    }
}";

/// Runs `test` in a network namespace of its own.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (uid 0)");
        test();
    };
    thread::spawn(inside).join().unwrap();
}

fn ip(words: &str) -> String {
    let out = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Waits until `ip words` shows all of `wanted`.
fn shows(words: &str, wanted: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = ip(words);
        if wanted.iter().all(|w| shown.contains(w)) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "ip {words} lacks {wanted:?}:\n{shown}"
        );
        thread::yield_now();
    }
}

fn plan(text: &str) -> KernelPlan {
    let model = Model::new().unwrap();
    let config = model
        .load("t.conf", text)
        .map_err(|e| e.to_string())
        .unwrap()
        .config;
    compile(&config, &VrfIds::default()).unwrap().kernel
}

#[test]
fn devices_that_come_late_or_again_get_their_addresses_and_routes() {
    in_namespace(|| {
        let orders = start().unwrap();
        assert!(orders.plan(plan(CONFIGURATION)));
        shows("addr show lo", &["10.0.0.1/32", "UP"]);
        for _ in 0..2 {
            ip("link add ge-0-0-0 type veth peer name far");
            ip("link set far up");
            ip("tuntap add dev st0-0 mode tun");
            shows(
                "addr show ge-0-0-0",
                &["192.0.2.1/24", "2001:db8:a::1/64", ",UP"],
            );
            shows(
                "route show",
                &[
                    "10.45.0.0/16 dev st0-0 proto static",
                    "10.9.0.0/16 via 192.0.2.9",
                    "blackhole 10.8.0.0/16",
                ],
            );
            ip("link del ge-0-0-0");
            ip("link del st0-0");
        }
        ip("link add ge-0-0-0 type veth peer name far");
        ip("link set far up");
        shows("route show", &["10.9.0.0/16 via 192.0.2.9"]);
        let moved = CONFIGURATION
            .replace("192.0.2.1/24", "192.0.2.2/24")
            .replace("route 10.8.0.0/16 discard;", "");
        assert!(orders.plan(plan(&moved)));
        shows("addr show ge-0-0-0", &["192.0.2.2/24"]);
        shows("route show", &["10.9.0.0/16 via 192.0.2.9"]);
        assert!(!ip("addr show ge-0-0-0").contains("192.0.2.1/24"));
        assert!(!ip("route show").contains("blackhole"));
    });
}

/// A twin and a tunnel in an instance, another twin in none.
const INSTANCE: &str = "
interfaces {
    ge-0/0/0 { device net_null0; unit 0 { family inet { address 192.0.2.1/24; } } }
    ge-0/0/1 { device net_null1; unit 0 { family inet { address 192.0.2.1/24; } family inet6 { address 2001:db8:b::1/64; } } }
    lo0 { unit 1 { family inet { address 10.0.0.1/32; } } }
    st0 { unit 1 { family inet; } }
}
routing-instances {
    core {
        instance-type virtual-router;
        interface [ ge-0/0/1.0 lo0.1 st0.1 ];
        routing-options { static { route 10.45.0.0/16 next-hop st0.1; route 10.9.0.0/16 next-hop 192.0.2.9; } }
    }
}";

/// Whether this kernel makes VRF devices; CONFIG_NET_VRF is often off.
fn has_vrf() -> bool {
    let mut probe = Command::new("ip");
    let words = ["link", "add", "probe", "type", "vrf", "table", "9"];
    let has = probe.args(words).output().unwrap().status.success();
    if has {
        ip("link del probe");
    }
    has
}

#[test]
fn routing_instances_are_vrf_devices_or_nothing() {
    in_namespace(|| {
        let has_vrf = has_vrf();
        let kernel = start().unwrap();
        for port in ["ge-0-0-0", "ge-0-0-1"] {
            ip(&format!("link add {port} type veth peer name far-{port}"));
            ip(&format!("link set far-{port} up"));
        }
        ip("tuntap add dev st0-1 mode tun");
        // As if it had been in the default instance so far.
        ip("addr add 192.0.2.1/24 dev ge-0-0-1");
        assert!(kernel.plan(plan(INSTANCE)));
        shows("addr show ge-0-0-0", &["192.0.2.1/24", ",UP"]);
        shows("addr show ge-0-0-1", &[",UP"]);
        for family in ["-4", "-6"] {
            shows(
                &format!("{family} rule show"),
                &["32765:\tfrom all lookup local"],
            );
            assert!(!ip(&format!("{family} rule show")).starts_with("0:"));
        }
        if has_vrf {
            shows("-d link show core", &["vrf table 6101", ",UP"]);
            shows("addr show core", &["10.0.0.1/32"]);
            shows(
                "addr show ge-0-0-1",
                &["192.0.2.1/24", "2001:db8:b::1/64", "master core"],
            );
            shows(
                "route show table 6101",
                &[
                    "10.45.0.0/16 dev st0-1",
                    "10.9.0.0/16 via 192.0.2.9 dev ge-0-0-1",
                    "unreachable default",
                ],
            );
            assert!(kernel.plan(plan("")));
            let deadline = Instant::now() + Duration::from_secs(20);
            while ip("-o link show").contains("core") {
                assert!(Instant::now() < deadline, "{}", ip("-o link show"));
                thread::yield_now();
            }
        } else {
            // The addresses of the instance are nowhere: elsewhere they would be the default instance's.
            let deadline = Instant::now() + Duration::from_secs(20);
            while ip("addr show ge-0-0-1").contains("192.0.2.1/24") {
                assert!(Instant::now() < deadline, "{}", ip("addr show ge-0-0-1"));
                thread::yield_now();
            }
            let wanted = "routing instance `core`: this kernel has no VRF devices: its module `vrf` is missing";
            let faults = kernel.faults();
            assert!(faults.iter().any(|fault| fault == wanted), "{faults:?}");
        }
    });
}

#[test]
fn a_device_of_others_with_the_name_of_an_instance_is_left_alone() {
    in_namespace(|| {
        ip("link add core type bridge");
        ip("addr add 10.5.0.1/24 dev core");
        ip("link add ge-0-0-1 type veth peer name far");
        let kernel = start().unwrap();
        assert!(kernel.plan(plan(INSTANCE)));
        shows("addr show ge-0-0-1", &[",UP"]);
        let wanted = "routing instance `core`: kernel refuses make VRF device core with table 6101: File exists";
        let faults = kernel.faults();
        assert!(faults[0].starts_with(wanted), "{faults:?}");
        assert!(ip("addr show core").contains("10.5.0.1/24"));
        assert!(!ip("link show ge-0-0-1").contains("master"));
    });
}

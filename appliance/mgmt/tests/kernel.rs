//! Addresses and static routes follow the configuration in a real kernel, while devices come and go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use nix::sched::{CloneFlags, unshare};
use ravelin_config::Model;
use ravelin_mgmt::compile::compile;
use ravelin_mgmt::kernel::{Order, start};
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

fn plan(text: &str) -> Order {
    let model = Model::new().unwrap();
    let config = model
        .load("t.conf", text)
        .map_err(|e| e.to_string())
        .unwrap()
        .config;
    Order::Plan(compile(&config).unwrap().kernel)
}

#[test]
fn devices_that_come_late_or_again_get_their_addresses_and_routes() {
    in_namespace(|| {
        let orders = start().unwrap();
        orders.send(plan(CONFIGURATION)).unwrap();
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
        orders.send(plan(&moved)).unwrap();
        shows("addr show ge-0-0-0", &["192.0.2.2/24"]);
        shows("route show", &["10.9.0.0/16 via 192.0.2.9"]);
        assert!(!ip("addr show ge-0-0-0").contains("192.0.2.1/24"));
        assert!(!ip("route show").contains("blackhole"));
    });
}

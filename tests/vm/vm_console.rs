//! Somebody stands before the box: first login on the serial console, a password of their own, and a first configuration typed in.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Lab, NicModel, minutes};
use ravelin_tests::vm::appliance::{self, Appliance};
use ravelin_tests::vm::site::configuration;
use ravelin_tests::vm::{Options, Site};

const PASSWORD: &str = "Ravelin-first-1";

#[test]
#[ignore = "vm: a boot of its own"]
fn a_first_configuration_typed_on_the_console_brings_the_tunnel_up() {
    let options = Options::default();
    let mut site = Site::start_without_day0("vm_console", options).unwrap();
    site.gateway.booted().unwrap();
    site.gateway.first_login(PASSWORD).unwrap();
    let reply = site.gateway.load("", &configuration()).unwrap();
    assert!(!reply.contains("error"), "{reply}");
    site.tunnel().unwrap();
    site.traffic().unwrap();
    site.evidence().unwrap();
    // What was typed persists, and so does the password that it brought.
    site.gateway.power_cycle().unwrap();
    site.gateway.login().unwrap();
    site.returned(minutes(4)).unwrap();
}

#[test]
#[ignore = "vm: a boot of its own"]
fn a_mistake_typed_on_the_console_changes_nothing_and_is_shown() {
    let mut site = Site::start_without_day0("vm_console_fault", Options::default()).unwrap();
    site.gateway.booted().unwrap();
    site.gateway.first_login(PASSWORD).unwrap();
    let before = site.gateway.cli("show configuration").unwrap();
    let text = configuration().replace("group19", "group99");
    let reply = site.gateway.load("", &text).unwrap();
    assert!(reply.contains("group99"), "{reply}");
    assert_eq!(site.gateway.cli("show configuration").unwrap(), before);
    // The other console, a screen, is as live.
    let screen = site.gateway.shell("fold -w 80 /dev/vcs1; echo").unwrap();
    assert!(screen.contains("login:"), "{screen}");
}

#[test]
#[ignore = "vm: four boots of its own"]
fn restarts_keep_the_box_and_zeroize_makes_it_another() {
    let lab = Lab::new("vm_zeroize").unwrap();
    let plan = appliance::plan("gateway", NicModel::virtio(), &[]).unwrap();
    let mut gateway = Appliance::start(plan, &lab).unwrap();
    gateway.booted().unwrap();
    gateway.first_login(PASSWORD).unwrap();
    let first = identity(&mut gateway);
    let named = gateway.load("merge", "set system host-name gw7").unwrap();
    assert!(!named.contains("error"), "{named}");

    // At once, so that what was written last is in the journals of the file system only.
    gateway.power_cycle().unwrap();
    gateway.login_with(PASSWORD).unwrap();
    assert_eq!(identity(&mut gateway), first);
    let hosts = gateway.shell("getent hosts localhost gw7").unwrap();
    assert!(
        hosts.contains("localhost") && hosts.contains("127.0.1.1"),
        "{hosts}"
    );

    gateway.end("request system reboot").unwrap();
    gateway.login_with(PASSWORD).unwrap();
    assert_eq!(identity(&mut gateway), first);
    let stored = gateway.cli("show configuration").unwrap();
    assert!(stored.contains("host-name gw7;"), "{stored}");

    gateway.end("request system zeroize").unwrap();
    // Nobody has a password again.
    gateway.first_login(PASSWORD).unwrap();
    let fresh = gateway.cli("show configuration").unwrap();
    assert!(!fresh.contains("host-name"), "{fresh}");
    for (then, now) in first.iter().zip(identity(&mut gateway)) {
        assert_ne!(*then, now);
    }
    let left = gateway.shell("ls /data/config /data/log").unwrap();
    assert!(!left.contains("ravelin.conf.1"), "{left}");
}

/// The machine's id and the digests of its SSH host keys.
fn identity(gateway: &mut Appliance) -> Vec<String> {
    let shown = gateway
        .shell("cat /etc/machine-id; cat /data/machine-id; sha256sum </data/keys/ssh/ssh_host_ed25519_key; sha256sum </data/keys/ssh/ssh_host_ecdsa_key")
        .unwrap();
    let hexadecimal = |word: &&str| word.len() >= 32 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words: Vec<String> = shown
        .split_whitespace()
        .filter(hexadecimal)
        .map(str::to_owned)
        .collect();
    assert_eq!(words.len(), 4, "{shown}");
    assert_eq!(words[0], words[1], "{shown}");
    words
}

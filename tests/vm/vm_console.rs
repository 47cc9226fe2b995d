//! Somebody stands before the box: first login on the serial console, a password of their own, and a first configuration typed in.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::minutes;
use ravelin_tests::vm::appliance::Appliance;
use ravelin_tests::vm::{Options, Site};

const PASSWORD: &str = "Ravelin-first-1";

#[test]
#[ignore = "vm: a boot of its own"]
fn a_first_configuration_typed_on_the_console_brings_the_tunnel_up() {
    let options = Options::default();
    let mut site = Site::start_without_day0("vm_console", options).unwrap();
    site.gateway.booted().unwrap();
    site.gateway.first_login(PASSWORD).unwrap();
    let reply = load(&mut site.gateway, &ravelin_tests::vm::site::configuration());
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
    let text = ravelin_tests::vm::site::configuration().replace("group19", "group99");
    let reply = load(&mut site.gateway, &text);
    assert!(reply.contains("group99"), "{reply}");
    assert_eq!(site.gateway.cli("show configuration").unwrap(), before);
}

/// `request system configuration load terminal`: the text, then the end of input; returns what is said about it.
fn load(gateway: &mut Appliance, text: &str) -> String {
    let console = gateway.guest().console().unwrap();
    console
        .send_line("request system configuration load terminal")
        .unwrap();
    console
        .expect(r"(?i)\^D|ctrl-d|end of", minutes(1))
        .unwrap();
    console.paste(text, minutes(1)).unwrap();
    console.skip();
    console.send("\u{4}").unwrap();
    let prompt = format!("^(?:{})\\z", ravelin_tests::vm::appliance::PROMPT);
    console.expect(&prompt, minutes(4)).unwrap().before
}

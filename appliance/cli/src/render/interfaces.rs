//! `show interfaces [terse]`.

use super::{line, mac};
use ravelin_ctl::operator::Interface;
use std::net::IpAddr;

/// One line per address, and one for an interface without any.
pub(super) fn terse(list: &[Interface]) -> String {
    let mut out = format!(
        "{:<24}{:<6}{:<5}{:<9}{:<22}Remote\n",
        "Interface", "Admin", "Link", "Proto", "Local"
    );
    for interface in list {
        let mut head = format!(
            "{:<24}{:<6}{:<5}",
            interface.name,
            up(interface.admin_up),
            up(interface.link_up)
        );
        if interface.addresses.is_empty() {
            out.push_str(&line(&head, ""));
        }
        let mut before = "";
        for (address, len) in &interface.addresses {
            let family = family(address);
            let shown = if family == before { "" } else { family };
            out.push_str(&line(
                &format!("{head}{shown:<9}"),
                &format!("{address}/{len}"),
            ));
            head = " ".repeat(35);
            before = family;
        }
    }
    out
}

/// A paragraph per port with its units below; units of a port that is not listed stand alone.
pub(super) fn full(list: &[Interface]) -> String {
    let mut out = String::new();
    let mut before = "";
    for interface in list {
        let (name, is_unit) = match interface.name.split_once('.') {
            Some((name, _)) => (name, true),
            None => (interface.name.as_str(), false),
        };
        if !out.is_empty() && name != before {
            out.push('\n');
        }
        before = name;
        if is_unit {
            unit(&mut out, interface);
        } else {
            port(&mut out, interface);
        }
    }
    out
}

fn port(out: &mut String, port: &Interface) {
    let enabled = if port.admin_up { "Enabled" } else { "Disabled" };
    let link = if port.link_up { "Up" } else { "Down" };
    let hardware = port.mac.map_or_else(|| "-".to_owned(), mac);
    out.push_str(&line(
        &format!("Physical interface: {}, {enabled}, ", port.name),
        &format!("Physical link is {link}"),
    ));
    out.push_str(&line(
        &format!("  MTU: {}, Current address: {hardware}", port.mtu_octets),
        "",
    ));
    if let Some(device) = &port.device {
        out.push_str(&line("  Device: ", device));
    }
    counters(out, port, "  ");
}

fn unit(out: &mut String, unit: &Interface) {
    let state = match (unit.admin_up, unit.link_up) {
        (false, _) => "Disabled",
        (true, true) => "Up",
        (true, false) => "Down",
    };
    out.push_str(&line(
        &format!("  Logical interface {}, {state}, ", unit.name),
        &format!("MTU: {}", unit.mtu_octets),
    ));
    if let Some(instance) = &unit.instance {
        out.push_str(&line("    Routing instance: ", instance));
    }
    for (address, len) in &unit.addresses {
        out.push_str(&line(
            &format!("    {:<6}", family(address)),
            &format!("{address}/{len}"),
        ));
    }
    counters(out, unit, "    ");
}

fn counters(out: &mut String, interface: &Interface, indent: &str) {
    for (name, packets, octets) in [
        ("Input", interface.in_packets, interface.in_octets),
        ("Output", interface.out_packets, interface.out_octets),
    ] {
        out.push_str(&line(
            &format!("{indent}{name:<7}: {packets} packets, "),
            &format!("{octets} bytes"),
        ));
    }
    out.push_str(&line(
        &format!("{indent}Errors : "),
        &interface.errors.to_string(),
    ));
}

fn up(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "inet" } else { "inet6" }
}

//! Cuts the kernel off from an interface that a port reads by AF_PACKET.
//!
//! The kernel goes on processing frames of such an interface, so it would answer ARP and take IKE packets beside us, and forward
//! nothing but confuse everything. An nft ingress chain drops all of them before the stack; packet sockets see them all the same.
//! The rule stays when planed dies: nothing answers in its place. It is taken away only when the port is removed.

use std::fs;

use ravelin_platform::nft;
use ravelin_tuntap::DeviceName;

use crate::error::Error;

/// The driver that shares an interface with the kernel.
const DRIVER: &str = "net_af_packet";

/// The kernel interface behind a virtual device, when its driver shares it with the kernel.
pub fn shared_interface(vdev: &str) -> Option<&str> {
    let (driver, arguments) = vdev.split_once(',')?;
    if !driver.starts_with(DRIVER) {
        return None;
    }
    let mut arguments = arguments.split(',');
    arguments.find_map(|argument| argument.strip_prefix("iface="))
}

/// Cuts the kernel off from `interface` and sets it up. Again is no error: the rule of a former run is adopted. When a step fails, a
/// rule that was not there before goes again.
///
/// # Errors
/// Names the interface and the step.
pub fn cut_off(interface: &DeviceName) -> Result<(), Error> {
    ravelin_tuntap::index(interface)
        .map_err(|error| failed(interface, "look for it", error.to_string()))?;
    let adopted = is_cut_off(interface);
    let outcome = apply(interface, &script(interface.as_str()))
        .and_then(|()| silence(interface, true))
        .and_then(|()| {
            ravelin_tuntap::set_up(interface, true)
                .map_err(|error| failed(interface, "set it up", error.to_string()))
        });
    if outcome.is_err() && !adopted {
        restore(interface).unwrap_or_else(|error| log::warn!("{error}"));
    }
    outcome
}

/// Whether the rule is there.
pub fn is_cut_off(interface: &DeviceName) -> bool {
    nft::has_table("netdev", &table(interface.as_str()))
}

/// Gives the interface back to the kernel.
///
/// # Errors
/// nft's.
pub fn restore(interface: &DeviceName) -> Result<(), Error> {
    let table = table(interface.as_str());
    // Adding first makes the deletion succeed in any case.
    let script = format!("add table netdev {table}\ndelete table netdev {table}\n");
    apply(interface, &script)?;
    silence(interface, false)
}

/// No router solicitations, no multicast reports, no address of its own; or all of it again.
fn silence(interface: &DeviceName, on: bool) -> Result<(), Error> {
    let value = if on { "1" } else { "0" };
    for file in ["addr_gen_mode", "disable_ipv6"] {
        let path = format!("/proc/sys/net/ipv6/conf/{}/{file}", interface.as_str());
        match fs::write(&path, value) {
            // A kernel without IPv6 has nothing to switch off.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(interface, "switch IPv6", error.to_string()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The table of an interface; names of nft have fewer letters than those of interfaces.
fn table(interface: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = interface.chars().map(plain).collect();
    format!("ravelin_{name}")
}

fn script(interface: &str) -> String {
    let table = table(interface);
    format!(
        "table netdev {table} {{\n chain ingress {{\n  type filter hook ingress device \"{interface}\" priority -500; policy drop;\n }}\n}}\n"
    )
}

fn failed(interface: &DeviceName, step: &'static str, reason: String) -> Error {
    Error::CutOff {
        interface: interface.to_string(),
        step,
        reason,
    }
}

fn apply(interface: &DeviceName, script: &str) -> Result<(), Error> {
    const STEP: &str = "drop what the kernel would take, by nft";
    nft::apply(script).map_err(|refused| failed(interface, STEP, refused.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_af_packet_shares_its_interface() {
        assert_eq!(
            shared_interface("net_af_packet0,framecnt=64,iface=x0"),
            Some("x0")
        );
        assert_eq!(shared_interface("net_tap0,iface=x0"), None);
        assert_eq!(shared_interface("net_af_packet0"), None);
    }

    #[test]
    fn the_rule_drops_everything_of_one_interface() {
        assert_eq!(
            script("eth0.5"),
            "table netdev ravelin_eth0_5 {\n chain ingress {\n  type filter hook ingress device \"eth0.5\" priority -500; policy drop;\n }\n}\n"
        );
    }
}

//! `show security ike ...`.

use super::{duration, line, wrapped};
use ravelin_ctl::operator::{IkeGateway, IkeSa};
use std::fmt::Write;

/// One line per SA.
pub(super) fn brief(list: &[IkeSa]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "{:<8}{:<7}{:<18}{:<18}{:<8}Remote Address\n",
        "Index", "State", "Initiator cookie", "Responder cookie", "Mode"
    );
    for sa in list {
        let head = format!(
            "{:<8}{:<7}{:<18}{:<18}{:<8}",
            sa.index,
            state(sa),
            format!("{:016x}", sa.initiator_spi),
            format!("{:016x}", sa.responder_spi),
            "IKEv2",
        );
        out.push_str(&line(&head, &sa.remote.ip().to_string()));
    }
    out
}

/// Junos knows UP and DOWN; the name of the exchange is in the detail.
fn state(sa: &IkeSa) -> &'static str {
    if sa.state == "UP" { "UP" } else { "DOWN" }
}

/// A paragraph per SA.
pub(super) fn detail(list: &[IkeSa]) -> String {
    let mut out = String::new();
    for (place, sa) in list.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        paragraph(&mut out, sa);
    }
    out
}

fn paragraph(out: &mut String, sa: &IkeSa) {
    let gateway = sa.gateway.as_deref().unwrap_or("-");
    let role = if sa.initiator {
        "Initiator"
    } else {
        "Responder"
    };
    let identity = |i: &Option<ravelin_types::Identity>| {
        i.as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let integrity = sa.integrity.as_deref().unwrap_or("none");
    let nat = if sa.nat { "detected" } else { "not detected" };
    // Writing to a String cannot fail.
    let mut put = |head: String, last: String| out.push_str(&line(&head, &last));
    put(
        format!("IKE peer {}, Index {}, ", sa.remote.ip(), sa.index),
        format!("Gateway Name: {gateway}"),
    );
    put(
        format!("  Role: {role}, State: {}, ", sa.state),
        "Exchange type: IKEv2".to_owned(),
    );
    put(
        format!("  Initiator cookie: {:016x}, ", sa.initiator_spi),
        format!("Responder cookie: {:016x}", sa.responder_spi),
    );
    put(
        format!("  Local: {}, ", sa.local),
        format!("Remote: {}", sa.remote),
    );
    if let Some(instance) = &sa.instance {
        put("  Routing instance: ".to_owned(), instance.clone());
    }
    put(
        "  Local identity: ".to_owned(),
        identity(&sa.local_identity),
    );
    put(
        "  Remote identity: ".to_owned(),
        identity(&sa.remote_identity),
    );
    put(
        format!(
            "  Up for: {}, Rekey in: {} s, ",
            duration(sa.age_s),
            sa.rekey_s
        ),
        format!("Expires in: {} s", sa.lifetime_s),
    );
    put("  Algorithms:".to_owned(), String::new());
    for (name, value) in [
        ("Encryption", sa.encryption.as_str()),
        ("Authentication", integrity),
        ("Pseudo random function", &sa.prf),
        ("Diffie-Hellman group", &sa.dh_group),
    ] {
        put(format!("   {name:<23}: "), value.to_owned());
    }
    put(
        "  Post-quantum pre-shared key: ".to_owned(),
        sa.ppk.clone().unwrap_or_else(|| "none".to_owned()),
    );
    for address in &sa.leases {
        put("  Assigned address: ".to_owned(), address.to_string());
    }
    let mobike = if sa.mobike { "agreed" } else { "no" };
    put(
        format!("  NAT: {nat}, MOBIKE: {mobike}, "),
        format!("IPsec security associations: {}", sa.children),
    );
    put(
        format!(
            "  Messages in: {}, out: {}, ",
            sa.messages_in, sa.messages_out
        ),
        format!("retransmitted: {}", sa.retransmissions),
    );
}

/// A paragraph for each: a line for each place of its peer, and what is known of a host name below it.
pub(super) fn gateways(list: &[IkeGateway]) -> String {
    let mut out = String::new();
    for gateway in list {
        out.push_str(&line("Gateway Name: ", &gateway.name));
        for place in &gateway.peer {
            out.push_str(&line("  Peer: ", &place.address));
            for address in &place.known {
                out.push_str(&line("    is at ", &address.to_string()));
            }
            if let Some(error) = &place.error {
                out.push_str(&wrapped("    Resolver: ", error, 4));
            }
        }
    }
    out
}

/// Counters by name.
pub(super) fn statistics(list: &[(String, u64)]) -> String {
    let mut out = String::from("IKE statistics:\n");
    for (name, value) in list {
        let _ = writeln!(out, "  {name:<45}{value:>20}");
    }
    out
}

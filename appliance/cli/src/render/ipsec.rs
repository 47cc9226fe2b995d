//! `show security ipsec ...`.

use super::{line, system};
use ravelin_ctl::operator::{IpsecSa, IpsecStatistics};
use ravelin_types::{
    Identity, IpsecMode, IpsecProtocol, LIFE_KILOBYTE_OCTETS, Spi, TrafficSelector,
};
use std::fmt::Write;

/// Two lines per pair: `<` inbound, `>` outbound.
pub(super) fn brief(list: &[IpsecSa]) -> String {
    let active = list.iter().filter(|sa| sa.outbound_active).count();
    let mut out = format!(
        "  Total active tunnels: {active}     Total Ipsec sas: {}\n",
        list.len()
    );
    if list.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "  {:<8}{:<21}{:<9}{:<13}{:<4}{:<5}{:<6}Gateway",
        "ID", "Algorithm", "SPI", "Life:sec/kb", "Mon", "lsys", "Port"
    );
    for sa in list {
        for (arrow, spi) in [("<", sa.inbound_spi), (">", sa.outbound_spi)] {
            out.push_str(&direction(sa, arrow, spi));
        }
    }
    out
}

fn protocol(sa: &IpsecSa) -> &'static str {
    match sa.protocol {
        IpsecProtocol::Esp => "ESP",
        IpsecProtocol::Ah => "AH",
    }
}

/// `sha256` for `hmac-sha-256-128`.
fn short_integrity(sa: &IpsecSa) -> String {
    let Some(name) = sa.integrity.as_deref() else {
        return "None".to_owned();
    };
    let name = name.strip_prefix("hmac-").unwrap_or(name);
    let name = ["-96", "-128"]
        .iter()
        .find_map(|truncation| name.strip_suffix(truncation))
        .unwrap_or(name);
    name.replace('-', "")
}

fn direction(sa: &IpsecSa, arrow: &str, spi: Spi) -> String {
    let head = format!(
        "  {:<8}{:<20} {:<9}{:<13}{:<4}{:<5}{:<6}",
        format!("{arrow}{}", sa.pair.0),
        format!("{}:{}/{}", protocol(sa), sa.encryption, short_integrity(sa)),
        spi.to_string(),
        format!("{}/ {}", sa.lifetime_s, life_size(sa)),
        "-",
        "root",
        sa.remote.port(),
    );
    line(&head, &sa.remote.ip().to_string())
}

/// Kilobytes until the pair expires, as in the head `Life:sec/kb`; what would be wider than its column in larger units.
fn life_size(sa: &IpsecSa) -> String {
    let Some(octets) = sa.octets_left else {
        return "unlim".to_owned();
    };
    match octets / LIFE_KILOBYTE_OCTETS {
        kilobytes @ 0..100_000 => kilobytes.to_string(),
        kilobytes @ 100_000..100_000_000 => format!("{}M", kilobytes >> 10),
        kilobytes => format!("{}G", kilobytes >> 20),
    }
}

/// A paragraph per pair.
pub(super) fn detail(list: &[IpsecSa]) -> String {
    let mut out = String::new();
    for (place, sa) in list.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        paragraph(&mut out, sa);
    }
    out
}

fn paragraph(out: &mut String, sa: &IpsecSa) {
    let identity =
        (sa.remote_identity.as_ref()).map_or_else(|| "-".to_owned(), Identity::to_string);
    let carrier = if sa.udp_encapsulated {
        "ESP in UDP"
    } else {
        protocol(sa)
    };
    let mode = match sa.mode {
        IpsecMode::Tunnel => "Tunnel",
        IpsecMode::Transport => "Transport",
    };
    let mut put = |head: String, last: String| out.push_str(&line(&head, &last));
    put(
        format!("ID: {}, Virtual-system: root, ", sa.pair.0),
        format!("VPN Name: {}", sa.vpn),
    );
    put(
        format!("  Local Gateway: {}, ", sa.local),
        format!("Remote Gateway: {}", sa.remote),
    );
    put(
        format!("  IKE gateway: {}, ", sa.gateway),
        format!("IKE SA index: {}", sa.ike_index),
    );
    if sa.outer_instance.is_some() || sa.inner_instance.is_some() {
        let name = |instance: &Option<String>| instance.clone().unwrap_or_else(|| "default".into());
        put(
            format!("  Routing instance: {}, ", name(&sa.outer_instance)),
            format!("of Bind-interface: {}", name(&sa.inner_instance)),
        );
    }
    put("  Remote identity: ".to_owned(), identity);
    for (name, selectors) in [("Local", &sa.local_ts), ("Remote", &sa.remote_ts)] {
        for selector in selectors.iter().map(TrafficSelector::to_string) {
            put(format!("  {name} traffic selector: "), selector);
        }
    }
    put(
        format!("  Bind-interface: {}, Mode: {mode}, ", sa.tunnel),
        format!("Encapsulation: {carrier}"),
    );
    if let Some(resource) = &sa.resource {
        put("  Resource of the peer: ".to_owned(), resource.clone());
    }
    let window = if sa.replay_window == 0 {
        "disabled".to_owned()
    } else {
        format!("enabled, Replay window size: {}", sa.replay_window)
    };
    let integrity = sa.integrity.as_deref().unwrap_or("None");
    let standby = if sa.outbound_active {
        ""
    } else {
        " (stands by)"
    };
    for (name, spi, note) in [
        ("inbound", sa.inbound_spi, ""),
        ("outbound", sa.outbound_spi, standby),
    ] {
        put(
            format!("  Direction: {name}{note}, "),
            format!("SPI: {spi}"),
        );
        put(
            format!(
                "    Protocol: {}, Authentication: {integrity}, ",
                protocol(sa)
            ),
            format!("Encryption: {}", sa.encryption),
        );
    }
    put(
        format!("  Rekey in: {} s, ", sa.rekey_s),
        format!("Expires in: {} s", sa.lifetime_s),
    );
    let kilobytes = |octets: u64| format!("{} kilobytes", octets / LIFE_KILOBYTE_OCTETS);
    let lifesize = match (sa.octets_left, sa.packets_left) {
        (None, None) => "Unlimited".to_owned(),
        (Some(octets), None) => kilobytes(octets),
        (None, Some(packets)) => format!("{packets} packets"),
        (Some(octets), Some(packets)) => format!("{}, {packets} packets", kilobytes(octets)),
    };
    put("  Lifesize Remaining: ".to_owned(), lifesize);
    put("  Anti-replay service: ".to_owned(), window);
    let extended = if sa.extended_sequence {
        "Enabled"
    } else {
        "Disabled"
    };
    put(
        "  Extended-Sequence-Number: ".to_owned(),
        extended.to_owned(),
    );
    if let Some(counters) = &sa.counters {
        put(
            format!("  Encrypted: {} packets, ", counters.out_packets),
            format!("{} bytes", counters.out_octets),
        );
        put(
            format!("  Decrypted: {} packets, ", counters.in_packets),
            format!("{} bytes", counters.in_octets),
        );
        put(
            format!(
                "  Replay errors: {}, Authentication failures: {}, ",
                counters.replay_drops, counters.auth_drops
            ),
            format!("Outside selectors: {}", counters.selector_drops),
        );
    }
}

/// Sums since the start of the data plane.
pub(super) fn statistics(sums: &IpsecStatistics) -> String {
    let mut out = String::from("ESP Statistics:\n");
    let total = &sums.total;
    for (name, value) in [
        ("Encrypted bytes", total.out_octets),
        ("Decrypted bytes", total.in_octets),
        ("Encrypted packets", total.out_packets),
        ("Decrypted packets", total.in_packets),
        ("Security association pairs", sums.pairs),
    ] {
        let _ = writeln!(out, "  {:<28}{value:>20}", format!("{name}:"));
    }
    out.push_str("Errors:\n");
    let _ = writeln!(
        out,
        "  ESP authentication failures: {}, Replay errors: {}",
        total.auth_drops, total.replay_drops
    );
    let _ = writeln!(
        out,
        "  Packets outside traffic selectors: {}",
        total.selector_drops
    );
    if !sums.drops.is_empty() {
        out.push_str("Discards:\n");
        out.push_str(&system::drops(&sums.drops));
    }
    out
}

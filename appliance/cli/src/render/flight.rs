//! `show security ipsec flight-recorder`.

use super::wrapped;
use crate::monitor::{comment, protocol_name, time_of_day};
use ravelin_ctl::flight::{Flight, FlightRecord, Outcome};
use std::fmt::Write;
use std::net::IpAddr;

/// What is recorded, then two lines per packet, the oldest first.
pub(super) fn text(flight: &Flight) -> String {
    let Some(tunnel) = &flight.tunnel else {
        return "Nothing has been recorded\n".to_owned();
    };
    let state = if flight.recording {
        "recording"
    } else {
        "stopped"
    };
    let head = format!("Flight recorder: {state}, tunnel {} ", tunnel.local);
    let mut out = wrapped(&head, &format!("to {}", tunnel.remote), 17);
    let pairs: Vec<String> = flight.pairs.iter().map(|p| p.0.to_string()).collect();
    out.push_str(&wrapped("Begun with SAs: ", &pairs.join(", "), 16));
    if !flight.records.is_empty() {
        let _ = writeln!(
            out,
            "{:<17}{:<14}{:<22}{:<16}{:>8}",
            "Time (UTC)", "Stage", "Outcome", "Interface", "Octets"
        );
    }
    for record in &flight.records {
        out.push_str(&row(record));
    }
    out
}

fn row(record: &FlightRecord) -> String {
    let outcome = match &record.outcome {
        Outcome::Encrypted => "encrypted",
        Outcome::Decrypted => "decrypted",
        Outcome::Sent => "sent",
        Outcome::Dropped(reason) => reason,
    };
    let mut out = format!(
        "{:<17}{:<14}{:<22}{:<16}{:>8}\n",
        time_of_day(record.time_us),
        record.stage,
        outcome,
        record.interface,
        record.octets
    );
    let packet = format!(
        "{} > {} {}",
        end(record.source),
        end(record.destination),
        protocol_name(record.protocol)
    );
    let esp = record.esp.as_ref();
    let carried = esp.map_or(String::new(), |esp| format!(", {}", comment(esp)));
    out.push_str(&wrapped("  ", &format!("{packet}{carried}"), 4));
    out
}

fn end((address, port): (IpAddr, Option<u16>)) -> String {
    port.map_or_else(|| address.to_string(), |port| format!("{address}.{port}"))
}

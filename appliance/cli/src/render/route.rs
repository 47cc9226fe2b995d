//! `show route`.

use super::{duration, line};
use ravelin_ctl::operator::{NextHop, Route, RouteList, TableSummary};
use std::collections::BTreeMap;

/// Column of the protocol; a longer prefix has a line of its own.
const PROTOCOL_COLUMN: usize = 19;

/// One block per routing table, its routes by prefix.
pub(super) fn tables(list: &RouteList) -> String {
    let mut tables: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
    for route in &list.routes {
        tables.entry(&route.table).or_default().push(route);
    }
    let mut out = String::new();
    for (name, mut routes) in tables {
        routes.sort_by_key(|r| (r.prefix, !r.active, r.preference, r.metric));
        if !out.is_empty() {
            out.push('\n');
        }
        let mut destinations: Vec<_> = routes.iter().map(|r| r.prefix).collect();
        destinations.dedup();
        let active = routes.iter().filter(|r| r.active).count();
        out.push_str(&line(
            &format!("{name}: {} destinations, ", destinations.len()),
            &format!(
                "{} routes ({active} active, 0 holddown, 0 hidden)",
                routes.len()
            ),
        ));
        out.push_str("+ = Active Route, - = Last Active, * = Both\n\n");
        let mut before = None;
        for route in routes {
            entry(&mut out, route, before == Some(route.prefix));
            before = Some(route.prefix);
        }
    }
    if list.left_out > 0 {
        out.push_str(&format!(
            "\n{} more are not shown; `show route summary` counts all\n",
            list.left_out
        ));
    }
    out
}

/// One block per routing table, its routes counted by protocol.
pub(super) fn summary(tables: &[TableSummary]) -> String {
    let mut out = String::new();
    for TableSummary { table, protocols } in tables {
        let all: u64 = protocols.iter().map(|(_, count)| count).sum();
        out.push_str(&format!("{table}: {all} routes ({all} active)\n"));
        for (name, count) in protocols {
            let name = format!("{}:", protocol(name));
            out.push_str(&format!(
                "{name:>21} {count:>7} routes, {count:>7} active\n"
            ));
        }
    }
    out
}

fn entry(out: &mut String, route: &Route, again: bool) {
    let prefix = if again {
        String::new()
    } else {
        route.prefix.to_string()
    };
    let mut head = format!("{prefix:<PROTOCOL_COLUMN$}");
    if prefix.len() >= PROTOCOL_COLUMN {
        out.push_str(&prefix);
        out.push('\n');
        head = " ".repeat(PROTOCOL_COLUMN);
    }
    let star = if route.active { '*' } else { ' ' };
    let metric = if route.metric == 0 {
        String::new()
    } else {
        format!(", metric {}", route.metric)
    };
    out.push_str(&line(
        &format!(
            "{head}{star}[{}/{}] {}",
            protocol(&route.protocol),
            route.preference,
            duration(route.age_s)
        ),
        &metric,
    ));
    for (place, hop) in route.next_hops.iter().enumerate() {
        let mark = if place == 0 && route.active { '>' } else { ' ' };
        out.push_str(&next_hop(hop, mark));
    }
}

fn next_hop(hop: &NextHop, mark: char) -> String {
    let indent = " ".repeat(PROTOCOL_COLUMN + 1);
    match hop {
        NextHop::Unit {
            gateway: Some(gateway),
            unit,
        } => line(
            &format!("{indent}{mark} to {gateway} "),
            &format!("via {unit}"),
        ),
        NextHop::Unit {
            gateway: None,
            unit,
        } => line(&format!("{indent}{mark} "), &format!("via {unit}")),
        NextHop::Local => format!("{indent}  Local\n"),
        NextHop::Discard => format!("{indent}  Discard\n"),
        NextHop::Reject => format!("{indent}  Reject\n"),
    }
}

/// Junos writes `Static` and `Direct`, but `BGP` and `OSPF`.
fn protocol(name: &str) -> String {
    match name {
        "bgp" | "ospf" | "ospf3" | "rip" | "isis" | "ari-ts" => name.to_uppercase(),
        _ => {
            let mut letters = name.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    }
}

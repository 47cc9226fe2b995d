//! Answers as JSON: the fields of [`ravelin_ctl::operator`] by name, with prefixes, selectors, SPIs, MAC addresses and names
//! as the text that people write.

use ravelin_ctl::failure::FailureEntry;
use ravelin_ctl::flight::{Flight, FlightRecord};
use ravelin_ctl::operator::{
    DaemonReply, IkeSa, Interface, IpsecSa, NextHop, ProcessStatus, Reply, Route,
};
use ravelin_ctl::pki::PkiReply;
use ravelin_types::TrafficSelector;
use serde::Serialize;
use serde_json::{Value, json};

/// The whole document.
pub(crate) fn render(reply: &Reply) -> String {
    let value = match reply {
        Reply::Daemon(answer) => daemon(answer),
        Reply::Processes(list) => {
            json!({ "processes": list.iter().map(process).collect::<Vec<_>>() })
        }
        Reply::Configuration(text) => json!({ "configuration": text }),
        Reply::Loaded {
            generation,
            warnings,
        } => json!({ "generation": generation, "warnings": warnings }),
        Reply::Session(session) => json!({ "session": session }),
        Reply::Node(node) => json!({ "node": node }),
        Reply::Day0(record) => json!({ "day_0": record }),
        Reply::Accepted => json!({ "accepted": true }),
        Reply::Failed(lines) => json!({ "errors": lines }),
        Reply::Hardware(platform) => json!({ "hardware": platform }),
        Reply::Alarms(list) => json!({ "alarms": list }),
    };
    // A tree of strings and numbers always prints.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn daemon(answer: &DaemonReply) -> Value {
    match answer {
        DaemonReply::IkeSas(list) => {
            json!({ "ike_security_associations": list.iter().map(ike_sa).collect::<Vec<_>>() })
        }
        DaemonReply::IpsecSas(list) => {
            json!({ "ipsec_security_associations": list.iter().map(ipsec_sa).collect::<Vec<_>>() })
        }
        DaemonReply::IkeGateways(list) => json!({ "ike_gateways": list }),
        DaemonReply::IkeStatistics(list) => {
            let fields = list.iter().map(|(k, v)| (k.clone(), Value::from(*v)));
            json!({ "ike_statistics": Value::Object(fields.collect()) })
        }
        DaemonReply::IkeFailures(all) => {
            let entries = all.entries.iter().map(failure).collect();
            json!({ "ike_failures": with(all, vec![("entries", entries)]) })
        }
        DaemonReply::Log(text) => json!({ "log": text.lines().collect::<Vec<_>>() }),
        DaemonReply::IkeTrace(trace) => json!({ "ike_trace": trace }),
        DaemonReply::IpsecStatistics(sums) => json!({ "ipsec_statistics": sums }),
        DaemonReply::Interfaces(list) => {
            json!({ "interfaces": list.iter().map(interface).collect::<Vec<_>>() })
        }
        DaemonReply::Routes(list) => {
            let routes: Vec<_> = list.routes.iter().map(route).collect();
            json!({ "routes": routes, "left_out": list.left_out })
        }
        DaemonReply::RouteSummary(tables) => json!({ "tables": tables }),
        DaemonReply::Drops(list) => json!({ "drops": list }),
        DaemonReply::HighAvailability(all) => json!({ "high_availability": all }),
        DaemonReply::Capture(reply) => json!({ "capture": reply }),
        DaemonReply::Flight(flight) => json!({ "flight_recorder": flight_json(flight) }),
        DaemonReply::Cpu(workers) => json!({ "workers": workers }),
        DaemonReply::Buffers(all) => json!({ "buffers": all }),
        DaemonReply::Acceleration(all) => json!({ "acceleration": all }),
        // Keys are in the file, and nowhere else.
        DaemonReply::IkeTraceKeys(keys) => json!({ "ike_sas_with_keys": keys.len() }),
        DaemonReply::Alarms(list) => json!({ "alarms": list }),
        DaemonReply::Pki(reply) => pki(reply),
        DaemonReply::Done(count) => json!({ "done": count }),
        DaemonReply::Failed(line) => json!({ "errors": [line] }),
    }
}

fn pki(reply: &PkiReply) -> Value {
    match reply {
        PkiReply::Generated { name, key } => json!({ "generated": name, "key": key }),
        PkiReply::Request { pem } => json!({ "certificate_request": pem }),
        PkiReply::Loaded {
            what,
            name,
            subjects,
        } => json!({ "loaded": what.name(), "name": name, "subjects": subjects }),
        PkiReply::PassphraseWanted => json!({ "passphrase_wanted": true }),
        PkiReply::Cleared(what, count) => json!({ "deleted": count, "what": what.name() }),
        PkiReply::Locals { list, left_out } => {
            json!({ "local_certificates": list, "left_out": left_out })
        }
        PkiReply::Authorities { list, left_out } => {
            json!({ "ca_certificates": list, "left_out": left_out })
        }
        PkiReply::Lists(list) => json!({ "revocation_lists": list }),
        PkiReply::KeyLists(lists) => {
            let lists = lists.iter();
            let lists = lists.map(|(name, keys)| json!({ "name": name, "keys": keys }));
            json!({ "pre_shared_keys": lists.collect::<Vec<_>>() })
        }
    }
}

/// The fields of `item`, some of them replaced.
fn with(item: &impl Serialize, replaced: Vec<(&str, Value)>) -> Value {
    let mut value = serde_json::to_value(item).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        for (name, text) in replaced {
            fields.insert(name.to_owned(), text);
        }
    }
    value
}

fn text(value: &Option<impl ToString>) -> Value {
    value
        .as_ref()
        .map_or(Value::Null, |v| Value::from(v.to_string()))
}

fn texts<T: ToString>(list: &[T]) -> Value {
    Value::Array(list.iter().map(|v| Value::from(v.to_string())).collect())
}

fn process(process: &ProcessStatus) -> Value {
    with(process, Vec::new())
}

fn ike_sa(sa: &IkeSa) -> Value {
    let spi = |spi: u64| Value::from(format!("{spi:016x}"));
    with(
        sa,
        vec![
            ("initiator_spi", spi(sa.initiator_spi)),
            ("responder_spi", spi(sa.responder_spi)),
            ("local_identity", text(&sa.local_identity)),
            ("remote_identity", text(&sa.remote_identity)),
        ],
    )
}

fn failure(entry: &FailureEntry) -> Value {
    with(entry, vec![("identity", text(&entry.identity))])
}

fn ipsec_sa(sa: &IpsecSa) -> Value {
    let selectors = |list: &[TrafficSelector]| texts(list);
    with(
        sa,
        vec![
            ("tunnel", sa.tunnel.to_string().into()),
            ("inbound_spi", sa.inbound_spi.to_string().into()),
            ("outbound_spi", sa.outbound_spi.to_string().into()),
            ("local_ts", selectors(&sa.local_ts)),
            ("remote_ts", selectors(&sa.remote_ts)),
            ("remote_identity", text(&sa.remote_identity)),
        ],
    )
}

fn flight_json(flight: &Flight) -> Value {
    let record = |record: &FlightRecord| {
        let esp = record
            .esp
            .map(|esp| with(&esp, vec![("spi", esp.spi.to_string().into())]));
        with(record, vec![("esp", esp.into())])
    };
    let records = flight.records.iter().map(record).collect();
    with(flight, vec![("records", records)])
}

fn interface(interface: &Interface) -> Value {
    let addresses: Vec<String> = (interface.addresses.iter())
        .map(|(address, len)| format!("{address}/{len}"))
        .collect();
    with(
        interface,
        vec![
            ("mac", text(&interface.mac.map(crate::render::mac))),
            ("addresses", texts(&addresses)),
        ],
    )
}

fn route(route: &Route) -> Value {
    let hop = |hop: &NextHop| match hop {
        NextHop::Unit { gateway, unit } => {
            json!({ "gateway": text(gateway), "interface": unit.to_string() })
        }
        NextHop::Local => json!({ "type": "local" }),
        NextHop::Discard => json!({ "type": "discard" }),
        NextHop::Reject => json!({ "type": "reject" }),
    };
    with(
        route,
        vec![
            ("prefix", route.prefix.to_string().into()),
            ("next_hops", route.next_hops.iter().map(hop).collect()),
        ],
    )
}

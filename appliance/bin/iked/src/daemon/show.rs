//! Summaries of the endpoint in the shape that operators see.

use std::net::SocketAddr;
use std::time::Duration;

use ravelin_ctl::operator::{IkeSa, IpsecSa};
use ravelin_ctl::sa::{PairCounters, SaPair};
use ravelin_ctl::trace::{Trace, TraceEntry, TraceKeys, TraceKind};
use ravelin_ike::{self as ike, ChildSummary, IkeSummary};
use ravelin_types::{IkeSuite, Time, UnitName};

use crate::config::Instances;
use crate::sockets::PORT_IKE;

/// An IKE SA.
pub(super) fn ike_sa(sa: IkeSummary, instances: &Instances, now: Time) -> IkeSa {
    let name = |part: fn(IkeSuite) -> &'static str| sa.suite.map_or("-", part).to_owned();
    IkeSa {
        index: sa.ike.0,
        gateway: sa.gateway.map(|name| name.to_string()),
        instance: instances.name(sa.vrf),
        state: sa.state.to_owned(),
        initiator: sa.initiator,
        initiator_spi: sa.spi_i,
        responder_spi: sa.spi_r,
        local: sa.local,
        remote: sa.remote,
        local_identity: sa.local_identity,
        remote_identity: sa.peer,
        encryption: name(|suite| suite.encr().name()),
        integrity: (sa.suite.and_then(IkeSuite::integ)).map(|integ| integ.to_string()),
        prf: name(|suite| suite.prf().name()),
        dh_group: (sa.suite).map_or_else(String::new, |suite| {
            format!("{}{}", suite.dh(), suite.additional())
        }),
        ppk: sa.ppk,
        nat: sa.nat,
        leases: sa.leases,
        mobike: sa.mobike,
        age_s: now.since(sa.created_at).as_secs(),
        rekey_s: remaining(sa.rekey_at, now),
        lifetime_s: remaining(sa.expires_at, now),
        children: u32::try_from(sa.children).unwrap_or(u32::MAX),
        messages_in: sa.received,
        messages_out: sa.sent,
        retransmissions: sa.retransmitted,
    }
}

/// A child SA pair with what planed knows of it.
pub(super) fn ipsec_sa(
    child: &ChildSummary,
    pair: &SaPair,
    counters: Option<PairCounters>,
    instances: &Instances,
    now: Time,
) -> IpsecSa {
    let traffic = counters.unwrap_or_default();
    let used = (
        traffic.out_octets.max(traffic.in_octets),
        traffic.out_packets.max(traffic.in_packets),
    );
    let (local_port, remote_port) = child.outer.udp.unwrap_or((PORT_IKE, PORT_IKE));
    IpsecSa {
        pair: child.child,
        ike_index: child.ike.0,
        vpn: child.vpn.to_string(),
        gateway: child.gateway.to_string(),
        outer_instance: instances.name(child.outer.vrf),
        inner_instance: instances.name(pair.inner_vrf),
        tunnel: UnitName::new("st0", pair.tunnel_unit),
        local: SocketAddr::new(child.outer.local, local_port),
        remote: SocketAddr::new(child.outer.remote, remote_port),
        udp_encapsulated: child.outer.udp.is_some(),
        inbound_spi: child.spi_in,
        outbound_spi: child.spi_out,
        protocol: pair.protocol,
        mode: pair.mode,
        encryption: pair.transform.encr().to_string(),
        extended_sequence: pair.extended_sequence,
        integrity: pair.transform.integ().map(|integ| integ.to_string()),
        local_ts: child.local_ts.clone(),
        remote_ts: child.remote_ts.clone(),
        resource: child.resource.clone(),
        outbound_active: child.active,
        rekey_s: remaining(child.rekey_at, now),
        lifetime_s: remaining(child.expires_at, now),
        octets_left: left(child.life.hard.octets, used.0),
        packets_left: left(child.life.hard.packets, used.1),
        replay_window: pair.replay_window,
        remote_identity: child.peer.clone(),
        counters,
    }
}

pub(super) fn trace_keys(keys: &ike::TraceKeys) -> TraceKeys {
    TraceKeys {
        spi_i: keys.spi_i,
        spi_r: keys.spi_r,
        encr: keys.suite.encr(),
        integ: keys.suite.integ(),
        ei: keys.ei.clone(),
        er: keys.er.clone(),
        ai: keys.ai.clone(),
        ar: keys.ar.clone(),
    }
}

/// A trace; `epoch_us` is the wall clock at the zero of ours.
pub(super) fn trace(trace: &ike::Trace, epoch_us: u64, now: Time) -> Trace {
    let entry = |entry: &ike::TraceEntry| TraceEntry {
        time_us: epoch_us + entry.at.0,
        kind: match entry.direction {
            ike::Direction::Received => TraceKind::Received,
            ike::Direction::Sent => TraceKind::Sent,
            ike::Direction::Note => TraceKind::Note,
        },
        local: entry.local,
        remote: entry.remote,
        lines: entry.lines.clone(),
    };
    Trace {
        peer: trace.peer,
        runs_s: (now < trace.until).then(|| trace.until.since(now).as_secs()),
        entries: trace.entries.iter().map(entry).collect(),
        forgotten: trace.forgotten,
    }
}

/// Seconds until then; 0 when it is past or never.
fn remaining(at: Time, now: Time) -> u64 {
    let left: Duration = at.since(now);
    if at == Time::MAX { 0 } else { left.as_secs() }
}

/// What is left of a limit by volume, if there is one.
fn left(limit: u64, used: u64) -> Option<u64> {
    (limit < u64::MAX).then(|| limit.saturating_sub(used))
}

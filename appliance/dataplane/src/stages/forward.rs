//! TTL, and what the route says.

use ravelin_esp::PacketBuf;
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip::{self, Brief};

use crate::address::{Address, Ends};
use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::{esp_output, icmp_error};
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Drains `forward`, which packets of the host and of our own come by.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.forward);
    for packet in input.drain(..) {
        if packet.meta.v6 {
            start::<P, u128>(worker, tables, packet);
        } else {
            start::<P, u32>(worker, tables, packet);
        }
    }
    worker.vectors.forward = input;
}

fn start<P: Platform, A: Address>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    match packet.ends::<A>() {
        Some(ends) => forward(worker, tables, packet, ends),
        None => worker.drop(packet, DropReason::BadFrame),
    }
}

/// Sends a packet into its tunnel or to its next hop.
#[inline(always)]
pub(crate) fn forward<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    ends: Ends<A>,
) {
    let transit = matches!(
        packet.origin,
        Origin::Port | Origin::Tunnel | Origin::Reassembled
    );
    if transit && packet.meta.ttl <= 1 {
        icmp_error::send(worker, tables, &packet, IcmpError::TimeExceeded);
        return worker.drop(packet, DropReason::TtlExceeded);
    }
    let refusal = match packet.next_hop {
        NextHop::Tunnel(tunnel) => {
            decrement(&mut packet, transit);
            return esp_output::steer(worker, tables, packet, ends, tunnel);
        }
        NextHop::Glean(_) | NextHop::Adjacency(_) => {
            decrement(&mut packet, transit);
            worker.vectors.egress.push(packet);
            return;
        }
        NextHop::Group { first, count } => {
            let flow = flow_hash(&packet.meta, ends);
            match tables
                .vrf(packet.vrf)
                .and_then(|vrf| vrf.group_member(first, count, flow))
            {
                Some(member) => {
                    decrement(&mut packet, transit);
                    packet.next_hop = NextHop::Adjacency(member);
                    worker.vectors.egress.push(packet);
                    return;
                }
                None => (DropReason::NoRoute, Some(IcmpError::NoRoute)),
            }
        }
        NextHop::None | NextHop::Local => (DropReason::NoRoute, Some(IcmpError::NoRoute)),
        NextHop::Blackhole => (DropReason::Blackhole, None),
        NextHop::Reject => (DropReason::Reject, Some(IcmpError::AdminProhibited)),
    };
    let (reason, error) = refusal;
    if let (true, Some(error)) = (transit, error) {
        icmp_error::send(worker, tables, &packet, error);
    }
    worker.drop(packet, reason);
}

#[inline]
fn decrement<B: PacketBuf>(packet: &mut Packet<B>, transit: bool) {
    if transit {
        ip::decrement_ttl(packet.data_mut());
        packet.meta.ttl -= 1;
    }
}

/// Packets of one flow take one path. FNV-1a over addresses, protocol and ports.
fn flow_hash<A: Address>(packet: &Brief, ends: Ends<A>) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut add = |octets: &[u8]| {
        for octet in octets {
            hash = (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
        }
    };
    for address in [ends.source, ends.destination] {
        match address.ip() {
            std::net::IpAddr::V4(v4) => add(&v4.octets()),
            std::net::IpAddr::V6(v6) => add(&v6.octets()),
        }
    }
    add(&[packet.protocol]);
    if !packet.fragmented {
        add(&packet.source_port.to_be_bytes());
        add(&packet.destination_port.to_be_bytes());
    }
    hash
}

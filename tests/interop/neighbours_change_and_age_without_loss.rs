//! Neighbours that change their station address, say so or not, and neighbours that age while only transit uses them: traffic
//! recovers by itself, and upkeep loses nothing.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{Addresses, Site, V4, V6, enb_connection, enb_inner, tunnels};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, Tally, ping};
use ravelin_tests::wait::{pause, wait_until};
use std::net::IpAddr;
use std::time::Duration;

const RECOVERY: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(1);
/// Slow enough that the ports' rings hold some seconds of it: a loaded machine may leave the gateway without a core for that long.
const RATE_PPS: u32 = 200;

struct Bench {
    site: Site,
    gateway: Gateway,
    _peer: StrongSwan,
}

fn start(test: &str, outer: Addresses) -> Bench {
    let site = Site::new(test).unwrap();
    let gateway = site.start_gateway().unwrap();
    let connection = enb_connection("enb", outer);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("enb-s1").unwrap();
    for of in [V4, V6] {
        wait_until("the tunnel to carry traffic", RECOVERY, || {
            Ok((ping(&site.core, of.core, of.enb_inner, 1, 56)? == 1).then_some(()))
        })
        .unwrap();
    }
    Bench {
        site,
        gateway,
        _peer: peer,
    }
}

/// Makes the gateway's kernel doubt its neighbours every `reachable_ms`, and ask them a second later.
/// `patience_s` is how long it asks before it gives one up.
fn age(gateway: &Netns, reachable_ms: u32, patience_s: u32) {
    for family in ["ipv4", "ipv6"] {
        for twin in ["ge-0-0-0", "ge-0-0-1"] {
            let neigh = format!("net.{family}.neigh.{twin}");
            gateway
                .sh(&format!(
                    "sysctl -qw {neigh}.base_reachable_time_ms={reachable_ms} {neigh}.delay_first_probe_time=1 \
                     {neigh}.ucast_solicit={patience_s}"
                ))
                .unwrap();
        }
    }
}

/// One way only, so that the receiver's host has no reason to say anything.
fn stream(
    source: &Netns,
    sink: &Netns,
    from: IpAddr,
    to: IpAddr,
    port: u16,
    seconds: u32,
) -> Stream {
    let spec = StreamSpec {
        from,
        to,
        port,
        rate_pps: RATE_PPS,
        count: RATE_PPS * seconds,
        octets: 200,
    };
    Stream::start(source, sink, spec).unwrap()
}

fn streams(site: &Site, seconds: u32) -> Vec<(String, Tally)> {
    let mut running = Vec::new();
    for (port, of) in [(7000, V4), (7001, V6)] {
        let (enb, core) = (of.enb_inner, of.core);
        running.push((
            format!("to {core}"),
            stream(&site.enb, &site.core, enb, core, port, seconds),
        ));
        running.push((
            format!("to {enb}"),
            stream(&site.core, &site.enb, core, enb, port, seconds),
        ));
    }
    // They end together: one wait is enough.
    let mut grace = GRACE;
    let finished = running.into_iter().map(|(name, stream)| {
        let grace = std::mem::take(&mut grace);
        (name, stream.finish(grace).unwrap())
    });
    finished.collect()
}

/// Transit only, while the kernel's neighbours age many times. The links are compared: what strongSwan's sockets cannot hold is not
/// the gateway's loss.
fn nothing_lost(test: &str, outer: Addresses, reachable_ms: u32, seconds: u32) {
    let bench = start(test, outer);
    let Site { enb, core, gw, .. } = &bench.site;
    // Also for a neighbour's answer.
    age(gw, reachable_ms, 15);
    let folder = bench.site.folder();
    let clear = Capture::start(core, "core0", folder, "core").unwrap();
    let encrypted = Capture::start(enb, "enb0", folder, "outer").unwrap();
    let streams = streams(&bench.site, seconds);
    let (encrypted, clear) = (encrypted.finish().unwrap(), clear.finish().unwrap());
    let asked = clear.kinds()[&Kind::Neighbour];
    assert!(
        asked > 8,
        "only {asked} packets of neighbour upkeep: nothing aged"
    );
    let directions = account::directions(&encrypted, &clear, &tunnels(), &enb_inner());
    let drops = bench.gateway.cli("show security drops").unwrap();
    assert!(
        account::faults(&directions).is_empty(),
        "{directions:?}, drops {drops}"
    );
    for direction in directions {
        let half: u32 = streams.iter().map(|(_, tally)| tally.sent).sum::<u32>() / 2;
        assert!(
            direction.clear >= u64::from(half),
            "{direction:?} of {half}"
        );
    }
    for (name, tally) in streams {
        assert!(
            tally.received > 0 && tally.duplicated == 0,
            "{name}: {tally:?}"
        );
    }
    assert_eq!(bench.gateway.drops("neighbour-unresolved").unwrap(), 0);
    assert_eq!(bench.gateway.drops("neighbour-queue-full").unwrap(), 0);
}

#[test]
fn ageing_under_transit_loses_nothing() {
    nothing_lost("neighbours_age", V4, 500, 20);
}

/// The core host does not answer for longer than the kernel asks its station address: it is asked on, and used on.
#[test]
fn a_neighbour_that_is_slow_to_answer_keeps_its_traffic() {
    let bench = start("neighbours_slow", V4);
    let site = &bench.site;
    let entry = || {
        site.gw
            .sh("ip neigh show 198.51.100.10 dev ge-0-0-1")
            .unwrap()
    };
    let asked = |yes: bool| {
        wait_until("the core host to be asked, or no more", RECOVERY, || {
            Ok((entry().contains("PROBE") == yes).then_some(()))
        })
        .unwrap_or_else(|e| panic!("{e}: {}", entry()));
    };
    age(&site.gw, 1_000, 3);
    let up = stream(&site.enb, &site.core, V4.enb_inner, V4.core, 7000, 20);
    let answer = |ignore: u8| {
        let setting = format!("sysctl -qw net.ipv4.conf.core0.arp_ignore={ignore}");
        site.core.sh(&setting).unwrap();
    };
    answer(8);
    asked(true);
    pause(Duration::from_secs(5));
    assert!(entry().contains("PROBE"), "{}", entry());
    answer(0);
    asked(false);
    assert!(entry().contains("lladdr"), "{}", entry());
    let tally = up.finish(GRACE).unwrap();
    assert_eq!(tally.received, tally.sent, "{tally:?}");
    assert_eq!(bench.gateway.drops("neighbour-queue-full").unwrap(), 0);
}

#[test]
#[ignore = "soak: ten minutes of transit while neighbours age"]
fn ten_minutes_of_transit_lose_nothing() {
    nothing_lost("neighbours_age_soak", V6, 2_000, 600);
}

/// The host behind `interface` gets another station address; `says` whether it tells its neighbours.
fn moves(host: &Netns, interface: &str, station: u8, says: bool) {
    let notify = u8::from(says);
    host.sh(&format!(
        "sysctl -qw net.ipv4.conf.{interface}.arp_notify={notify} net.ipv6.conf.{interface}.ndisc_notify={notify}
         ip link set dev {interface} address 02:00:00:00:aa:{station:02x}"
    ))
    .unwrap();
}

/// Pings from behind the gateway until all four paths answer.
fn recovers(site: &Site, what: &str) {
    for of in [V4, V6] {
        wait_until(&format!("{} after {what}", of.core), RECOVERY, || {
            Ok((ping(&site.core, of.core, of.enb_inner, 1, 56)? == 1).then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn a_station_that_says_it_has_changed() {
    for (name, outer) in [("neighbours_say4", V4), ("neighbours_say6", V6)] {
        let bench = start(name, outer);
        let site = &bench.site;
        for round in 0..2 {
            moves(&site.core, "core0", round, true);
            recovers(site, "the core host's new station address");
            moves(&site.enb, "enb0", 0x10 + round, true);
            recovers(site, "the eNodeB's new station address");
        }
    }
}

#[test]
fn a_station_that_changes_silently_is_found_by_probing() {
    let bench = start("neighbours_silent", V4);
    let site = &bench.site;
    age(&site.gw, 1_000, 3);
    // The core host never asks for the gateway, so that nothing of it reveals the change.
    let station = |twin: &str| {
        let text = site.gw.sh(&format!("ip -o link show dev {twin}")).unwrap();
        let mut words = text.split_whitespace();
        words.find(|word| *word == "link/ether");
        words.next().unwrap().to_owned()
    };
    let trust = station("ge-0-0-1");
    site.core
        .sh(&format!(
            "ip neigh replace 198.51.100.1 lladdr {trust} dev core0 nud permanent
             ip neigh replace 2001:db8:b::1 lladdr {trust} dev core0 nud permanent"
        ))
        .unwrap();
    moves(&site.core, "core0", 0x77, false);
    // Permanent entries went with the address, as the kernel has it.
    site.core
        .sh(&format!(
            "ip neigh replace 198.51.100.1 lladdr {trust} dev core0 nud permanent
             ip neigh replace 2001:db8:b::1 lladdr {trust} dev core0 nud permanent"
        ))
        .unwrap();
    for of in [V4, V6] {
        wait_until(&format!("traffic to {} again", of.core), RECOVERY, || {
            let tally = stream(&site.enb, &site.core, of.enb_inner, of.core, 7002, 1)
                .finish(Duration::from_millis(200))?;
            Ok((tally.received == tally.sent).then_some(()))
        })
        .unwrap();
    }
}

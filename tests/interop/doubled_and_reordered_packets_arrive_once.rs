//! Between the eNodeB and the gateway lies a network that doubles packets and lets others overtake them, IKE, ARP and fragments
//! included: inside the replay windows nothing is lost, and nothing arrives twice. `RAVELIN_CHAOS_SEED` chooses the run.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::middle::{Faults, Relay, site_with_middle};
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{Addresses, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const RECOVERY: Duration = Duration::from_secs(30);
/// Delayed packets are moved on by later ones, or by time.
const GRACE: Duration = Duration::from_secs(2);
/// Inside the gateway's window of 512 packets.
const TO_GATEWAY: Faults = Faults {
    lost: 0,
    damaged: 0,
    doubled: 100,
    delayed: 200,
    overtaken_by: 300,
};
/// Inside strongSwan's, which has 128 in its userspace ESP.
const TO_ENB: Faults = Faults {
    overtaken_by: 60,
    ..TO_GATEWAY
};

fn seed() -> u64 {
    let seed = std::env::var("RAVELIN_CHAOS_SEED");
    let seed = seed.map_or(7, |text| text.parse().unwrap());
    println!("RAVELIN_CHAOS_SEED={seed}");
    seed
}

struct Bench {
    site: Site,
    gateway: Gateway,
    _peer: StrongSwan,
    relay: Relay,
    _middle: Netns,
}

fn start(test: &str, outer: Addresses, faults: [Faults; 2], enb_mtu: u16) -> Bench {
    let (site, middle) = site_with_middle(test).unwrap();
    let relay = Relay::start(&middle, "left", "right", seed(), faults).unwrap();
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
    // Last: below 1,280 octets the eNodeB's link loses its IPv6 addresses.
    site.enb
        .sh(&format!("ip link set dev enb0 mtu {enb_mtu}"))
        .unwrap();
    Bench {
        site,
        gateway,
        _peer: peer,
        relay,
        _middle: middle,
    }
}

/// Datagrams that sockets of a namespace had no room for: strongSwan's userspace ESP on a machine that leaves it without a core.
fn overflown(netns: &Netns) -> u32 {
    let snmp = netns.sh("cat /proc/net/snmp /proc/net/snmp6").unwrap();
    let rows = |name: &str| {
        let rows = snmp.lines().filter(|line| line.starts_with(name));
        rows.map(|row| row.split_whitespace().collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let v4 = rows("Udp:");
    let column = v4[0].iter().position(|name| *name == "RcvbufErrors");
    let v6 = rows("Udp6RcvbufErrors");
    let [v4, v6] = [v4[1][column.unwrap()], v6[0][1]].map(|n| n.parse::<u32>().unwrap());
    v4 + v6
}

/// Streams in both directions and families; every packet must arrive once.
fn all_arrive(bench: &Bench, octets: usize, rate_pps: u32, seconds: u32) {
    let Site { enb, core, .. } = &bench.site;
    let spec = |from, to, port| StreamSpec {
        from,
        to,
        port,
        rate_pps,
        count: rate_pps * seconds,
        octets,
    };
    let before = overflown(enb);
    let running = [(7000, V4), (7001, V6)].map(|(port, of)| {
        let up = Stream::start(enb, core, spec(of.enb_inner, of.core, port)).unwrap();
        let down = Stream::start(core, enb, spec(of.core, of.enb_inner, port)).unwrap();
        [("up", up), ("down", down)]
    });
    // They end together: one wait is enough.
    let mut grace = GRACE;
    for (name, stream) in running.into_iter().flatten() {
        let tally = stream.finish(std::mem::take(&mut grace)).unwrap();
        let excused = if name == "down" {
            overflown(enb) - before
        } else {
            0
        };
        let drops = bench.gateway.cli("show security drops").unwrap();
        assert!(
            tally.received + excused >= tally.sent && tally.duplicated == 0,
            "{name}: {tally:?}, {excused} overflown at the peer, drops {drops}"
        );
        assert!(tally.reordered > 0, "{name}: the network did nothing");
    }
}

#[test]
fn doubled_and_overtaken_packets_arrive_once() {
    for (name, outer) in [("bad_network4", V4), ("bad_network6", V6)] {
        let bench = start(name, outer, [TO_GATEWAY, TO_ENB], 1500);
        all_arrive(&bench, 200, 250, 6);
        let doubled = bench.relay.tallies[0].doubled.get();
        let refused =
            ["replay-duplicate", "replay-old"].map(|reason| bench.gateway.drops(reason).unwrap());
        // IKE and ARP were doubled too.
        assert!(
            refused[0] > 0 && refused[1] == 0 && refused[0] <= doubled,
            "{refused:?} of {doubled}"
        );
        assert_eq!(bench.gateway.drops("auth-failed").unwrap(), 0);
        bench.relay.finish().unwrap();
    }
}

#[test]
fn fragments_of_esp_are_joined_whatever_their_order() {
    // What the eNodeB's link takes: three fragments each over IPv4, two over IPv6.
    for (name, outer, enb_mtu) in [("esp_fragments4", V4, 576), ("esp_fragments6", V6, 1280)] {
        let disorder = Faults {
            doubled: 50,
            delayed: 300,
            overtaken_by: 40,
            ..Faults::default()
        };
        let bench = start(name, outer, [disorder, Faults::default()], enb_mtu);
        let Site { enb, core, .. } = &bench.site;
        let of = V4;
        let spec = StreamSpec {
            from: of.enb_inner,
            to: of.core,
            port: 7000,
            rate_pps: 200,
            count: 800,
            octets: 1300,
        };
        let tally = Stream::start(enb, core, spec)
            .unwrap()
            .finish(GRACE)
            .unwrap();
        assert_eq!(
            (tally.received, tally.duplicated),
            (tally.sent, 0),
            "{name}: {tally:?}, drops {}",
            bench.gateway.cli("show security drops").unwrap()
        );
        assert!(bench.relay.tallies[0].delayed.get() > 0);
        // The kernel joins IPv4 fragments before it gives them to an AF_PACKET port (PACKET_FANOUT_FLAG_DEFRAG); those of IPv6
        // reach the gateway as they come.
        if outer == V6 {
            assert!(
                bench.gateway.drops("fragment-overlap").unwrap() > 0,
                "no fragment came twice: {:?}",
                bench.relay.tallies[0]
            );
        }
        bench.relay.finish().unwrap();
    }
}

//! Two Ravelin gateways carry 50,000 packets/s and more over IP protocol 50 for a minute, while child SAs are rekeyed every five
//! seconds by either end and IKE SAs now and then: no packet is lost or overtaken beyond the replay window, and the hosts, the link
//! between the gateways and the gateways' own counters agree on every packet.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::blast::{Blast, BlastSpec, BlastTally};
use ravelin_tests::frame::Kind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::pair::{GATEWAYS, HOSTS, Pair};
use ravelin_tests::wait::{pause, wait_until};
use ravelin_tests::watch::{Passed, Watch};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Of each direction.
const RATE_PPS: u32 = 50_000;
/// Of both directions together, reached by the sources: what this test is about.
const LEAST_PPS: u64 = 50_000;
const TIME: Duration = Duration::from_secs(60);
const SOAK_TIME: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(5);
/// One of so many rekeys is that of the IKE SA.
const IKE_EVERY: u32 = 5;
/// Packets: the default window of the gateways.
const REPLAY_WINDOW: u64 = 512;
const PAYLOAD_OCTETS: usize = 172;
/// Of each direction: 80 ms, half of what a port of a gateway holds by default.
const MOST_UNDER_WAY: u64 = 4_000;

fn blast(pair: &Pair, from: usize, time: Duration) -> Blast {
    let spec = BlastSpec {
        from: SocketAddr::new(HOSTS[from], 7001),
        to: SocketAddr::new(HOSTS[1 - from], 7000),
        rate_pps: RATE_PPS,
        time,
        octets: PAYLOAD_OCTETS,
        most_under_way: MOST_UNDER_WAY,
    };
    Blast::start(&pair.hosts[from], &pair.hosts[1 - from], spec).unwrap()
}

/// Packets encrypted and decrypted since the start.
fn totals(gateway: &Gateway) -> (u64, u64) {
    let report = gateway.report("show security ipsec statistics").unwrap();
    let total = &report["ipsec_statistics"]["total"];
    let count = |name: &str| total[name].as_u64().unwrap();
    (count("out_packets"), count("in_packets"))
}

/// What the kernel lost at the ends of the links and in the hosts' sockets: the bench's own losses.
fn kernel_losses(pair: &Pair) -> String {
    let all = pair
        .gateways
        .iter()
        .chain(&pair.hosts)
        .chain([&pair.middle]);
    let ask = "ip -s link | grep -A1 -E '^[0-9]+:|errors'; grep -E '^Udp:' /proc/net/snmp";
    let texts =
        all.map(|netns| format!("{}:\n{}", netns.name(), netns.sh(ask).unwrap_or_default()));
    texts.collect()
}

/// Rekeys as long as the traffic runs, by one end and the other in turn; returns how many rekeys were of child SAs.
fn rekey(gateways: &[Gateway; 2], start: Instant, time: Duration) -> usize {
    let mut children = 0;
    for (count, due) in (1..).map(|count| (count, EVERY * count)) {
        if due >= time {
            break;
        }
        pause(due.saturating_sub(start.elapsed()));
        let what = if count % IKE_EVERY == 0 {
            "ike"
        } else {
            children += 1;
            "ipsec"
        };
        let by = &gateways[count as usize % 2];
        by.cli(&format!("request security {what} rekey all"))
            .unwrap();
    }
    children
}

/// The only pair of each gateway, when the superseded ones are gone.
fn pair_left(gateway: &Gateway) -> Value {
    wait_until("one pair of SAs", Duration::from_secs(15), || {
        let report = gateway.report("show security ipsec security-associations")?;
        let pairs = report["ipsec_security_associations"].as_array();
        Ok(pairs.filter(|p| p.len() == 1).map(|p| p[0].clone()))
    })
    .unwrap()
}

/// The SAs that are left count what passed under their SPIs: encrypted by one gateway, seen on the link, decrypted by the other.
fn agree_on_live_spis(gateways: &[Gateway; 2], passed: &Passed) {
    for (at, gateway) in gateways.iter().enumerate() {
        let sa = pair_left(gateway);
        for (spi, count, sender) in [
            ("outbound_spi", "out_packets", GATEWAYS[at]),
            ("inbound_spi", "in_packets", GATEWAYS[1 - at]),
        ] {
            let spi = u32::from_str_radix(sa[spi].as_str().unwrap(), 16).unwrap();
            let frames = passed.esp[&(sender, spi)].frames;
            assert_eq!(sa["counters"][count], frames, "{sender} SPI {spi:08x}");
        }
    }
}

fn judge(name: &str, tally: &BlastTally) -> Vec<String> {
    let mut faults = Vec::new();
    if tally.received != tally.sent {
        faults.push(format!("{name}: lost {}", tally.sent - tally.received));
    }
    if tally.duplicated != 0 {
        faults.push(format!("{name}: {} duplicates", tally.duplicated));
    }
    if tally.most_behind >= REPLAY_WINDOW {
        faults.push(format!("{name}: overtaken by {}", tally.most_behind));
    }
    faults
}

/// What passed between the gateways from one of them, against what it encrypted and the other decrypted.
fn judge_wire(
    passed: &Passed,
    sender: IpAddr,
    (encrypted, decrypted): (u64, u64),
    rekeys: usize,
) -> Vec<String> {
    let mut faults = Vec::new();
    let wire = passed.esp_from(sender);
    if (encrypted, decrypted) != (wire, wire) {
        faults.push(format!(
            "{encrypted} encrypted, {wire} on the wire, {decrypted} decrypted"
        ));
    }
    let spis: Vec<_> = passed.spis_from(sender).collect();
    if spis.len() <= rekeys {
        faults.push(format!("only {} SPIs were used", spis.len()));
    }
    let behind = spis.iter().map(|spi| spi.most_behind).max().unwrap();
    if u64::from(behind) >= REPLAY_WINDOW {
        faults.push(format!("overtaken by {behind} on the wire"));
    }
    faults
}

#[test]
fn fifty_thousand_packets_a_second_survive_rekeys() {
    carries_everything("pair_fifty_kpps_with_rekeys", TIME);
}

#[test]
#[ignore = "soak: ten minutes at full rate"]
fn fifty_thousand_packets_a_second_survive_ten_minutes_of_rekeys() {
    carries_everything("pair_fifty_kpps_soak", SOAK_TIME);
}

fn carries_everything(name: &str, time: Duration) {
    let folder = ravelin_tests::artifacts(name).unwrap();
    let pair = Pair::new().unwrap();
    let watch = Watch::start(&pair.middle, "ma").unwrap();
    let gateways = pair.start(&folder).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    let before = [totals(&gateways[0]), totals(&gateways[1])];
    // What came in while the gateways started is none of this test's.
    let lost_before = [gateways[0].losses().unwrap(), gateways[1].losses().unwrap()];

    let start = Instant::now();
    let blasts = [blast(&pair, 0, time), blast(&pair, 1, time)];
    let rekeys = rekey(&gateways, start, time);
    let tallies = blasts.map(|blast| blast.finish(Duration::from_secs(5)).unwrap());
    let [right, left] = tallies;
    let rate_pps = right.rate_pps + left.rate_pps;
    println!("{rate_pps} packets/s, {rekeys} rekeys of child SAs; {right:?}; {left:?}");

    let mut faults = judge("left to right", &right);
    if rate_pps < LEAST_PPS {
        faults.push(format!("the sources reached {rate_pps} packets/s only"));
    }
    faults.extend(judge("right to left", &left));
    for (gateway, before) in gateways.iter().zip(&lost_before) {
        let now = gateway.losses().unwrap();
        if now != *before {
            faults.push(format!(
                "a gateway's losses went from {before:?} to {now:?}"
            ));
        }
    }
    let after = [totals(&gateways[0]), totals(&gateways[1])];
    let passed = watch.finish().unwrap();
    for (at, sent) in [right.sent, left.sent].into_iter().enumerate() {
        let encrypted = after[at].0;
        if encrypted - before[at].0 != sent {
            let count = encrypted - before[at].0;
            faults.push(format!("{sent} sent, {count} encrypted"));
        }
        faults.extend(judge_wire(
            &passed,
            GATEWAYS[at],
            (encrypted, after[1 - at].1),
            rekeys,
        ));
    }
    assert!(
        faults.is_empty(),
        "{faults:#?}\nthe watch missed {}; {}",
        passed.unseen,
        kernel_losses(&pair)
    );
    assert_eq!(passed.unseen, 0, "the watch proves nothing");
    assert_eq!(
        (&passed.repeated_sequences, &passed.repeated_ivs),
        (&vec![], &vec![])
    );
    agree_on_live_spis(&gateways, &passed);
    for kind in [Kind::Cleartext, Kind::EspInUdp, Kind::Other] {
        assert_eq!(passed.kind(kind), 0, "{kind:?} on the outer link");
    }
}

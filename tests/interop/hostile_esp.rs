//! Replayed and forged ESP: dropped, counted under its reason, and nothing of it reaches the core.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::netns::run;
use ravelin_tests::site::{Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use std::time::Duration;

const PACKETS: u32 = 200;
/// Sends the ESP frames of a capture again, as they are or damaged in one way.
const REPLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/replay.py");

fn from_enb(trace: &Trace) -> usize {
    trace.cleartext_from(&[V4.enb_inner])
}

#[test]
fn replayed_and_forged_esp_is_dropped_and_counted() {
    let site = Site::new("hostile_esp").unwrap();
    let gateway = site.start_gateway().unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "genuine").unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    let spec = StreamSpec {
        from: V4.enb_inner,
        to: V4.core,
        port: 7000,
        rate_pps: 1000,
        count: PACKETS,
        octets: 100,
    };
    let tally = Stream::start(&site.enb, &site.core, spec)
        .unwrap()
        .finish(Duration::from_millis(500))
        .unwrap();
    assert_eq!(tally.received, PACKETS);
    let genuine = outer
        .finish()
        .unwrap()
        .esp_between(V4.enb_outer, V4.gateway_outer) as u64;
    assert!(genuine >= u64::from(PACKETS));

    let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
    for (mode, reason) in [
        ("replay", "replay-duplicate"),
        ("forge", "auth-failed"),
        ("spi", "unknown-spi"),
        ("cut", "udp-encap-malformed"),
    ] {
        let before = gateway.drops(reason).unwrap();
        let file = site.folder().join("genuine.pcap");
        run(site
            .enb
            .command("python3")
            .arg(REPLAYER)
            .args(["enb0", mode])
            .arg(file))
        .unwrap();
        ravelin_tests::wait::wait_until(reason, Duration::from_secs(5), || {
            Ok((gateway.drops(reason).unwrap() - before >= genuine).then_some(()))
        })
        .unwrap();
        assert_eq!(
            gateway.drops(reason).unwrap() - before,
            genuine,
            "{mode} is counted as {reason}"
        );
    }
    // The tunnel lives on, and nothing but its own packets reached the core.
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
    assert_eq!(from_enb(&clear.finish().unwrap()), 3);
}

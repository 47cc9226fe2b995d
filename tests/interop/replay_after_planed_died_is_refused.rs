//! What was captured before planed died is refused after its return: the replay window of each SA outlives the process. The frames are
//! sent again as they were; each is counted under its reason and none reaches the core.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::netns::run;
use ravelin_tests::site::{Site, V4, enb_connection};
use ravelin_tests::steady::{Flow, FlowSpec, wait_all};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const REPLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/replay.py");
/// A replayed packet is on or left of the window; of an SA that was rekeyed meanwhile nothing is known any more.
const REASONS: [&str; 3] = ["replay-duplicate", "replay-old", "unknown-spi"];

#[test]
fn frames_of_the_past_are_refused() {
    let site = Site::new("replay_after_death").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    let spec = FlowSpec {
        from: V4.enb_inner,
        to: V4.core,
        port: 7000,
        rate_pps: 500,
        octets: 100,
    };
    let flows = [Flow::start(&site.enb, &site.core, spec).unwrap()];
    for (round, others) in [&[][..], &["iked"], &["iked", "netd"]].iter().enumerate() {
        let name = format!("past-{round}");
        let past = Capture::start(&site.enb, "enb0", site.folder(), &name).unwrap();
        wait_all(&flows, 200, LIMIT).unwrap();
        let past = past.finish().unwrap();
        let sent = past.esp_between(V4.enb_outer, V4.gateway_outer) as u64;
        // All of the capture has been taken in before the death.
        wait_all(&flows, 50, LIMIT).unwrap();
        gateway.daemon("planed").unwrap().kill().unwrap();
        for other in *others {
            gateway.daemon(other).unwrap().kill().unwrap();
            gateway.start_daemon(other).unwrap();
        }
        gateway.start_daemon("planed").unwrap();
        wait_all(&flows, 50, LIMIT).unwrap();
        gateway.wait_ready().unwrap();

        let refused = || -> u64 { REASONS.iter().map(|r| gateway.drops(r).unwrap()).sum() };
        let before = refused();
        let file = site.folder().join(format!("{name}.pcap"));
        run(site
            .enb
            .command("python3")
            .arg(REPLAYER)
            .args(["enb0", "replay"])
            .arg(file))
        .unwrap();
        wait_until("every replayed frame to be counted", LIMIT, || {
            Ok((refused() - before >= sent).then_some(()))
        })
        .unwrap();
        assert_eq!(refused() - before, sent, "round {round}");
    }
    wait_all(&flows, 50, LIMIT).unwrap();
    let [flow] = flows;
    let count = flow.finish(Duration::from_millis(500)).unwrap();
    assert_eq!(count.duplicated, 0, "{count:?}");
}

//! planed dies under traffic and its mapping with it, alone and together with iked: the pair resumes at the ceilings that iked has
//! stored and is rekeyed at once. Traffic is back without a new IKE SA, no number comes twice, nothing captured is accepted.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::run;
use ravelin_tests::site::{Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::wait_until;
use ravelin_types::numbers::{GRANT, RESUME_STEP};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const RETURN_LIMIT: Duration = Duration::from_secs(60);
/// Numbers that are taken and never leave, at a death: some bursts.
const UNSENT_MOST: u64 = 1000;
/// planed's record of the numbers, beside its socket.
const MAPPING: &str = "planed-sa-state.2";
/// Sends the ESP frames of a capture again.
const REPLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/replay.py");

fn kill(gateway: &mut Gateway, daemons: &[&str], forget: bool) {
    for daemon in daemons {
        gateway.daemon(daemon).unwrap().kill().unwrap();
    }
    if forget {
        std::fs::remove_file(gateway.socket("planed").with_file_name(MAPPING)).unwrap();
    }
    for daemon in daemons {
        gateway.start_daemon(daemon).unwrap();
    }
}

/// Sequence numbers that the gateway used, by SPI.
fn numbers(trace: &Trace) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut numbers = BTreeMap::<u32, BTreeSet<u32>>::new();
    let ours = trace
        .frames()
        .filter(|frame| frame.addresses == Some((V4.gateway_outer, V4.enb_outer)))
        .filter_map(|frame| frame.esp());
    for (spi, sequence) in ours {
        numbers.entry(spi).or_default().insert(sequence);
    }
    numbers
}

/// The pair that planed has now (our SPI), once there is one only.
fn spi(gateway: &Gateway) -> Option<String> {
    let text = gateway
        .cli("show security ipsec security-associations | display json")
        .ok()?;
    let mut found = text
        .lines()
        .filter(|line| line.contains("inbound_spi"))
        .map(|line| line.trim().to_owned());
    found.next().filter(|_| found.next().is_none())
}

#[test]
fn numbers_that_are_lost_resume_at_the_ceilings_and_are_rekeyed() {
    let site = Site::new("lost_numbers").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);

    for (name, daemons, forget) in [
        ("kept", &["planed"][..], false),
        ("lost", &["planed"], true),
        ("lost-with-iked", &["planed", "iked"], true),
    ] {
        let outer = Capture::start(&site.enb, "enb0", site.folder(), name).unwrap();
        let before = spi(&gateway);
        assert!(before.is_some());
        let spec = |from, to, port| StreamSpec {
            from,
            to,
            port,
            rate_pps: 200,
            count: 2000,
            octets: 100,
        };
        let up = Stream::start(&site.enb, &site.core, spec(V4.enb_inner, V4.core, 7000)).unwrap();
        let down = Stream::start(&site.core, &site.enb, spec(V4.core, V4.enb_inner, 7001)).unwrap();
        // Some packets pass, then it happens in the midst of them.
        assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
        kill(&mut gateway, daemons, forget);
        wait_until("the tunnel to return", RETURN_LIMIT, || {
            let crosses = ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap_or(0) == 1;
            Ok(crosses.then_some(()))
        })
        .unwrap();
        gateway.wait_ready().unwrap();
        if forget {
            wait_until("the rekey", RETURN_LIMIT, || {
                let now = spi(&gateway);
                Ok((now.is_some() && now != before).then_some(()))
            })
            .unwrap();
        }
        for stream in [up, down] {
            let tally = stream.finish(Duration::from_secs(2)).unwrap();
            assert_eq!(tally.duplicated, 0, "{name}: {tally:?}");
            assert!(tally.received > 0, "{name}: {tally:?}");
        }
        assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
        wait_until("one child of one IKE SA", RETURN_LIMIT, || {
            let one = (peer.established()?, peer.children()?) == (1, 1);
            Ok(one.then_some(()))
        })
        .unwrap();

        // `finish` finds a repeated nonce. Here: where the numbers went on.
        let trace = outer.finish().unwrap();
        let used = numbers(&trace);
        let jumps: Vec<u64> = used
            .values()
            .flat_map(|of_spi| of_spi.iter().zip(of_spi.iter().skip(1)))
            .map(|(earlier, later)| u64::from(later - earlier))
            .filter(|jump| *jump > UNSENT_MOST)
            .collect();
        if forget {
            assert!(used.len() >= 2, "{name}: no new pair: {:?}", used.keys());
            assert!(
                jumps
                    .iter()
                    .all(|jump| (GRANT / 2..=GRANT + 1).contains(jump)),
                "{name}: {jumps:?}"
            );
        } else {
            let step = RESUME_STEP + 1..=RESUME_STEP + UNSENT_MOST;
            assert!(
                matches!(jumps[..], [jump] if step.contains(&jump)),
                "{name}: {jumps:?}"
            );
            assert_eq!(used.len(), 1, "{name}: the pair itself goes on");
        }

        // What was captured before and after is refused now.
        let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
        let file = site.folder().join(format!("{name}.pcap"));
        let replayed = run(site
            .enb
            .command("python3")
            .arg(REPLAYER)
            .args(["enb0", "replay"])
            .arg(file))
        .unwrap();
        assert!(replayed.trim().parse::<u32>().unwrap() > 100);
        assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
        let clear = clear.finish().unwrap();
        assert_eq!(clear.cleartext_from(&[V4.enb_inner]), 3, "{name}");
    }
}

//! iked, mgmtd and netd move no packet: with 2,000 packets a second in each direction they die by SIGKILL, stay dead for a while and
//! come back, and not one packet is lost between the two links of the gateway. The tunnel rekeys afterwards, by either end.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::site::{self, Site, V4, enb_connection};
use ravelin_tests::steady::{self, Flow, FlowSpec, wait_all};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::collections::BTreeSet;
use std::time::Duration;

const RATE_PPS: u32 = 2000;
/// Packets of each direction that pass while a daemon is dead, and after its return.
const PASSES: u64 = 1500;
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn not_a_packet_is_lost_while_the_control_side_dies() {
    let site = Site::new("control_side").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
    peer.initiate("ipv4-s1").unwrap();
    // Before the core host's MAC is known, packets above the four that may wait are dropped: resolve it first.
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    let spec = |from, to| FlowSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        octets: 200,
    };
    let flows = [
        Flow::start(&site.enb, &site.core, spec(V4.enb_inner, V4.core)).unwrap(),
        Flow::start(&site.core, &site.enb, spec(V4.core, V4.enb_inner)).unwrap(),
    ];
    wait_all(&flows, PASSES, LIMIT).unwrap();

    for daemon in ["iked", "mgmtd", "netd", "iked"] {
        gateway.daemon(daemon).unwrap().kill().unwrap();
        wait_all(&flows, PASSES, LIMIT).unwrap();
        gateway.start_daemon(daemon).unwrap();
        gateway.wait_ready().unwrap();
        wait_all(&flows, PASSES, LIMIT).unwrap();
    }
    // All three at once.
    for daemon in ["mgmtd", "iked", "netd"] {
        gateway.daemon(daemon).unwrap().kill().unwrap();
    }
    wait_all(&flows, PASSES, LIMIT).unwrap();
    for daemon in ["iked", "mgmtd", "netd"] {
        gateway.start_daemon(daemon).unwrap();
    }
    gateway.wait_ready().unwrap();
    gateway.cli("request security ipsec rekey all").unwrap();
    peer.rekey("--ike", "ipv4").unwrap();
    wait_all(&flows, PASSES, LIMIT).unwrap();
    peer.rekey("--child", "ipv4-s1").unwrap();
    wait_all(&flows, PASSES, LIMIT).unwrap();

    let hosts = flows.map(|flow| flow.finish(Duration::from_secs(1)).unwrap());
    wait_until("the last superseded SAs to go", LIMIT, || {
        Ok((peer.established()? == 1 && peer.children()? == 1).then_some(()))
    })
    .unwrap();
    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    let directions = account::directions(&outer, &clear, &site::tunnels(), &site::enb_inner());
    assert!(
        account::faults(&directions).is_empty(),
        "{directions:?}, the hosts say {hosts:?}"
    );
    assert_eq!((hosts[0].duplicated, hosts[1].duplicated), (0, 0));
    assert!(
        steady::protected(&outer).is_empty(),
        "cleartext on the outer link"
    );
    assert_eq!(outer.repeated_nonces(V4.gateway_outer), vec![]);
    let rekeyed: BTreeSet<u32> = outer
        .frames()
        .filter(|f| f.addresses == Some((V4.gateway_outer, V4.enb_outer)))
        .filter_map(|f| f.esp())
        .map(|(spi, _)| spi)
        .collect();
    assert_eq!(rekeyed.len(), 3, "the first child and two rekeyed ones");
}

//! Lifetimes in packets and in kilobytes with a real peer under traffic: near its end an SA is rekeyed without the loss of a packet; one
//! whose peer does not answer stops exactly at its last packet, and the tunnel comes back when the peer does.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::signal::Signal;
use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{self, CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, Tally, ping};
use ravelin_tests::wait::wait_until;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

const RATE_PPS: u32 = 2000;
/// A life of three seconds: between the soft limit and the hard one lie three tenths and more.
const PACKETS: u32 = 3 * RATE_PPS;
const KILOBYTES: u32 = 3 * RATE_PPS * 600 / 1024;
const SECONDS: u32 = 4;
/// Small ones come to the limit of packets first, large ones to that of kilobytes.
const SMALL_OCTETS: usize = 100;
const LARGE_OCTETS: usize = 1200;

fn configuration() -> String {
    let lifetime = "            lifetime-seconds 3600;\n";
    let (before, after) = CONFIGURATION.rsplit_once(lifetime).unwrap();
    format!(
        "{before}{lifetime}            lifetime-kilobytes {KILOBYTES};\n            lifetime-packets {PACKETS};\n{after}"
    )
}

fn stream(source: &Netns, sink: &Netns, from: IpAddr, to: IpAddr, octets: usize) -> Stream {
    let spec = StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        count: RATE_PPS * SECONDS,
        octets,
    };
    Stream::start(source, sink, spec).unwrap()
}

fn both_ways(site: &Site, octets: usize) -> (Tally, Tally) {
    let up = stream(&site.enb, &site.core, V4.enb_inner, V4.core, octets);
    let down = stream(&site.core, &site.enb, V4.core, V4.enb_inner, octets);
    let grace = Duration::from_secs(1);
    (up.finish(grace).unwrap(), down.finish(grace).unwrap())
}

fn outbound_spi(gateway: &Gateway) -> String {
    let text = gateway
        .cli("show security ipsec security-associations | display json")
        .unwrap();
    text.split("outbound_spi").nth(1).unwrap_or("none")[..20].to_owned()
}

#[test]
fn sas_are_rekeyed_by_volume_without_loss_and_stop_at_their_end() {
    let site = Site::new("lifetime").unwrap();
    let gateway = site.start_gateway_with(&configuration()).unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
    let mut peer =
        StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    let first = outbound_spi(&gateway);
    let small = both_ways(&site, SMALL_OCTETS);
    let second = outbound_spi(&gateway);
    assert_ne!(first, second, "not rekeyed by packets");
    let large = both_ways(&site, LARGE_OCTETS);
    assert_ne!(second, outbound_spi(&gateway), "not rekeyed by kilobytes");
    assert_eq!(gateway.drops("lifetime-expired").unwrap(), 0);
    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (frames, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    let directions = account::directions(&frames, &clear, &site::tunnels(), &site::enb_inner());
    assert!(
        account::faults(&directions).is_empty(),
        "{directions:?}, the hosts say {small:?} {large:?}"
    );
    assert_eq!(frames.cleartext().len(), 0);

    // The peer goes silent: no rekey comes about.
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "silent").unwrap();
    peer.process().signal(Signal::SIGSTOP);
    let down = stream(&site.core, &site.enb, V4.core, V4.enb_inner, SMALL_OCTETS);
    wait_until("the SA to stop", Duration::from_secs(10), || {
        Ok((gateway.drops("lifetime-expired")? > 0).then_some(()))
    })
    .unwrap();
    down.finish(Duration::from_millis(100)).unwrap();
    peer.process().signal(Signal::SIGCONT);
    let silent = outer.finish().unwrap();
    let mut numbers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for trace in [&frames, &silent] {
        for (spi, number) in trace.frames().filter_map(|f| f.esp()) {
            numbers.entry(spi).or_default().insert(number);
        }
    }
    let most = numbers.values().map(BTreeSet::len).max().unwrap();
    let last = numbers.values().filter_map(BTreeSet::last).max().copied();
    assert_eq!(last, Some(PACKETS), "the most on one SA are {most}");
    // What is gone at one end goes at the other, and the tunnel returns.
    wait_until("the tunnel's return", Duration::from_secs(30), || {
        if peer.children()? == 0 {
            peer.initiate("ipv4-s1")?;
        }
        let answers = ping(&site.enb, V4.enb_inner, V4.core, 1, 56)?;
        Ok((answers == 1).then_some(()))
    })
    .unwrap();
}

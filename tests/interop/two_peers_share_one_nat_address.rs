//! Two eNodeBs behind one NAT: the gateway sees one outer address, the same private address behind it twice, and tells the peers
//! apart by their ports and SPIs. Both carry traffic at the same time, neither gets the other's, and one outlives the other.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::nat;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{CONFIGURATION, Site, V4};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::wait_until;
use std::collections::BTreeSet;
use std::time::Duration;

const PACKETS: u32 = 2000;
const LIMIT: Duration = Duration::from_secs(30);

struct Enb {
    number: u8,
    netns: Netns,
    /// Its own NAT, which goes with it.
    _own: Netns,
    peer: StrongSwan,
}

fn enb(site: &Site, number: u8) -> Enb {
    let (netns, own) = nat::behind_two(site, number).unwrap();
    let name = format!("enb{number}");
    let connection = nat::connection(&name, V4, number);
    let peer = StrongSwan::start(&netns, &site.folder().join(&name), &[connection]).unwrap();
    peer.initiate(&format!("{name}-s1")).unwrap();
    Enb {
        number,
        netns,
        _own: own,
        peer,
    }
}

fn crosses(site: &Site, enb: &Enb, count: u32) -> bool {
    let inner = nat::inner(enb.number);
    ping(&enb.netns, inner, V4.core, count, 56).unwrap() == count
        && ping(&site.core, V4.core, inner, count, 56).unwrap() == count
}

fn streams(site: &Site, enb: &Enb) -> [Stream; 2] {
    let inner = nat::inner(enb.number);
    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000 + u16::from(enb.number),
        rate_pps: 500,
        count: PACKETS,
        octets: 200,
    };
    [
        Stream::start(&enb.netns, &site.core, spec(inner, V4.core)).unwrap(),
        Stream::start(&site.core, &enb.netns, spec(V4.core, inner)).unwrap(),
    ]
}

fn remotes(gateway: &Gateway) -> BTreeSet<String> {
    let text = gateway
        .cli("show security ipsec security-associations | display json")
        .unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sas = report["ipsec_security_associations"].as_array().unwrap();
    sas.iter()
        .map(|sa| sa["remote"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn both_carry_traffic_and_one_outlives_the_other() {
    let site = Site::new("two_behind_one_nat").unwrap();
    let configuration = CONFIGURATION
        .replace("interval 10;", "interval 2;")
        .replace("threshold 3;", "threshold 2;");
    let gateway = site.start_gateway_with(&configuration).unwrap();
    nat::translate(&site, "20000-20999").unwrap();
    let (one, mut two) = (enb(&site, 1), enb(&site, 2));
    assert!(crosses(&site, &one, 2) && crosses(&site, &two, 2));
    let outer = remotes(&gateway);
    assert_eq!(outer.len(), 2, "two ports: {outer:?}");
    assert!(outer.iter().all(|at| at.starts_with("192.0.2.10:")));

    // At the same time, each way, and nothing is lost or doubled.
    let running: Vec<Stream> = [&one, &two]
        .into_iter()
        .flat_map(|e| streams(&site, e))
        .collect();
    for stream in running {
        let tally = stream.finish(Duration::from_secs(1)).unwrap();
        assert_eq!(
            (tally.received, tally.duplicated),
            (PACKETS, 0),
            "{tally:?}"
        );
    }
    assert_eq!(remotes(&gateway), outer);

    two.peer.process().kill().unwrap();
    wait_until("the dead eNodeB's tunnel to go", LIMIT, || {
        Ok((remotes(&gateway).len() == 1).then_some(()))
    })
    .unwrap();
    assert!(crosses(&site, &one, 3));
    assert_eq!(one.peer.established().unwrap(), 1);
    let routes = site.gw.sh("ip route show").unwrap();
    assert!(
        routes.contains("10.45.0.1 ") && !routes.contains("10.45.0.2 "),
        "{routes}"
    );
}

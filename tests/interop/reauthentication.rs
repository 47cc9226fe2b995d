//! Reauthentication with strongSwan, which makes before it breaks as we do: by either end, under traffic both ways of which no packet is
//! lost between the two links of the gateway.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::site::{self, CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Child, StrongSwan};
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::{pause, wait_until};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const RATE_PPS: u32 = 500;

/// The site's configuration, where both IKE SAs of the gateway are authenticated anew at each rekey.
fn configuration() -> String {
    let policy = "pre-shared-key ascii-text";
    CONFIGURATION.replace(policy, &format!("reauth-frequency 1;\n {policy}"))
}

/// The first gateway knows its peer, and sets its tunnel up.
fn initiating() -> String {
    let text = configuration();
    let (head, tail) = text.split_once("dynamic {").unwrap();
    let (_, tail) = tail.split_once('}').unwrap();
    let peer = "address 192.0.2.10; remote-identity hostname enb1.enb.example;";
    let (vpn, rest) = tail.split_once("vpn enb-v6 {").unwrap();
    let (before, selectors) = vpn.split_once("traffic-selector inet {").unwrap();
    let (_, after) = selectors
        .split_once("establish-tunnels responder-only;")
        .unwrap();
    let own = "traffic-selector own { local-ip 198.51.100.0/24; remote-ip 10.45.0.1/32; }
        establish-tunnels immediately;";
    format!("{head}{peer}{before}{own}{after}vpn enb-v6 {{{rest}")
}

/// Does something while packets flow both ways for so many seconds; what the gateway took and gave, up and down.
fn under_traffic(site: &Site, seconds: u32, act: impl FnOnce()) -> [account::Direction; 2] {
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        count: RATE_PPS * seconds,
        octets: 200,
    };
    let up = Stream::start(&site.enb, &site.core, spec(V4.enb_inner, V4.core)).unwrap();
    let down = Stream::start(&site.core, &site.enb, spec(V4.core, V4.enb_inner)).unwrap();
    act();
    let grace = Duration::from_secs(1);
    for stream in [up, down] {
        stream.finish(grace).unwrap();
    }
    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    assert_eq!(outer.cleartext().len(), 0);
    account::directions(&outer, &clear, &site::tunnels(), &site::enb_inner())
}

#[test]
fn strongswan_reauthenticates() {
    let site = Site::new("reauthentication_by_peer").unwrap();
    let gateway = site.start_gateway_with(&configuration()).unwrap();
    let mut connection = enb_connection("enb", V4);
    let often = [
        "rekey_time = 0",
        "reauth_time = 4",
        "over_time = 60",
        "rand_time = 0",
    ];
    connection.options = often.map(str::to_owned).to_vec();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("enb-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    let directions = under_traffic(&site, 10, || {});
    assert_eq!(
        account::faults(&directions),
        Vec::<String>::new(),
        "{directions:?}"
    );
    let log = peer.log();
    // Of the gateway's 28,800 s.
    assert!(log.contains("received AUTH_LIFETIME of 28800s"), "{log}");
    let counts = gateway.ike_statistics().unwrap();
    let set_up = counts["IKE SAs established"];
    assert!((3..=4).contains(&set_up), "{counts:?}");
    wait_until("the last old one to go", LIMIT, || {
        Ok((peer.established()? == 1 && peer.children()? == 1).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_gateway_reauthenticates() {
    let site = Site::new("reauthentication_by_us").unwrap();
    let mut connection = enb_connection("enb", V4);
    connection.children = vec![Child::new("enb-s1", "10.45.0.1/32", "198.51.100.0/24")];
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    let gateway = site.start_gateway_with(&initiating()).unwrap();
    wait_until("the tunnel", LIMIT, || {
        Ok((peer.established()? == 1 && peer.children()? == 1).then_some(()))
    })
    .unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    let directions = under_traffic(&site, 6, || {
        for _ in 0..3 {
            gateway.cli("request security ike rekey all").unwrap();
            pause(Duration::from_millis(1500));
        }
    });
    let [up, down] = &directions;
    assert_eq!(down.esp, down.clear, "{directions:?}");
    // As responder strongSwan uses a child before its answer, by which we learn the keys, can have come.
    let early = gateway.drops("unknown-spi").unwrap();
    assert_eq!(up.esp, up.clear + early, "{directions:?}");
    assert!(
        early <= 3 * u64::from(RATE_PPS) / 5,
        "{early} packets came early"
    );
    let counts = gateway.ike_statistics().unwrap();
    let (anew, rekeyed) = (
        counts["reauthentications started"],
        counts["IKE SAs rekeyed"],
    );
    assert_eq!((anew, rekeyed), (3, 0), "{counts:?}");
    assert_eq!(counts["IKE SAs established"], 4);
    wait_until("the last old one to go", LIMIT, || {
        Ok((peer.established()? == 1 && peer.children()? == 1).then_some(()))
    })
    .unwrap();
}

//! `tfc-padding` hides how long packets are, and peers take what is padded.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::frame::Kind;
use ravelin_tests::pair::{GATEWAYS, HOSTS, Pair};
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use std::collections::BTreeSet;
use std::net::IpAddr;

const PADDED_OCTETS: usize = 1000;
const PINGS: u32 = 5;
/// ICMP payloads of short packets, each of its own length.
const SHORT_OCTETS: [u32; 3] = [16, 56, 256];

/// Lengths of ESP packets from `from`, with or without UDP.
fn lengths(trace: &Trace, from: IpAddr) -> BTreeSet<usize> {
    let of = |source: Option<(IpAddr, IpAddr)>| source.is_some_and(|(source, _)| source == from);
    let esp = trace
        .frames()
        .filter(|frame| matches!(frame.kind, Kind::Esp | Kind::EspInUdp) && of(frame.addresses));
    esp.map(|frame| frame.payload.len()).collect()
}

fn all_padded(sent: &BTreeSet<usize>) {
    assert!(
        sent.len() == 1 && sent.first() > Some(&PADDED_OCTETS),
        "{sent:?}"
    );
}

#[test]
fn padded_packets_of_a_gateway_all_look_as_long() {
    let folder = ravelin_tests::artifacts("padding_taken").unwrap();
    let pair = Pair::new().unwrap();
    let padded = format!("vpn peer {{ tfc-padding {PADDED_OCTETS}; }}");
    let gateways = pair.start_with(&folder, [&padded, ""]).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    let outer = Capture::start(&pair.middle, "ma", &folder, "outer").unwrap();
    for octets in SHORT_OCTETS {
        let answers = ping(&pair.hosts[0], HOSTS[0], HOSTS[1], PINGS, octets);
        assert_eq!(answers.unwrap(), PINGS);
    }
    let trace = outer.finish().unwrap();
    all_padded(&lengths(&trace, GATEWAYS[0]));
    // The other one pads nothing.
    let answered = lengths(&trace, GATEWAYS[1]);
    assert_eq!(answered.len(), SHORT_OCTETS.len(), "{answered:?}");
}

#[test]
fn strongswan_takes_padded_packets() {
    let site = Site::new("padding_strongswan").unwrap();
    let padded = format!("bind-interface st0.0;\n            tfc-padding {PADDED_OCTETS};");
    let configuration = CONFIGURATION.replace("bind-interface st0.0;", &padded);
    let _gateway = site.start_gateway_with(&configuration).unwrap();
    let connection = enb_connection("enb", V4);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("enb-s1").unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    for octets in SHORT_OCTETS {
        let answers = ping(&site.core, V4.core, V4.enb_inner, PINGS, octets);
        assert_eq!(answers.unwrap(), PINGS);
    }
    all_padded(&lengths(&outer.finish().unwrap(), V4.gateway_outer));
}

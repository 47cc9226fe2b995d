//! Checksum offload present or not: systems on virtual links leave the checksums of TCP and UDP to a NIC, and there is none before the
//! gateway's ports. What it encrypts, gives to its own host (IKE) and clamps (the size of TCP's segments) is right all the same, and as
//! right from senders that leave nothing.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::frame::{Frame, Kind};
use ravelin_tests::site::{CONFIGURATION, Site, V4, V6, enb_connection, enb_inner};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Echo, tcp};
use ravelin_wire::checksum;
use ravelin_wire::ip::protocol::{TCP, UDP};
use std::net::{IpAddr, SocketAddr};

const QUESTIONS: u32 = 10;
const TCP_PORT: u16 = 5001;
const TCP_OCTETS: u64 = 100_000;

/// Of TCP and UDP from one of `sources`: packets whose checksum is wrong, and all of them.
fn wrong(trace: &Trace, sources: &[IpAddr]) -> (usize, usize) {
    let sums = trace.frames().filter_map(|frame: Frame<'_>| {
        let (source, destination) = frame.addresses?;
        let ours = sources.contains(&source) && [TCP, UDP].contains(&frame.protocol);
        // ESP in UDP has none.
        let judged = ours && frame.kind != Kind::EspInUdp && !frame.later_fragment;
        let octets = u32::try_from(frame.payload.len()).ok()?;
        let pseudo = checksum::pseudo_header(source, destination, frame.protocol, octets);
        judged.then(|| checksum::finish(checksum::add(pseudo, frame.payload)))
    });
    let sums: Vec<u16> = sums.collect();
    (sums.iter().filter(|sum| **sum != 0).count(), sums.len())
}

#[test]
fn checksums_are_right_with_offload_and_without() {
    let site = Site::new("partial_checksums").unwrap();
    let flow = "    flow { tcp-mss { ipsec-vpn { mss 1200; } } }\n    ipsec {";
    let clamped = CONFIGURATION.replacen("    ipsec {", flow, 1);
    assert_ne!(clamped, CONFIGURATION);
    let _gateway = site.start_gateway_with(&clamped).unwrap();
    let _echo = Echo::start(&site.enb, &enb_inner()).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("enb", V4)]).unwrap();
    for (offload, port) in [("on", TCP_PORT), ("off", TCP_PORT + 1)] {
        for (host, link) in [(&site.enb, "enb0"), (&site.core, "core0")] {
            host.sh(&format!("ethtool -K {link} tx {offload} >/dev/null"))
                .unwrap();
        }
        // At the far ends: those of the gateway do not show what it sends.
        let links = [(&site.enb, "enb0"), (&site.core, "core0")].map(|(host, link)| {
            let name = format!("{link}-{offload}");
            Capture::start(host, link, site.folder(), &name).unwrap()
        });
        peer.initiate("enb-s1").unwrap();
        for of in [V4, V6] {
            let answers = Echo::ask(&site.core, of.core, of.enb_inner, QUESTIONS).unwrap();
            assert_eq!(
                answers, QUESTIONS,
                "UDP to {}, offload {offload}",
                of.enb_inner
            );
            let to = SocketAddr::new(of.enb_inner, port);
            let arrived = tcp(&site.core, &site.enb, to, TCP_OCTETS).unwrap();
            assert_eq!(arrived, TCP_OCTETS, "TCP to {to}, offload {offload}");
        }
        peer.terminate("enb").unwrap();
        let [access, core] = links.map(|link| link.finish().unwrap());
        let from_core = wrong(&core, &[V4.core, V6.core]);
        let ike = wrong(&access, &[V4.enb_outer]);
        for (what, (wrong, all)) in [("of the core", from_core), ("IKE of the eNodeB", ike)] {
            println!("{what}: {wrong} of {all} wrong with offload {offload}");
            // What Linux answers without a socket is whole in any case.
            assert!(all > 0, "no packets {what}: the test proves nothing");
            assert_eq!(
                wrong > 0,
                offload == "on",
                "{what}, of {all}, offload {offload}"
            );
        }
        for (trace, sources) in [
            (&core, &enb_inner()[..]),
            (&access, &[V4.gateway_outer][..]),
        ] {
            let (wrong, all) = wrong(trace, sources);
            assert!(all > 0, "nothing from {sources:?}");
            assert_eq!(
                wrong, 0,
                "of {all} packets from {sources:?}, offload {offload}"
            );
        }
    }
}

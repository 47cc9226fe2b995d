//! The kernel is cut off from the ports: with planed dead, nobody answers ARP, ND, ping or IKE in its place.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::site::{Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;

#[test]
fn nothing_answers_while_planed_is_dead() {
    let site = Site::new("kernel_cutoff").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    // Alive, the gateway answers: the test below could tell.
    assert_eq!(
        ping(&site.enb, V4.enb_outer, V4.gateway_outer, 2, 56).unwrap(),
        2
    );
    assert_eq!(
        ping(&site.enb, V6.enb_outer, V6.gateway_outer, 2, 56).unwrap(),
        2
    );

    gateway.daemon("planed").unwrap().kill().unwrap();
    site.enb.sh("ip neigh flush dev enb0").unwrap();
    let capture = Capture::start(&site.enb, "enb0", site.folder(), "dead").unwrap();
    assert_eq!(
        ping(&site.enb, V4.enb_outer, V4.gateway_outer, 3, 56).unwrap(),
        0
    );
    assert_eq!(
        ping(&site.enb, V6.enb_outer, V6.gateway_outer, 3, 56).unwrap(),
        0
    );

    // IKE to the port's own MAC, which the kernel would accept if it still listened there.
    let mac = site.gw.sh("cat /sys/class/net/untrust/address").unwrap();
    site.enb
        .sh(&format!(
            "ip neigh replace 192.0.2.1 lladdr {} dev enb0 nud permanent",
            mac.trim()
        ))
        .unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    assert!(peer.initiate("ipv4-s1").is_err());

    let trace = capture.finish().unwrap();
    let answers: Vec<_> = trace
        .frames()
        .filter(|f| {
            f.addresses
                .is_some_and(|(source, _)| source == V4.gateway_outer || source == V6.gateway_outer)
        })
        .map(|f| (f.kind, f.addresses))
        .collect();
    assert!(answers.is_empty(), "answered: {answers:?}");
    let arp_replies = trace.arp_replies();
    assert_eq!(arp_replies, 0);
    let sent_ike = trace
        .kinds()
        .get(&ravelin_tests::frame::Kind::Ike)
        .copied()
        .unwrap_or(0);
    assert!(
        sent_ike >= 1,
        "the eNodeB sent no IKE: the test proves nothing"
    );
}

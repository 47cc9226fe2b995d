//! IKE messages that do not fit into one packet, in both directions and over both families: as IP fragments, joined by the data
//! plane before they reach iked and fragmented by the kernel on their way out; and as fragments of IKE itself (RFC 7383).

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::site::{Addresses, CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::{Connection, StrongSwan};
use ravelin_tests::traffic::ping;

/// Proposals of more than 2,000 octets, of which the last is acceptable.
fn many_proposals() -> String {
    let mut all = Vec::new();
    for encryption in ["aes128", "aes192", "aes256"] {
        for integrity in ["sha1", "sha256", "sha384", "sha512"] {
            for prf in ["prfsha1", "prfsha256", "prfsha384", "prfsha512"] {
                all.push(format!("{encryption}-{integrity}-{prf}-ecp256"));
            }
        }
    }
    all.push("aes256gcm16-prfsha256-ecp256".to_owned());
    all.join(",")
}

/// A connection whose every set-up message, ours to IKE_AUTH included, is larger than 1,500 octets; IKE_SA_INIT, which cannot be
/// cut by IKE itself, only without fragmentation.
fn connection(outer: Addresses, fragmentation: &str) -> Connection {
    let mut connection = enb_connection("large", outer);
    if fragmentation == "no" {
        connection.proposals = many_proposals();
    }
    connection
        .options
        .push(format!("fragmentation = {fragmentation}"));
    let list = |first: String, of: &dyn Fn(u32) -> String, count| {
        let more: Vec<String> = (0..count).map(of).collect();
        format!("{first},{}", more.join(","))
    };
    let child = &mut connection.children[0];
    child.local_ts = list(
        format!("{},{}", V4.enb_inner, V6.enb_inner),
        &|n| format!("2001:db8:45:{:x}::/64", 16 + 2 * n),
        28,
    );
    child.remote_ts = list(
        child.remote_ts.clone(),
        &|n| format!("2001:db8:c:{:x}::/64", 16 + 2 * n),
        10,
    );
    connection
}

/// Fragments from one address to another: first ones and later ones.
fn fragments(trace: &Trace, from: std::net::IpAddr, to: std::net::IpAddr) -> usize {
    trace
        .frames()
        .filter(|f| f.addresses == Some((from, to)) && f.later_fragment)
        .count()
}

/// Brings the large tunnel up, uses it, rekeys it and ends it; fragments that went up and down.
fn large_tunnel(site: &Site, name: &str, outer: Addresses, fragmentation: &str) -> (usize, usize) {
    let folder = site.folder().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let capture = Capture::start(&site.enb, "enb0", &folder, "outer").unwrap();
    let connection = connection(outer, fragmentation);
    let peer = StrongSwan::start(&site.enb, &folder, &[connection]).unwrap();
    peer.initiate("large-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
    assert_eq!(ping(&site.core, V6.core, V6.enb_inner, 3, 56).unwrap(), 3);
    peer.rekey("--child", "large-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 3, 56).unwrap(), 3);
    peer.terminate("large").unwrap();
    let trace = capture.finish().unwrap();
    let (peer, gateway) = (outer.enb_outer, outer.gateway_outer);
    (
        fragments(&trace, peer, gateway),
        fragments(&trace, gateway, peer),
    )
}

#[test]
fn as_ip_fragments_both_ways_over_both_families() {
    let site = Site::new("ike_ip_fragments").unwrap();
    // AF_PACKET ports get IPv4 datagrams joined by the kernel; these get the fragments as they are on the wire.
    let configuration = CONFIGURATION.replace(
        "net_af_packet0,iface=untrust",
        "net_pcap0,rx_iface_in=untrust,tx_iface=untrust",
    );
    let gateway = site.start_gateway_with(&configuration).unwrap();
    for (name, outer) in [("v4", V4), ("v6", V6)] {
        let (up, down) = large_tunnel(&site, name, outer, "no");
        // IKE_SA_INIT, IKE_AUTH and the rekey towards us; the answers to the latter two from us.
        assert!(up >= 3 && down >= 2, "{name}: {up} up, {down} down");
    }
    for reason in [
        "fragment-bad",
        "fragment-overlap",
        "reassembly-full",
        "reassembly-timeout",
        "truncated",
    ] {
        assert_eq!(gateway.drops(reason).unwrap(), 0, "{reason}");
    }
}

#[test]
fn as_fragments_of_ike_both_ways_over_both_families() {
    let site = Site::new("ike_fragments").unwrap();
    let gateway = site.start_gateway().unwrap();
    let counted = |name: &str| {
        let text = gateway
            .cli("show security ike statistics | display json")
            .unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        report["ike_statistics"][name].as_u64().unwrap_or(0)
    };
    for (rounds, (name, outer)) in (1..).zip([("v4", V4), ("v6", V6)]) {
        let ip_fragments = large_tunnel(&site, name, outer, "yes");
        assert_eq!(ip_fragments, (0, 0), "{name}: nothing is left to IP");
        // IKE_AUTH and the rekey, each way.
        let (joined, cut) = (
            counted("messages joined from fragments"),
            counted("messages sent as fragments"),
        );
        assert!(joined >= 2 * rounds && cut >= 2 * rounds, "{joined} {cut}");
    }
}

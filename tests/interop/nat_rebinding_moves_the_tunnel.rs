//! A NAT before the eNodeB forgets its binding: the next authenticated packet of the peer, ESP or IKE, tells the gateway where it
//! is now (RFC 7296 section 2.23), traffic goes on both ways, and nothing is negotiated anew. No packet of a spoofer moves it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::nat::{self, PUBLIC};
use ravelin_tests::netns::{Netns, run};
use ravelin_tests::site::{Addresses, Site, V4, V6};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const SPOOFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/spoof.py");

struct Scene {
    site: Site,
    gateway: Gateway,
    enb: Netns,
    peer: StrongSwan,
}

/// A tunnel through the NAT that carries traffic both ways.
fn scene(name: &str, outer: Addresses) -> Scene {
    let site = Site::new(name).unwrap();
    let gateway = site.start_gateway().unwrap();
    nat::translate(&site, "20000-20099").unwrap();
    let enb = nat::behind(&site, 1).unwrap();
    let peer = StrongSwan::start(&enb, site.folder(), &[nat::connection("nat", outer, 1)]).unwrap();
    peer.initiate("nat-s1").unwrap();
    let scene = Scene {
        site,
        gateway,
        enb,
        peer,
    };
    assert_eq!(scene.up(3), 3);
    assert_eq!(scene.down(3), 3);
    scene
}

impl Scene {
    fn up(&self, count: u32) -> u32 {
        ping(&self.enb, nat::inner(1), V4.core, count, 56).unwrap()
    }

    fn down(&self, count: u32) -> u32 {
        ping(&self.site.core, V4.core, nat::inner(1), count, 56).unwrap()
    }

    /// Where the gateway believes the peer to be, for every IKE SA (two while one is rekeyed) and every child.
    fn peer_at(&self) -> Vec<SocketAddr> {
        let mut at = Vec::new();
        for (kind, list) in [
            ("ike", "ike_security_associations"),
            ("ipsec", "ipsec_security_associations"),
        ] {
            let command = format!("show security {kind} security-associations | display json");
            let text = self.gateway.cli(&command).unwrap();
            let report: serde_json::Value = serde_json::from_str(&text).unwrap();
            let sas = report[list].as_array().unwrap();
            assert!(!sas.is_empty(), "{text}");
            at.extend(
                sas.iter()
                    .map(|sa| -> SocketAddr { sa["remote"].as_str().unwrap().parse().unwrap() }),
            );
        }
        at
    }

    fn is_at(&self, address: IpAddr, ports: &std::ops::Range<u16>) -> bool {
        self.peer_at()
            .iter()
            .all(|at| at.ip() == address && ports.contains(&at.port()))
    }

    /// Everything that was ever negotiated is the one set-up.
    fn assert_not_renegotiated(&self) {
        assert_eq!(self.peer.established().unwrap(), 1);
        assert_eq!(self.peer.children().unwrap(), 1);
        let log = self.peer.log();
        assert_eq!(log.matches("generating IKE_SA_INIT request").count(), 1);
        assert_eq!(log.matches("generating CREATE_CHILD_SA request").count(), 0);
    }
}

fn forget_and_go_on(outer: Addresses, name: &str, other: &str) {
    let scene = scene(name, outer);
    let first = outer.enb_outer;
    assert!(scene.is_at(first, &(20000..20100)), "{:?}", scene.peer_at());
    let (old, new) = (first.to_string(), other.parse().unwrap());
    for (ports, range, from, to, at) in [
        // Other ports of the same address, then another address.
        (
            "30000-30099",
            30000..30100,
            old.as_str(),
            old.as_str(),
            first,
        ),
        ("40000-40099", 40000..40100, old.as_str(), other, new),
    ] {
        nat::rebind(&scene.site, ports, from, to).unwrap();
        // Only ESP of the peer says where it is.
        wait_until("traffic from behind the new binding", LIMIT, || {
            Ok((scene.up(1) == 1 && scene.is_at(at, &range)).then_some(()))
        })
        .unwrap();
        assert_eq!(scene.down(3), 3);
        assert_eq!(scene.up(3), 3);
    }
    scene.assert_not_renegotiated();
}

#[test]
fn esp_of_the_peer_moves_it_to_other_ports_and_addresses() {
    forget_and_go_on(V4, "nat_rebinding_esp", "192.0.2.11");
}

#[test]
fn so_it_does_over_ipv6() {
    forget_and_go_on(V6, "nat_rebinding_esp_v6", "2001:db8:a::11");
}

#[test]
fn ike_of_the_peer_moves_it_before_any_esp() {
    let scene = scene("nat_rebinding_ike", V4);
    nat::rebind(&scene.site, "30000-30099", "192.0.2.10", "192.0.2.11").unwrap();
    scene.peer.rekey("--ike", "nat").unwrap();
    let at = "192.0.2.11".parse().unwrap();
    wait_until("the gateway to follow an IKE message", LIMIT, || {
        Ok(scene.is_at(at, &(30000..30100)).then_some(()))
    })
    .unwrap();
    // The first packet through the new binding goes down.
    assert_eq!(scene.down(3), 3);
    assert_eq!(scene.up(3), 3);
}

#[test]
fn a_move_while_iked_is_dead_is_made_up_for() {
    let mut scene = scene("nat_rebinding_iked", V4);
    scene.gateway.daemon("iked").unwrap().kill().unwrap();
    nat::rebind(&scene.site, "30000-30099", "192.0.2.10", "192.0.2.11").unwrap();
    // The peer speaks while nobody decides where it is.
    scene.up(3);
    scene.gateway.start_daemon("iked").unwrap();
    scene.gateway.wait_ready().unwrap();
    let at = "192.0.2.11".parse().unwrap();
    wait_until("traffic from behind the new binding", LIMIT, || {
        Ok((scene.up(1) == 1 && scene.is_at(at, &(30000..30100))).then_some(()))
    })
    .unwrap();
    assert_eq!(scene.down(3), 3);
    scene.assert_not_renegotiated();
}

#[test]
fn no_spoofer_moves_it() {
    let scene = scene("nat_spoofer", V4);
    let outer = Capture::start(&scene.site.enb, "enb0", scene.site.folder(), "genuine").unwrap();
    assert_eq!(scene.up(20), 20);
    scene.peer.rekey("--ike", "nat").unwrap();
    wait_until("the rekeyed IKE SA", LIMIT, || {
        Ok((scene.peer.log().contains("rekeyed between")).then_some(()))
    })
    .unwrap();
    assert_eq!(scene.up(3), 3);
    outer.finish().unwrap();
    let before = scene.peer_at();
    assert!(before.iter().all(|at| at.ip() == PUBLIC));

    let clear = Capture::start(&scene.site.core, "core0", scene.site.folder(), "clear").unwrap();
    for (mode, reason) in [
        ("esp", Some("replay-duplicate")),
        ("forged-esp", Some("auth-failed")),
        ("ike", None),
        ("forged-ike", None),
    ] {
        let refused = |reason| scene.gateway.drops(reason).unwrap();
        let dropped = reason.map(refused);
        let pcap = scene.site.folder().join("genuine.pcap");
        let sent = run(scene
            .site
            .enb
            .command("python3")
            .args([SPOOFER, "enb0", "192.0.2.66", mode])
            .arg(pcap))
        .unwrap();
        let sent: u64 = sent.trim().parse().unwrap();
        assert!(sent > 0, "nothing to spoof as {mode}");
        if let (Some(reason), Some(dropped)) = (reason, dropped) {
            wait_until(reason, LIMIT, || {
                Ok((refused(reason) >= dropped + sent).then_some(()))
            })
            .unwrap();
        }
        // What leaves the gateway next, and what comes next, goes where it went before.
        assert_eq!(scene.down(3), 3, "after {mode}");
        assert_eq!(scene.up(3), 3, "after {mode}");
        assert_eq!(scene.peer_at(), before, "after {mode}");
    }
    // Only the pings of this test reached the core.
    assert_eq!(clear.finish().unwrap().cleartext_from(&[nat::inner(1)]), 24);
}

#[test]
fn keepalives_of_the_peer_are_dropped_under_their_own_reason() {
    let mut scene = scene("nat_keepalive_in", V4);
    let before = scene.gateway.drops("nat-keepalive").unwrap();
    let socket = scene
        .enb
        .spawn(|| std::net::UdpSocket::bind("192.168.7.10:4501"))
        .unwrap();
    let socket = socket.join().unwrap().unwrap().unwrap();
    for _ in 0..5 {
        socket.send_to(&[0xff], "192.0.2.1:4500").unwrap();
    }
    wait_until("the keepalives to be counted", LIMIT, || {
        Ok((scene.gateway.drops("nat-keepalive")? >= before + 5).then_some(()))
    })
    .unwrap();
    let log = scene.gateway.daemon("iked").unwrap().log();
    assert!(!log.contains("keepalive"), "{log}");
}

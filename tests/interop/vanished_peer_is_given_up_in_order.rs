//! Peers that vanish at the worst instant: in IKE_SA_INIT, in IKE_AUTH, in the rekey of a child or of the IKE SA, or just so. What
//! is half-open ends by itself; an established tunnel ends when liveness detection says so, not before, first its route and then
//! its SAs; and a peer that is back in time goes on as if nothing had been.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::{pause, wait_until};
use std::time::{Duration, Instant};

/// `dead-peer-detection` of these tests: 2 s of silence, then 3 times 2 s to answer.
const DEAD: Duration = Duration::from_secs(8);
/// The machine may be slow.
const LIMIT: Duration = Duration::from_secs(60);

struct Scene {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
}

/// Two tunnels of one eNodeB: over IPv4, which is to suffer, and over IPv6, which is not to notice.
fn scene(name: &str, threshold: u32) -> Scene {
    let site = Site::new(name).unwrap();
    let configuration = CONFIGURATION
        .replace("interval 10;", "interval 2;")
        .replace("threshold 3;", &format!("threshold {threshold};"));
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let mut v6 = enb_connection("ipv6", V6);
    v6.children[0].local_ts = "10.45.0.66".to_owned();
    site.enb.sh("ip addr add 10.45.0.66/32 dev lo").unwrap();
    let connections = [enb_connection("ipv4", V4), v6];
    let peer = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
    peer.initiate("ipv6-s1").unwrap();
    let scene = Scene {
        site,
        gateway,
        peer,
    };
    assert!(scene.other_crosses());
    scene
}

impl Scene {
    fn crosses(&self) -> bool {
        ping(&self.site.enb, V4.enb_inner, V4.core, 2, 56).unwrap() == 2
    }

    fn other_crosses(&self) -> bool {
        let inner = "10.45.0.66".parse().unwrap();
        ping(&self.site.enb, inner, V4.core, 2, 56).unwrap() == 2
    }

    /// From now on nothing of the peer's IPv4 tunnel crosses its link: both directions, or one by the hook's name.
    fn vanish(&self, hooks: &[&str]) {
        for hook in hooks {
            self.site
                .enb
                .sh(&format!(
                    "nft add table ip gone
                     nft add chain ip gone {hook} '{{ type filter hook {hook} priority 0; }}'
                     nft add rule ip gone {hook} udp dport '{{ 500, 4500 }}' drop
                     nft add rule ip gone {hook} udp sport '{{ 500, 4500 }}' drop"
                ))
                .unwrap();
        }
    }

    fn come_back(&self) {
        self.site.enb.sh("nft delete table ip gone").unwrap();
    }

    fn list(&self, kind: &str) -> Vec<serde_json::Value> {
        let command = format!("show security {kind} security-associations | display json");
        let text = self.gateway.cli(&command).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let all = report[format!("{kind}_security_associations")].clone();
        let of_v4 =
            |sa: &serde_json::Value| sa["remote"].as_str().unwrap().starts_with("192.0.2.10:");
        all.as_array()
            .unwrap()
            .iter()
            .filter(|sa| of_v4(sa))
            .cloned()
            .collect()
    }

    fn route(&self) -> bool {
        let text = self.site.gw.sh("ip route show").unwrap();
        text.lines().any(|l| l.starts_with("10.45.0.1 "))
    }

    /// The tunnel stays for as long as liveness detection grants, counted from `since`, then goes whole.
    fn assert_given_up(&self, since: Instant) {
        let gone = wait_until("the tunnel to go", LIMIT, || {
            Ok(self.list("ipsec").is_empty().then(Instant::now))
        })
        .unwrap();
        // The last sign of life may be a little older than `since`.
        let lasted = gone - since + Duration::from_secs(2);
        assert!(lasted >= DEAD, "given up after {lasted:?}");
        wait_until("IKE SA and route to go", LIMIT, || {
            Ok((self.list("ike").is_empty() && !self.route()).then_some(()))
        })
        .unwrap();
        assert_eq!(
            ping(&self.site.core, V4.core, V4.enb_inner, 1, 56).unwrap(),
            0
        );
        assert!(self.other_crosses(), "the other tunnel does not notice");
    }
}

#[test]
fn just_so_and_in_rekeys() {
    let scene = scene("vanish_established", 3);
    for how in ["silently", "child", "ike"] {
        scene.peer.initiate("ipv4-s1").unwrap();
        assert!(scene.crosses() && scene.route());
        // In a rekey: the peer's request arrives, our answer does not.
        let since = Instant::now();
        match how {
            "silently" => scene.vanish(&["input", "output"]),
            _ => {
                scene.vanish(&["input"]);
                let (what, name) = match how {
                    "child" => ("--child", "ipv4-s1"),
                    _ => ("--ike", "ipv4"),
                };
                let before = scene.list("ike")[0]["messages_in"].as_u64();
                drop(scene.peer.rekey(what, name));
                wait_until("the rekey to reach the gateway", LIMIT, || {
                    Ok((scene
                        .list("ike")
                        .first()
                        .is_none_or(|sa| sa["messages_in"].as_u64() != before))
                    .then_some(()))
                })
                .unwrap();
                scene.vanish(&["output"]);
            }
        }
        scene.assert_given_up(since);
        scene.come_back();
        // The peer gives up too, or is told to.
        drop(
            scene
                .peer
                .swanctl(&["--terminate", "--ike", "ipv4", "--force"]),
        );
        wait_until("the peer to let go", LIMIT, || {
            Ok((!scene.peer.list_sas()?.contains("ipv4:")).then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn in_the_set_up() {
    let scene = scene("vanish_set_up", 3);
    // Our answers to IKE_SA_INIT get lost: it never hears of the half-open IKE SA.
    scene.vanish(&["input"]);
    let brief = ["--initiate", "--child", "ipv4-s1", "--timeout", "3"];
    assert!(scene.peer.swanctl(&brief).is_err());
    assert!(scene.list("ipsec").is_empty() && !scene.route());
    drop(
        scene
            .peer
            .swanctl(&["--terminate", "--ike", "ipv4", "--force"]),
    );
    assert!(!scene.list("ike").is_empty(), "half-open");
    scene.come_back();

    // Our answer to IKE_AUTH gets lost: the tunnel is up here and never there.
    scene
        .site
        .enb
        .sh("nft add table ip gone
             nft add chain ip gone input '{ type filter hook input priority 0; }'
             nft add rule ip gone input udp sport 4500 drop")
        .unwrap();
    let since = Instant::now();
    assert!(scene.peer.swanctl(&brief).is_err());
    drop(
        scene
            .peer
            .swanctl(&["--terminate", "--ike", "ipv4", "--force"]),
    );
    // The half-open one ends after 30 s; the other as every tunnel whose peer is gone.
    scene.assert_given_up(since);
    scene.come_back();
    // And nothing of all this is in the way of the next attempt.
    scene.peer.initiate("ipv4-s1").unwrap();
    assert!(scene.crosses() && scene.other_crosses());
}

#[test]
fn a_peer_that_is_back_in_time_goes_on() {
    let scene = scene("vanish_return", 5);
    scene.peer.initiate("ipv4-s1").unwrap();
    assert!(scene.crosses());
    let before = scene.list("ipsec")[0]["inbound_spi"].clone();
    for _ in 0..2 {
        let probes = retransmissions(&scene);
        scene.vanish(&["input", "output"]);
        // It is missed already.
        wait_until("a probe to be repeated", LIMIT, || {
            Ok((retransmissions(&scene) > probes).then_some(()))
        })
        .unwrap();
        scene.come_back();
        assert!(scene.crosses());
        let repeated = retransmissions(&scene);
        pause(Duration::from_secs(3));
        assert!(
            retransmissions(&scene) <= repeated + 1,
            "the probe was answered"
        );
        assert!(scene.other_crosses());
    }
    assert_eq!(
        scene.list("ipsec")[0]["inbound_spi"],
        before,
        "it is the same tunnel"
    );
    assert_eq!(scene.list("ike").len(), 1);
}

fn retransmissions(scene: &Scene) -> u64 {
    scene.list("ike")[0]["retransmissions"].as_u64().unwrap()
}

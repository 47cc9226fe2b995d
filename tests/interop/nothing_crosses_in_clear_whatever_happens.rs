//! Downlink traffic of both inner families runs through tunnels over both outer families while every daemon is killed, alone and all at
//! once, tunnels are deleted by the peer, by the operator, by dead peer detection and by expiry, SAs are rekeyed, both links flap and
//! the configuration changes. The outer link never shows an octet of it in clear, although default routes of both families lead there.
//! Through all of it every forwarding switch of the kernel is off.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::{DAEMONS, Gateway};
use ravelin_tests::site::{CONFIGURATION, GATEWAY_TRUST, Site, V4, V6, enb_connection};
use ravelin_tests::steady::{self, Flow, FlowSpec, wait_all};
use ravelin_tests::strongswan::{Connection, StrongSwan};
use ravelin_tests::wait::wait_until;
use std::net::IpAddr;
use std::time::Duration;

const RATE_PPS: u32 = 200;
const PASSES: u64 = 100;
const LIMIT: Duration = Duration::from_secs(40);
/// Half seconds that planed stays away, longer than a peer may be silent.
const ABSENCE: u32 = 20;
/// Inner addresses behind the tunnel over IPv6.
const SECOND: [&str; 2] = ["10.45.0.2", "2001:db8:45::2"];
/// Protected addresses that no tunnel ever carries; the eNodeB would take packets for them.
const NEVER: [&str; 2] = ["10.45.9.9", "2001:db8:45::99"];
/// A leak finds its way: default routes over the outer link.
const DEFAULT_ROUTES: &str = "routing-options {
    rib inet6.0 {
        static {
            route ::/0 next-hop 2001:db8:a::10;
        }
    }
    static {
        route 0.0.0.0/0 next-hop 192.0.2.10;
    }
}
";

struct Scene {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
    flows: Vec<Flow>,
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The site's configuration with default routes.
fn configuration() -> String {
    format!("{CONFIGURATION}{DEFAULT_ROUTES}")
}

/// A peer that is silent for four seconds is dead.
fn quick_liveness() -> String {
    configuration()
        .replace("interval 10;", "interval 2;")
        .replace("threshold 3;", "threshold 2;")
}

fn connections() -> [Connection; 2] {
    let mut second = enb_connection("ipv6", V6);
    second.children[0].local_ts = SECOND.join(",");
    [enb_connection("ipv4", V4), second]
}

fn spec(from: IpAddr, to: IpAddr) -> FlowSpec {
    FlowSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        octets: 200,
    }
}

impl Scene {
    fn start() -> Self {
        let site = Site::new("no_cleartext").unwrap();
        for inner in SECOND.iter().chain(&NEVER) {
            site.enb.sh(&format!("ip addr add {inner} dev lo")).unwrap();
        }
        let gateway = site.start_gateway_with(&configuration()).unwrap();
        let peer = StrongSwan::start(&site.enb, site.folder(), &connections()).unwrap();
        let downlink = [V4.enb_inner, V6.enb_inner]
            .into_iter()
            .chain(SECOND.map(address))
            .map(|to| {
                let from = if to.is_ipv4() { V4.core } else { V6.core };
                Flow::start(&site.core, &site.enb, spec(from, to)).unwrap()
            })
            .collect();
        Self {
            site,
            gateway,
            peer,
            flows: downlink,
        }
    }

    /// Brings up what is down, and waits for every flow.
    fn up(&self, after: &str) {
        for child in ["ipv4-s1", "ipv6-s1"] {
            if !self.peer.list_sas().unwrap().contains(child) {
                self.peer.initiate(child).unwrap();
            }
        }
        self.passes(after);
    }

    fn passes(&self, after: &str) {
        wait_all(&self.flows, PASSES, LIMIT).unwrap_or_else(|e| panic!("after {after}: {e}"));
        self.kernel_is_a_host(after);
    }

    /// A state lasts while every flow sends so many packets into it.
    fn endures(&self, what: &str) {
        self.kernel_is_a_host(what);
        let sent = || -> Vec<u64> { self.flows.iter().map(|flow| flow.count().sent).collect() };
        let before = sent();
        wait_until(&format!("more traffic {what}"), LIMIT, || {
            let on = sent()
                .iter()
                .zip(&before)
                .all(|(now, then)| *now > *then + PASSES);
            Ok(on.then_some(()))
        })
        .unwrap();
        self.kernel_is_a_host(what);
    }

    /// Every forwarding switch of the gateway's kernel is off.
    fn kernel_is_a_host(&self, when: &str) {
        let switches = self
            .site
            .gw
            .sh("cd /proc/sys/net
                 grep -H . ipv4/ip_forward ipv4/conf/*/forwarding ipv6/conf/*/forwarding")
            .unwrap();
        assert!(switches.lines().count() > 8, "{switches}");
        let on: Vec<&str> = switches.lines().filter(|l| !l.ends_with(":0")).collect();
        assert!(on.is_empty(), "{when}: {on:?}");
    }

    fn load(&self, name: &str, text: &str) {
        let file = self.site.folder().join(name);
        std::fs::write(&file, text).unwrap();
        let command = format!("request system configuration load file {}", file.display());
        self.gateway.cli(&command).unwrap();
    }

    fn wait_gone(&self, peer: &str) {
        let command = "show security ipsec security-associations";
        wait_until(&format!("the SAs of {peer} to go"), LIMIT, || {
            Ok((!self.gateway.cli(command)?.contains(peer)).then_some(()))
        })
        .unwrap();
    }

    /// Each daemon dies alone, then all at once.
    fn kills(&mut self) {
        for daemon in DAEMONS {
            self.gateway.daemon(daemon).unwrap().kill().unwrap();
            self.endures(&format!("while {daemon} is dead"));
            self.gateway.start_daemon(daemon).unwrap();
            self.passes(&format!("the death of {daemon}"));
            self.gateway.wait_ready().unwrap();
        }
        for daemon in DAEMONS {
            self.gateway.daemon(daemon).unwrap().kill().unwrap();
        }
        self.endures("while all daemons are dead");
        for daemon in DAEMONS {
            self.gateway.start_daemon(daemon).unwrap();
        }
        self.passes("the death of all daemons");
        self.gateway.wait_ready().unwrap();
    }

    /// Deleted by the peer, by the operator, and by the configuration.
    fn deletes(&self) {
        for connection in ["ipv4", "ipv6"] {
            self.peer.terminate(connection).unwrap();
        }
        self.wait_gone("192.0.2.10");
        self.endures("after deletes by the peer");
        self.up("deletes by the peer");
        for command in [
            "clear security ipsec security-associations",
            "clear security ike security-associations",
        ] {
            self.gateway.cli(command).unwrap();
            wait_until("the peer to hear of it", LIMIT, || {
                Ok((self.peer.children()? == 0).then_some(()))
            })
            .unwrap();
            self.endures(command);
            self.up(command);
        }
        let without = without_vpn(&configuration(), "enb-v4");
        self.load("without.conf", &without);
        self.wait_gone("192.0.2.10");
        self.endures("without its VPN");
        self.load("with.conf", &configuration());
        wait_until("the peer to hear of it", LIMIT, || {
            Ok((!self.peer.list_sas()?.contains("ipv4-s1")).then_some(()))
        })
        .unwrap();
        self.up("its VPN left the configuration and came back");
    }

    fn rekeys(&self) {
        for what in ["ipsec", "ike"] {
            let command = format!("request security {what} rekey all");
            self.gateway.cli(&command).unwrap();
            self.passes(&command);
        }
        self.peer.rekey("--child", "ipv6-s1").unwrap();
        self.passes("a child rekey by the peer");
    }

    /// Each port loses its link and gets it back.
    fn flaps(&self) {
        for port in ["untrust", "trust"] {
            self.site
                .gw
                .sh(&format!("ip link set {port} down"))
                .unwrap();
            self.endures(&format!("while {port} is down"));
            self.site.gw.sh(&format!("ip link set {port} up")).unwrap();
            self.passes(&format!("a flap of {port}"));
        }
    }

    /// planed is away for longer than a dead peer has: nobody is held to be dead because we were deaf.
    fn absence(&mut self) {
        self.load("quick.conf", &quick_liveness());
        let sas = || -> Vec<String> {
            let list = self.peer.list_sas().unwrap();
            let ike = list.lines().filter(|l| l.contains(", ESTABLISHED, "));
            ike.map(|l| l.split(',').next().unwrap().to_owned())
                .collect()
        };
        let before = sas();
        self.gateway.daemon("planed").unwrap().kill().unwrap();
        for _ in 0..ABSENCE {
            self.endures("while planed stays away");
        }
        self.gateway.start_daemon("planed").unwrap();
        self.passes("a long absence of planed");
        self.gateway.wait_ready().unwrap();
        assert_eq!(sas(), before, "the tunnels were set up anew");
    }

    /// The peer vanishes: one tunnel goes by dead peer detection, the other by expiry.
    fn vanishes(&mut self) {
        let short = quick_liveness().replace("lifetime-seconds 3600;", "lifetime-seconds 6;");
        self.load("short.conf", &short);
        for connection in ["ipv4", "ipv6"] {
            self.peer.terminate(connection).unwrap();
        }
        self.up("a new start with short lives");
        self.peer.process().kill().unwrap();
        self.site
            .enb
            .sh("ip link del ipsec0 2>/dev/null || true
                 ip route flush table 220 2>/dev/null || true
                 ip -6 route flush table 220 2>/dev/null || true")
            .unwrap();
        self.wait_gone("192.0.2.10");
        self.wait_gone("2001:db8:a::10");
        self.endures("without tunnels");
        self.load("with.conf", &configuration());
        self.peer = StrongSwan::start(&self.site.enb, self.site.folder(), &connections()).unwrap();
        self.up("a vanished peer that came back");
    }
}

/// The configuration without one VPN.
fn without_vpn(text: &str, name: &str) -> String {
    let start = text.find(&format!("        vpn {name} {{")).unwrap();
    let length = text[start..].find("\n        }\n").unwrap() + "\n        }\n".len();
    format!("{}{}", &text[..start], &text[start + length..])
}

#[test]
fn the_outer_link_shows_nothing_of_the_traffic() {
    let mut scene = Scene::start();
    let outer = Capture::start(&scene.site.enb, "enb0", scene.site.folder(), "outer").unwrap();
    let clear = Capture::start(&scene.site.core, "core0", scene.site.folder(), "clear").unwrap();
    // Towards protected addresses without a tunnel, and from the gateway's own host: neither may leave in clear.
    let never: Vec<Flow> = NEVER
        .map(address)
        .into_iter()
        .map(|to| {
            let from = if to.is_ipv4() { V4.core } else { V6.core };
            Flow::start(&scene.site.core, &scene.site.enb, spec(from, to)).unwrap()
        })
        .collect();
    let mut to_first = spec(GATEWAY_TRUST, V4.enb_inner);
    to_first.port += 1;
    let host = Flow::start(&scene.site.gw, &scene.site.enb, to_first).unwrap();

    scene.up("the start");
    scene.kills();
    scene.deletes();
    scene.rekeys();
    scene.flaps();
    scene.absence();
    scene.vanishes();

    let host = host.finish(Duration::ZERO).unwrap();
    assert!(host.received > 0, "{host:?}");
    for flow in never {
        let count = flow.finish(Duration::ZERO).unwrap();
        assert!(count.sent > 1000 && count.received == 0, "{count:?}");
    }
    for flow in scene.flows {
        assert_eq!(flow.finish(Duration::ZERO).unwrap().duplicated, 0);
    }
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    // The checks see what they look for where it belongs.
    assert!(steady::marked(&clear) > 1000 && !steady::protected(&clear).is_empty());
    for addresses in [V4, V6] {
        assert!(outer.esp_between(addresses.gateway_outer, addresses.enb_outer) > 1000);
        assert_eq!(outer.repeated_nonces(addresses.gateway_outer), vec![]);
    }
    assert_eq!(steady::marked(&outer), 0);
    assert_eq!(steady::protected(&outer), vec![]);
}

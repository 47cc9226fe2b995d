//! The gateway's kernel is a host. Even with forwarding switched on by hand it moves nothing between TAP twins while planed is dead, and
//! the management interface is a network of its own: from there nobody reaches an IKE address, the core or a protected prefix, and
//! nobody of the core reaches it. netd switches forwarding off again and puts its rules back.
//!
//! With netd dead and its rules removed both leaks are there: the checks of this file can fail.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::{Netns, veth};
use ravelin_tests::site::{GATEWAY_TRUST, Site, V4, V6, enb_connection};
use ravelin_tests::steady::{self, Flow, FlowSpec, MARKER, wait_all};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use ravelin_tuntap::{Kind, Queue};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);
/// The gateway on the management network, and a host there.
const FXP: [&str; 2] = ["203.0.113.1", "2001:db8:f::1"];
const HOST: [&str; 2] = ["203.0.113.10", "2001:db8:f::10"];
const FORWARD: &str = "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A management network: `mgmt0` there, `fxp0` in the gateway's namespace, by the kernel alone.
fn management(site: &Site) -> Netns {
    let host = Netns::new("mgmt").unwrap();
    veth(&host, "mgmt0", &site.gw, "fxp0").unwrap();
    site.gw
        .sh("ip addr add 203.0.113.1/24 dev fxp0; ip addr add 2001:db8:f::1/64 dev fxp0")
        .unwrap();
    host.sh(
        "ip addr add 203.0.113.10/24 dev mgmt0; ip addr add 2001:db8:f::10/64 dev mgmt0
             ip route add default via 203.0.113.1; ip route add default via 2001:db8:f::1",
    )
    .unwrap();
    site.core
        .sh("ip route add 203.0.113.0/24 via 198.51.100.1
             ip route add 2001:db8:f::/64 via 2001:db8:b::1")
        .unwrap();
    host
}

fn forwarding(gateway: &Netns) -> String {
    gateway
        .sh("cd /proc/sys/net; cat ipv4/ip_forward ipv4/conf/*/forwarding ipv6/conf/*/forwarding | sort -u")
        .unwrap()
}

fn flow(from: &Netns, source: &str, to: &Netns, destination: IpAddr) -> Flow {
    let spec = FlowSpec {
        from: address(source),
        to: destination,
        port: 7000,
        rate_pps: 100,
        octets: 100,
    };
    Flow::start(from, to, spec).unwrap()
}

/// A first message of IKE, as far as anybody looks who has no business with it; how many answers came.
fn ike_answers(host: &Netns, from: &str, to: IpAddr) -> usize {
    let from = address(from);
    let ask = move || {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        // IKE_SA_INIT with an unknown critical payload: whoever listens answers with an error notification.
        let mut message = vec![0x11; 8];
        message.extend([0; 8]);
        message.extend([200, 0x20, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 32]);
        message.extend([0, 0x80, 0, 4]);
        let mut answer = [0; 512];
        let asked = (0..3).filter(|_| {
            socket.send_to(&message, (to, 500)).is_ok() && socket.recv_from(&mut answer).is_ok()
        });
        asked.count()
    };
    host.spawn(ask).unwrap().join().unwrap().unwrap()
}

/// Nothing gets through from the management network; `when` says at which moment.
fn nothing_passes(site: &Site, host: &Netns, when: &str) {
    let enb = Capture::start(&site.enb, "enb0", site.folder(), "enb").unwrap();
    let core = Capture::start(&site.core, "core0", site.folder(), "core").unwrap();
    let mgmt = Capture::start(host, "mgmt0", site.folder(), "mgmt").unwrap();
    let mut flows = Vec::new();
    for (at, ends) in [V4, V6].into_iter().enumerate() {
        flows.push(flow(host, HOST[at], &site.enb, ends.enb_inner));
        flows.push(flow(host, HOST[at], &site.core, ends.core));
        flows.push(flow(
            &site.core,
            &ends.core.to_string(),
            host,
            address(HOST[at]),
        ));
    }
    for at in 0..2 {
        let (from, to) = (address(HOST[at]), address(FXP[at]));
        let answers = ping(host, from, to, 1, 56).unwrap();
        assert_eq!(answers, 1, "the management network itself");
    }
    let mut silent = vec![(host, address(HOST[0]), GATEWAY_TRUST)];
    for (at, ends) in [V4, V6].into_iter().enumerate() {
        let (host_address, fxp) = (address(HOST[at]), address(FXP[at]));
        for to in [
            ends.gateway_outer,
            ends.core,
            ends.enb_inner,
            ends.enb_outer,
        ] {
            silent.push((host, host_address, to));
        }
        silent.extend([fxp, host_address].map(|to| (&site.core, ends.core, to)));
    }
    std::thread::scope(|scope| {
        for (netns, from, to) in silent {
            scope.spawn(move || {
                let answers = ping(netns, from, to, 2, 56).unwrap();
                assert_eq!(answers, 0, "{when}: {to} answers {from}");
            });
        }
        for (at, ends) in [V4, V6].into_iter().enumerate() {
            scope.spawn(move || {
                let answers = ike_answers(host, HOST[at], ends.gateway_outer);
                assert_eq!(answers, 0, "{when}: IKE answers");
            });
        }
    });
    let counts: Vec<_> = flows
        .into_iter()
        .map(|flow| flow.finish(Duration::ZERO).unwrap())
        .collect();
    assert!(
        counts.iter().all(|c| c.sent > 50 && c.received == 0),
        "{when}: {counts:?}"
    );
    let [enb, core, mgmt] = [enb, core, mgmt].map(|capture| capture.finish().unwrap());
    let management = [address(HOST[0]), address(HOST[1])];
    assert_eq!(steady::marked(&enb), 0, "{when}: towards the eNodeB");
    assert_eq!(
        core.cleartext_from(&management),
        0,
        "{when}: towards the core"
    );
    let inside = [
        V4.core,
        V6.core,
        V4.gateway_outer,
        V6.gateway_outer,
        GATEWAY_TRUST,
    ];
    assert_eq!(
        mgmt.cleartext_from(&inside),
        0,
        "{when}: towards the management network"
    );
}

/// Both TAP twins as planed would hold them, and a frame of the core for the access network.
struct Twins {
    core: Queue,
    access: Queue,
    frame: Vec<u8>,
}

impl Twins {
    fn attach(site: &Site) -> Self {
        let mac = site.gw.sh("cat /sys/class/net/ge-0-0-1/address").unwrap();
        let octet = |o: &str| u8::from_str_radix(o, 16).unwrap();
        let mut frame: Vec<u8> = mac.trim().split(':').map(octet).collect();
        frame.extend([2, 0, 0, 0, 0, 9, 8, 0]);
        // IPv4, 48 octets, UDP, from 198.51.100.10 to 192.0.2.10.
        let mut header = vec![0x45, 0, 0, 48, 0, 0, 0, 0, 64, 17, 0, 0];
        header.extend([198, 51, 100, 10, 192, 0, 2, 10]);
        let words = header
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
        let sum: u32 = words.sum();
        let check = !((sum & 0xffff) + (sum >> 16)) as u16;
        header[10..12].copy_from_slice(&check.to_be_bytes());
        frame.extend(header);
        frame.extend([0x1b, 0x58, 0x1b, 0x58, 0, 28, 0, 0]);
        frame.extend(MARKER);
        frame.extend([0; 4]);
        let attach = || {
            ["ge-0-0-1", "ge-0-0-0"]
                .map(|name| Queue::attach(&name.parse().unwrap(), Kind::Tap).unwrap())
        };
        let [core, access] = site.gw.spawn(attach).unwrap().join().unwrap().unwrap();
        Self {
            core,
            access,
            frame,
        }
    }

    /// Gives the frame to the kernel by one twin again and again; whether it leaves by the other.
    fn cross(&self) -> bool {
        let mut packet = [0; 2048];
        let limit = Duration::from_secs(2);
        let crossed = wait_until("a frame of the other twin", limit, || {
            assert!(self.core.send(&self.frame).unwrap());
            while let Some(octets) = self.access.recv(&mut packet).unwrap() {
                if packet[..octets].windows(MARKER.len()).any(|w| w == MARKER) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        });
        crossed.is_ok()
    }
}

fn tunnel(site: &Site) -> StrongSwan {
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
    peer
}

#[test]
fn management_is_a_network_of_its_own() {
    let site = Site::new("management").unwrap();
    let host = management(&site);
    let mut gateway = site.start_gateway().unwrap();
    let _peer = tunnel(&site);
    nothing_passes(&site, &host, "in operation");
    // A default route there tempts what the host itself sends to a protected address without a tunnel.
    host.sh("ip addr add 10.45.0.9/32 dev lo").unwrap();
    site.gw
        .sh("ip route add default via 203.0.113.10 dev fxp0")
        .unwrap();
    let stray = flow(
        &site.gw,
        &GATEWAY_TRUST.to_string(),
        &host,
        address("10.45.0.9"),
    );

    site.gw.sh(FORWARD).unwrap();
    nothing_passes(&site, &host, "with forwarding just switched on");
    wait_until("netd to switch forwarding off", LIMIT, || {
        Ok((forwarding(&site.gw).trim() == "0").then_some(()))
    })
    .unwrap();
    assert_eq!(stray.count().received, 0, "{:?}", stray.count());
    site.gw.sh("nft flush ruleset").unwrap();
    wait_until("netd to put its rules back", LIMIT, || {
        let rules = site.gw.sh("nft list tables")?;
        Ok(rules.contains("inet ravelin_host").then_some(()))
    })
    .unwrap();

    let strayed = stray.count().received;

    // Nobody switches it off again while netd is dead: the rules suffice.
    gateway.daemon("netd").unwrap().kill().unwrap();
    site.gw.sh(FORWARD).unwrap();
    nothing_passes(&site, &host, "with netd dead and forwarding on");

    // Those on their way when the rules came back may have been counted late.
    assert!(stray.count().received <= strayed + 5, "{:?}", stray.count());
    // Without the rules it leaks, which all checks above would have seen.
    site.gw.sh("nft delete table inet ravelin_host").unwrap();
    assert_eq!(
        ping(&host, address(HOST[0]), V4.gateway_outer, 1, 56).unwrap(),
        1
    );
    let leak = flow(&host, HOST[0], &site.core, V4.core);
    wait_all(std::slice::from_ref(&leak), 5, LIMIT).unwrap();
    wait_all(std::slice::from_ref(&stray), 5, LIMIT).unwrap();
    stray.finish(Duration::ZERO).unwrap();
    gateway.start_daemon("netd").unwrap();
    wait_until("netd to stop it", LIMIT, || {
        let before = leak.count();
        wait_until("more to be sent", LIMIT, || {
            Ok((leak.count().sent > before.sent + 20).then_some(()))
        })?;
        Ok((leak.count().received == before.received).then_some(()))
    })
    .unwrap();
    leak.finish(Duration::ZERO).unwrap();
    gateway.wait_ready().unwrap();
}

#[test]
fn nothing_crosses_twins_while_planed_is_dead() {
    let site = Site::new("twins").unwrap();
    let mut gateway: Gateway = site.start_gateway().unwrap();
    gateway.daemon("planed").unwrap().kill().unwrap();
    let twins = Twins::attach(&site);
    site.gw
        .sh("ip neigh replace 192.0.2.10 lladdr 02:00:00:00:00:10 dev ge-0-0-0 nud permanent")
        .unwrap();
    assert!(!twins.cross(), "with planed dead");
    gateway.daemon("netd").unwrap().kill().unwrap();
    site.gw.sh(FORWARD).unwrap();
    assert!(
        !twins.cross(),
        "with planed and netd dead and forwarding on"
    );
    site.gw.sh("nft delete table inet ravelin_host").unwrap();
    assert!(twins.cross(), "this test could not fail");
    drop(twins);
    site.gw.sh("ip neigh del 192.0.2.10 dev ge-0-0-0").unwrap();
    for daemon in ["netd", "planed"] {
        gateway.start_daemon(daemon).unwrap();
    }
    gateway.wait_ready().unwrap();
    assert_eq!(forwarding(&site.gw).trim(), "0");
}

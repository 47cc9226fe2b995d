//! A seeded loop kills netd, planed, iked and mgmtd by SIGKILL, after random times and exactly between two of their messages, while
//! tunnels are set up and ended, SAs are rekeyed, configurations are committed, or nothing happens. Each time the traffic of the
//! tunnel returns by itself in both directions and both families; the peer never negotiates anew; no address, route or carrier of the
//! host changes; nothing is accepted twice; no nonce is repeated; nothing crosses in clear.
//!
//! The run prints its seed; `RAVELIN_SEED` repeats it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::doom::{Dice, Moment};
use ravelin_tests::frame::Kind;
use ravelin_tests::gateway::{DAEMONS, Gateway};
use ravelin_tests::monitor::{Monitor, disturbances};
use ravelin_tests::netns::run;
use ravelin_tests::site::{CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::steady::{self, Flow, FlowSpec};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::{pause, wait_until};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

/// Kills in `./x test`, of all daemons together, and of each in the long run.
const KILLS: u32 = 50;
const KILLS_EACH: u32 = 50;
/// Inner address of the second tunnel, which is set up and ended while daemons die; its route comes and goes.
const SECOND: &str = "10.45.0.2";
const RATE_PPS: u32 = 100;
/// Packets that each flow must bring through after a kill.
const PASSES: u64 = 20;
/// The traffic returns "within seconds"; the limit allows for a loaded machine.
const RETURN_LIMIT: Duration = Duration::from_secs(30);
/// A death by time comes at most so late.
const LONGEST: Duration = Duration::from_millis(800);
/// A death at a call comes at the latest at this one, or it is given by hand.
const MOST_CALLS: u32 = 200;
const DOOM_LIMIT: Duration = Duration::from_secs(3);
/// Twins of the site's gateway: two ports and one tunnel.
const TWINS: usize = 3;

/// What goes on while a daemon dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    TrafficOnly,
    PeerRekeysChild,
    GatewayRekeysChildren,
    PeerRekeysIke,
    GatewayRekeysIke,
    SecondTunnel,
    Commit,
    Questions,
}

const ACTIVITIES: [Activity; 8] = [
    Activity::TrafficOnly,
    Activity::PeerRekeysChild,
    Activity::GatewayRekeysChildren,
    Activity::PeerRekeysIke,
    Activity::GatewayRekeysIke,
    Activity::SecondTunnel,
    Activity::Commit,
    Activity::Questions,
];

struct Run {
    site: Site,
    gateway: Gateway,
    peer: StrongSwan,
    flows: Vec<Flow>,
    dice: Dice,
    second_up: bool,
    commits: u32,
    /// Rekeys of the first tunnel's child that were asked for.
    child_rekeys: usize,
    kills: u32,
    /// Deaths that came at a call.
    at_calls: u32,
    slowest: Duration,
    story: String,
}

/// Both directions of both inner families.
fn flows(site: &Site) -> Vec<Flow> {
    let spec = |from, to| FlowSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        octets: 120,
    };
    let both = [V4, V6].map(|a| {
        [
            Flow::start(&site.enb, &site.core, spec(a.enb_inner, a.core)).unwrap(),
            Flow::start(&site.core, &site.enb, spec(a.core, a.enb_inner)).unwrap(),
        ]
    });
    both.into_iter().flatten().collect()
}

impl Run {
    fn start(name: &str) -> Self {
        let site = Site::new(name).unwrap();
        site.enb
            .sh(&format!("ip addr add {SECOND}/32 dev lo"))
            .unwrap();
        let gateway = site.start_gateway().unwrap();
        let mut second = enb_connection("ipv6", V6);
        SECOND.clone_into(&mut second.children[0].local_ts);
        "198.51.100.0/24".clone_into(&mut second.children[0].remote_ts);
        let peer = StrongSwan::start(
            &site.enb,
            site.folder(),
            &[enb_connection("ipv4", V4), second],
        )
        .unwrap();
        Self {
            flows: Vec::new(),
            dice: Dice::new(name),
            second_up: false,
            commits: 0,
            child_rekeys: 0,
            kills: 0,
            at_calls: 0,
            slowest: Duration::ZERO,
            story: String::new(),
            site,
            gateway,
            peer,
        }
    }

    fn up(&mut self) {
        self.peer.initiate("ipv4-s1").unwrap();
        for family in [V4, V6] {
            assert_eq!(
                ping(&self.site.enb, family.enb_inner, family.core, 2, 56).unwrap(),
                2
            );
        }
        self.flows = flows(&self.site);
        steady::wait_all(&self.flows, PASSES, RETURN_LIMIT).unwrap();
    }

    /// The activity, to be run beside the kill. What it returns does not matter: the other side may be dead.
    fn activity(&mut self, activity: Activity) -> Box<dyn FnOnce() + Send> {
        let gateway = |command: &str| {
            let mut command = self.gateway.cli_command(command);
            Box::new(move || drop(run(&mut command)))
        };
        let peer = |arguments: &[&str]| {
            let mut command = self.peer.swanctl_command(arguments);
            Box::new(move || drop(run(&mut command)))
        };
        match activity {
            Activity::TrafficOnly => Box::new(|| ()),
            Activity::PeerRekeysChild => {
                self.child_rekeys += 1;
                peer(&["--rekey", "--child", "ipv4-s1"])
            }
            Activity::GatewayRekeysChildren => {
                self.child_rekeys += 1;
                gateway("request security ipsec rekey all")
            }
            Activity::PeerRekeysIke => peer(&["--rekey", "--ike", "ipv4"]),
            Activity::GatewayRekeysIke => gateway("request security ike rekey all"),
            Activity::SecondTunnel => {
                self.second_up = !self.second_up;
                if self.second_up {
                    peer(&["--initiate", "--child", "ipv6-s1", "--timeout", "20"])
                } else {
                    peer(&["--terminate", "--ike", "ipv6", "--timeout", "10"])
                }
            }
            Activity::Commit => {
                self.commits += 1;
                let name = format!("host-name secgw{};", self.commits);
                let text = CONFIGURATION.replace("host-name secgw;", &name);
                let file = self.site.folder().join("next.conf");
                std::fs::write(&file, text).unwrap();
                gateway(&format!(
                    "request system configuration load file {}",
                    file.display()
                ))
            }
            Activity::Questions => gateway("show security ipsec security-associations"),
        }
    }

    /// Kills one daemon at one moment of one activity, starts it again and waits for the traffic.
    fn kill(&mut self, name: &str, moment: Moment, activity: Activity) {
        self.story = format!("kill {} of {name} {moment} while {activity:?}", self.kills);
        println!("{}", self.story);
        if let Moment::At(..) = moment {
            // The one that lives dies at once; the next one carries its fate with it from its first system call on.
            self.gateway.daemon(name).unwrap().kill().unwrap();
            self.kills += 1;
            let wrapper = moment.wrapper(self.site.folder());
            self.gateway.start_daemon_under(name, &wrapper).unwrap();
        }
        let acting = std::thread::spawn(self.activity(activity));
        match moment {
            Moment::After(time) => pause(time),
            Moment::At(..) => {
                let daemon = self.gateway.daemon(name).unwrap();
                let ended = wait_until("its death", DOOM_LIMIT, || {
                    Ok(daemon.check().is_err().then_some(()))
                });
                self.at_calls += u32::from(ended.is_ok());
            }
        }
        let status = self.gateway.daemon(name).unwrap().kill().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "{}: it ended by itself: {status}\n{}",
            self.story,
            self.gateway.daemon(name).unwrap().log()
        );
        self.kills += 1;
        self.gateway.start_daemon(name).unwrap();
        self.passes();
        acting.join().unwrap();
        self.gateway.wait_ready().unwrap();
        // charon 6.0 sends nothing any more when the gateway rekeys a child twice while its own rekey of it waits for an answer: the
        // second one's outbound half is never installed.
        wait_until("the peer's own rekey to end", RETURN_LIMIT, || {
            let sas = self.peer.list_sas()?;
            let rekeys = |line: &str| {
                line.trim_start().starts_with("active:") && line.contains("CHILD_REKEY")
            };
            Ok((!sas.lines().any(rekeys)).then_some(()))
        })
        .unwrap_or_else(|e| panic!("{}: {e}", self.story));
        // One is dead at a time: the devices that planed's death would leave alone are in netd's hands again.
        wait_until("netd to hold the twins", RETURN_LIMIT, || {
            let netd = self.gateway.daemon("netd")?.pid();
            Ok((tun_queues(netd) >= TWINS).then_some(()))
        })
        .unwrap_or_else(|e| panic!("{}: {e}", self.story));
    }

    fn passes(&mut self) {
        match steady::wait_all(&self.flows, PASSES, RETURN_LIMIT) {
            Ok(took) => self.slowest = self.slowest.max(took),
            Err(error) => panic!(
                "{}: {error}\n{}",
                self.story,
                self.gateway
                    .cli("show security ipsec security-associations")
                    .unwrap_or_else(|e| e.to_string())
            ),
        }
    }

    /// Both kinds of rekey still work, and the second tunnel still comes up.
    fn works(&mut self) {
        let second: IpAddr = SECOND.parse().unwrap();
        wait_until("the second tunnel", RETURN_LIMIT, || {
            let crosses = ping(&self.site.enb, second, V4.core, 1, 56)? == 1;
            if !crosses {
                // The peer says no while it has the tunnel, or still ends or rekeys it.
                drop(self.peer.initiate("ipv6-s1"));
            }
            Ok(crosses.then_some(()))
        })
        .unwrap_or_else(|e| panic!("{e}:\n{}", self.peer.list_sas().unwrap()));
        for command in [
            "request security ipsec rekey all",
            "request security ike rekey all",
        ] {
            self.child_rekeys += 1;
            self.gateway.cli(command).unwrap();
            self.passes();
        }
        wait_until("superseded SAs to go", RETURN_LIMIT, || {
            Ok((self.peer.established()? == 2 && self.peer.children()? == 2).then_some(()))
        })
        .unwrap_or_else(|e| panic!("{e}:\n{}", self.peer.list_sas().unwrap()));
    }
}

/// How many queues of TAP and TUN devices a process has open.
fn tun_queues(pid: u32) -> usize {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.ends_with("net/tun")).count()
}

/// Initiators' SPIs of the IKE_SA_INIT requests (exchange 34, RFC 7296 section 3.1) from an address.
fn negotiations(outer: &Trace, from: IpAddr) -> BTreeSet<[u8; 8]> {
    let sent = |frame: &ravelin_tests::frame::Frame<'_>| {
        frame.kind == Kind::Ike && frame.addresses.is_some_and(|(source, _)| source == from)
    };
    let initial = |datagram: &[u8]| {
        let message = datagram.strip_prefix(&[0; 4]).unwrap_or(datagram);
        let request =
            message.get(18) == Some(&34) && message.get(19).is_some_and(|f| f & 0x20 == 0);
        message.first_chunk::<8>().copied().filter(|_| request)
    };
    let frames = outer.frames().filter(sent);
    frames
        .filter_map(|frame| frame.udp_payload().and_then(initial))
        .collect()
}

/// SPIs of the ESP frames between two addresses.
fn spis(outer: &Trace, from: IpAddr, to: IpAddr) -> BTreeSet<u32> {
    let frames = outer.frames().filter(|f| f.addresses == Some((from, to)));
    frames.filter_map(|f| f.esp()).map(|(spi, _)| spi).collect()
}

fn kill_loop(
    name: &str,
    kills: impl Fn(u32) -> bool,
    mut daemon: impl FnMut(&mut Dice, u32) -> &'static str,
) {
    let mut run = Run::start(name);
    let outer = Capture::start(&run.site.enb, "enb0", run.site.folder(), "outer").unwrap();
    run.up();
    let monitor = Monitor::start(&run.site.gw, run.site.folder()).unwrap();
    let start = Instant::now();
    while kills(run.kills) {
        let who = daemon(&mut run.dice, run.kills);
        let moment = run.dice.moment(LONGEST, MOST_CALLS);
        let activity = run.dice.pick(&ACTIVITIES);
        run.kill(who, moment, activity);
    }
    println!(
        "{} kills in {:?}, {} at a call; traffic passed again after {:?} at most",
        run.kills,
        start.elapsed(),
        run.at_calls,
        run.slowest
    );
    let events = monitor.finish(&run.site.gw).unwrap();
    run.works();
    for flow in std::mem::take(&mut run.flows) {
        let count = flow.finish(Duration::from_millis(500)).unwrap();
        assert_eq!(count.duplicated, 0, "{count:?}");
    }
    assert!(run.at_calls > 0, "no daemon died at a call");
    let trace = outer.finish().unwrap();
    let expected = [SECOND];
    assert_eq!(disturbances(&events, &expected), Vec::<&str>::new());
    let first = negotiations(&trace, V4.enb_outer);
    assert_eq!(first.len(), 1, "the peer negotiated anew: {first:?}");
    let children = spis(&trace, V4.gateway_outer, V4.enb_outer);
    assert!(
        children.len() <= 1 + run.child_rekeys,
        "{children:x?} after {} rekeys",
        run.child_rekeys
    );
    for gateway in [V4.gateway_outer, V6.gateway_outer] {
        assert_eq!(trace.repeated_nonces(gateway), vec![]);
    }
    assert_eq!(steady::marked(&trace), 0, "cleartext on the outer link");
    assert_eq!(steady::protected(&trace), vec![]);
}

#[test]
fn traffic_returns_after_every_kill() {
    // planed and iked hold the SAs: they die more often.
    let deck = ["planed", "iked", "netd", "planed", "iked", "mgmtd"];
    kill_loop(
        "kill_loop",
        |kills| kills < KILLS,
        |dice, _| dice.pick(&deck),
    );
}

#[test]
#[ignore = "soak: 50 kills of each daemon"]
fn traffic_returns_after_fifty_kills_of_each() {
    let each =
        move |_: &mut Dice, kills: u32| DAEMONS[(kills / KILLS_EACH) as usize % DAEMONS.len()];
    kill_loop(
        "kill_loop_soak",
        |kills| kills < KILLS_EACH * DAEMONS.len() as u32,
        each,
    );
}

//! The process from outside: readiness and watchdog, its sockets, a refused configuration, a second planed, an orderly end. It runs
//! in a network namespace of its own, on a port without a wire; mgmtd and netd are played by the test.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::ErrorKind;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ravelin_ctl::daemon::{self, Part};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply};
use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, UnitConfig};
use ravelin_ctl::{Envelope, Hello, Role, Stream, netd, sa};
use ravelin_types::{
    EspTransform, Generation, InstanceId, Numbers, PairId, SecretBytes, Spi, TrafficSelector,
    UnitName, VrfId,
};

/// Generous: a loaded machine starts DPDK in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

struct Planed {
    folder: PathBuf,
    notifications: UnixDatagram,
    process: Child,
}

fn spawn(folder: &Path) -> Child {
    // Its own namespace: nothing of the machine's network is seen or touched.
    Command::new("unshare")
        .args(["-n", env!("CARGO_BIN_EXE_ravelin-planed"), "--run-dir"])
        .arg(folder)
        .env("RAVELIN_NO_HUGE", "1")
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .env("WATCHDOG_USEC", "400000")
        .spawn()
        .unwrap()
}

impl Planed {
    fn start(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("ravelin-planed-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let notifications = UnixDatagram::bind(folder.join("notify")).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = spawn(&folder);
        let planed = Self {
            folder,
            notifications,
            process,
        };
        assert_eq!(planed.notification(), "READY=1");
        planed
    }

    fn notification(&self) -> String {
        let mut text = [0; 64];
        let octets = loop {
            match self.notifications.recv(&mut text) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // a machine that was paused
                result => break result.unwrap(),
            }
        };
        String::from_utf8(text[..octets].to_vec()).unwrap()
    }

    fn connect(&self, role: Role) -> Stream {
        let hello = Hello::new(role, InstanceId(1));
        let stream =
            Stream::connect(&self.folder.join("planed.sock"), &hello, Role::Planed).unwrap();
        stream.set_receive_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Ends it as the service manager does.
    fn end(mut self) {
        let pid = i32::try_from(self.process.id()).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Planed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn accept(listener: &UnixListener, role: Role) -> Stream {
    let (socket, _) = listener.accept().unwrap();
    let stream = Stream::open(socket, &Hello::new(role, InstanceId(2))).unwrap();
    assert_eq!(stream.peer().role, Role::Planed);
    stream.set_receive_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(mgmtd: &mut Stream, id: u32, body: daemon::Request) -> daemon::Reply {
    mgmtd.send(&Envelope { id, body }).unwrap();
    let answer: Envelope<daemon::Reply> = mgmtd.receive().unwrap();
    assert_eq!(answer.id, id);
    answer.body
}

fn config(device: &str) -> PlaneConfig {
    PlaneConfig {
        ports: vec![PortConfig {
            name: "ge-0/0/0".to_owned(),
            device: Device::Vdev(device.to_owned()),
            mtu_octets: 1500,
            units: vec![UnitConfig {
                name: UnitName::new("ge-0/0/0", 0),
                vlan: None,
                inner_vlan: None,
                vrf: VrfId::DEFAULT,
                addresses: vec![],
            }],
        }],
        tunnels: vec![],
        ike_addresses: vec![],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    }
}

fn prepare(generation: u64, device: &str) -> daemon::Request {
    daemon::Request::Prepare {
        generation: Generation(generation),
        part: Part::Plane(config(device)),
    }
}

/// planed's answer to a request, events left out.
fn answer(iked: &mut Stream, wanted: u32) -> sa::Reply {
    loop {
        let Envelope { id, body } = iked.receive::<Envelope<sa::FromPlaned>>().unwrap();
        if let sa::FromPlaned::Reply(reply) = body {
            assert_eq!(id, wanted);
            return reply;
        }
    }
}

fn pair() -> sa::SaPair {
    let half = |spi| sa::SaHalf {
        spi: Spi(spi),
        key: SecretBytes::new(vec![7; 20]),
    };
    let anything = TrafficSelector::from_prefix("10.0.0.0/8".parse().unwrap());
    sa::SaPair {
        pair: PairId(1),
        epoch: 1,
        outer: sa::Outer {
            vrf: VrfId::DEFAULT,
            local: [192, 0, 2, 1].into(),
            remote: [192, 0, 2, 2].into(),
            udp: None,
        },
        transform: EspTransform::AES_128_GCM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: half(0x1000),
        outbound: half(0x2000),
        state: sa::Outbound::Active,
        life: ravelin_types::VolumeLife::default(),
        ceilings: Numbers::FIRST,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![anything],
        remote_ts: vec![anything],
        replay_window: 64,
        df_bit: sa::DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

#[test]
fn ready_watched_served_and_ended() {
    let planed = Planed::start("served");
    assert_eq!(planed.notification(), "WATCHDOG=1");
    let mut iked = planed.connect(Role::Iked);
    iked.send(&Envelope {
        id: 7,
        body: sa::Request::List,
    })
    .unwrap();
    // It hears where planed stands before anything else.
    let state: Envelope<sa::FromPlaned> = iked.receive().unwrap();
    let waiting = sa::Event::State { forwarding: false };
    assert_eq!((state.id, state.body), (0, sa::FromPlaned::Event(waiting)));
    assert_eq!(answer(&mut iked, 7), sa::Reply::Pairs(vec![]));
    // Without a configuration nothing is known about any tunnel interface.
    let body = sa::Request::Install(vec![pair()]);
    iked.send(&Envelope { id: 8, body }).unwrap();
    let refused = Err(sa::InstallError::NotConfigured);
    let refused = sa::Reply::Installed(vec![(PairId(1), refused)]);
    assert_eq!(answer(&mut iked, 8), refused);

    let mut second = spawn(&planed.folder);
    let status = second.wait().unwrap();
    assert!(!status.success(), "a second planed in the same folder");
    // The first still serves.
    planed.connect(Role::Iked);
    planed.end();
}

#[test]
fn a_client_of_another_build_is_turned_away() {
    let planed = Planed::start("build");
    let mut hello = Hello::new(Role::Iked, InstanceId(1));
    hello.version += 1;
    let stream = Stream::connect(&planed.folder.join("planed.sock"), &hello, Role::Planed);
    // Its greeting is right in our eyes; then the connection ends without an answer.
    if let Ok(mut stream) = stream {
        stream.set_receive_timeout(Some(PATIENCE)).unwrap();
        assert!(stream.receive::<Envelope<sa::FromPlaned>>().is_err());
    }
    planed.end();
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let planed = Planed::start("refused");
    let listener = UnixListener::bind(planed.folder.join("mgmtd.sock")).unwrap();
    let mut mgmtd = accept(&listener, Role::Mgmtd);
    let daemon::Reply::Prepared(Err(reason)) = ask(&mut mgmtd, 1, prepare(1, "net_nonsense0"))
    else {
        panic!("a driver that does not exist was accepted")
    };
    assert!(reason.contains("ge-0/0/0"), "{reason}");
    let daemon::Reply::Prepared(Err(reason)) =
        ask(&mut mgmtd, 2, prepare(1, "net_af_packet0,iface=nowhere"))
    else {
        panic!("an interface that does not exist was accepted")
    };
    assert!(reason.contains("nowhere"), "{reason}");
    let reply = ask(&mut mgmtd, 3, daemon::Request::Apply(Generation(1)));
    assert!(
        matches!(&reply, daemon::Reply::Applied(Err(_))),
        "{reply:?}"
    );
    planed.end();
}

#[test]
fn prepared_aborted_applied_and_shown() {
    let planed = Planed::start("applied");
    let listener = UnixListener::bind(planed.folder.join("mgmtd.sock")).unwrap();
    let mut mgmtd = accept(&listener, Role::Mgmtd);
    // Aborting gives the device back: it can be prepared again.
    for id in [1, 2] {
        let reply = ask(&mut mgmtd, id, prepare(u64::from(id), "net_null0"));
        assert_eq!(reply, daemon::Reply::Prepared(Ok(())));
        let abort = daemon::Request::Abort(Generation(u64::from(id)));
        mgmtd
            .send(&Envelope {
                id: 10 + id,
                body: abort,
            })
            .unwrap();
    }
    let reply = ask(&mut mgmtd, 3, prepare(3, "net_null0"));
    assert_eq!(reply, daemon::Reply::Prepared(Ok(())));

    // netd comes only now and refuses the twin: the answer to mgmtd says so.
    let holder = UnixListener::bind(planed.folder.join("netd.sock")).unwrap();
    let refusing = std::thread::spawn(move || {
        let mut planed = accept(&holder, Role::Netd);
        let request: Envelope<netd::Request> = planed.receive().unwrap();
        let netd::Request::Ensure(device) = request.body else {
            panic!("{request:?}")
        };
        let body = netd::Reply::Failed("no more devices".to_owned());
        planed
            .send(&Envelope {
                id: request.id,
                body,
            })
            .unwrap();
        device
    });
    let reply = ask(&mut mgmtd, 4, daemon::Request::Apply(Generation(3)));
    let daemon::Reply::Applied(Err(reason)) = reply else {
        panic!("{reply:?}")
    };
    assert!(reason.contains("no more devices"), "{reason}");
    let device = refusing.join().unwrap();
    assert_eq!(device.unit, UnitName::new("ge-0/0/0", 0));
    assert!(device.mac.is_some());

    let query = daemon::Request::Operator(DaemonQuery::Interfaces);
    let daemon::Reply::Operator(DaemonReply::Interfaces(rows)) = ask(&mut mgmtd, 5, query) else {
        panic!("no interfaces")
    };
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["ge-0/0/0", "ge-0/0/0.0"]);

    // Its buffers were chosen when it was opened.
    let mut jumbo = config("net_null0");
    jumbo.ports[0].mtu_octets = 9000;
    let request = daemon::Request::Prepare {
        generation: Generation(4),
        part: Part::Plane(jumbo),
    };
    let daemon::Reply::Prepared(Err(reason)) = ask(&mut mgmtd, 6, request) else {
        panic!("jumbo frames were taken into ordinary buffers")
    };
    assert!(reason.contains("MTU 9000"), "{reason}");
    planed.end();
}

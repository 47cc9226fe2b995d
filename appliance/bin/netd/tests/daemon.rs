//! The daemon in a fresh network namespace, seen through its socket. Needs root.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // test helpers may fail loudly too

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use ravelin_ctl::netd::{Device, Reply, Request, SIGNAL_BEAT, SIGNAL_SILENCE};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_tuntap::{Kind, Queue};
use ravelin_types::{InstanceId, UnitName};

const READY_PATIENCE: Duration = Duration::from_secs(20);
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x33];

struct Netd {
    child: Child,
    dir: PathBuf,
}

impl Netd {
    /// Starts netd and waits for its readiness message.
    fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let path = dir.join("notify");
        let _ = std::fs::remove_file(&path);
        let notify = UnixDatagram::bind(&path).unwrap();
        notify.set_read_timeout(Some(READY_PATIENCE)).unwrap();
        let child = Self::command(dir)
            .env("NOTIFY_SOCKET", &path)
            .spawn()
            .expect("netd");
        let netd = Netd {
            child,
            dir: dir.to_owned(),
        };
        let mut message = [0; 16];
        let octets = loop {
            match notify.recv(&mut message) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // a machine that was paused
                result => break result.expect("readiness"),
            }
        };
        assert_eq!(&message[..octets], b"READY=1");
        netd
    }

    fn command(dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin-netd"));
        command.arg("--run-dir").arg(dir);
        command
    }

    fn client(&self) -> Client {
        let hello = Hello::new(Role::Planed, InstanceId(1));
        let stream =
            Stream::connect(&self.dir.join("netd.sock"), &hello, Role::Netd).expect("connect");
        assert_eq!(stream.peer().role, Role::Netd);
        stream.set_receive_timeout(Some(READY_PATIENCE)).unwrap();
        Client { stream, next: 1 }
    }
}

impl Drop for Netd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: Stream,
    next: u32,
}

impl Client {
    fn ask(&mut self, body: Request) -> Reply {
        let id = self.next;
        self.next += 1;
        self.stream.send(&Envelope { id, body }).expect("send");
        let answer: Envelope<Reply> = self.stream.receive().expect("answer");
        assert_eq!(answer.id, id);
        answer.body
    }

    fn ensure(&mut self, device: &Device) -> (String, u32) {
        match self.ask(Request::Ensure(device.clone())) {
            Reply::Device { name, ifindex } => (name, ifindex),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, request: Request) -> String {
        match self.ask(request) {
            Reply::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn fresh(label: &str) -> PathBuf {
    unshare(CloneFlags::CLONE_NEWNET).expect("network namespace (needs root)");
    let dir = std::env::temp_dir().join(format!("ravelin-netd-{label}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("ip");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A kernel setting of this thread's namespace.
fn setting(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}"))
        .unwrap()
        .trim()
        .to_owned()
}

fn tap() -> Device {
    let unit = UnitName::new("ge-0/0/0", 100);
    Device {
        unit,
        mac: Some(MAC),
        mtu_octets: 1500,
        carrier: true,
    }
}

fn tun() -> Device {
    Device {
        unit: UnitName::new("st0", 0),
        mac: None,
        mtu_octets: 1400,
        carrier: true,
    }
}

#[test]
fn twins_survive_planed_and_netd() {
    let dir = fresh("survive");
    let netd = Netd::start(&dir);
    let mut client = netd.client();
    let (name, ifindex) = client.ensure(&tap());
    assert_eq!(name, "ge-0-0-0.100");
    assert_eq!(
        client.ensure(&tap()),
        (name.clone(), ifindex),
        "asking twice changes nothing"
    );
    assert_eq!(client.ensure(&tun()).0, "st0-0");
    assert_eq!(
        client.ask(Request::List),
        Reply::Devices(vec![tap(), tun()])
    );

    ip("address add 192.0.2.1/24 dev ge-0-0-0.100");
    ip("route add 198.51.100.0/24 dev st0-0");
    let state = || {
        [
            ip("-o link show dev ge-0-0-0.100"),
            ip("-o link show dev st0-0"),
            ip("-4 -o address"),
            ip("-4 route"),
        ]
    };
    let before = state();
    assert!(
        before[0].contains("LOWER_UP") && before[0].contains("02:00:00:00:00:33"),
        "{before:?}"
    );
    assert!(
        before[1].contains("LOWER_UP") && before[3].contains("198.51.100.0/24 dev st0-0"),
        "{before:?}"
    );

    // planed comes, goes, comes again; its connection may go too.
    let kernel = name.parse().unwrap();
    for _ in 0..2 {
        let queue = Queue::attach(&kernel, Kind::Tap).expect("attach");
        drop(queue);
        assert_eq!(state(), before);
    }
    drop(client);
    assert_eq!(state(), before);

    // netd dies while planed holds its queues, and the next one adopts the twins.
    let queues = [
        Queue::attach(&kernel, Kind::Tap).expect("attach"),
        Queue::attach(&"st0-0".parse().unwrap(), Kind::Tun).expect("attach"),
    ];
    drop(netd);
    assert_eq!(state(), before);
    let netd = Netd::start(&dir);
    let mut client = netd.client();
    assert_eq!(client.ask(Request::List), Reply::Devices(vec![]));
    assert_eq!(client.ensure(&tap()), (name, ifindex), "the same device");
    client.ensure(&tun());
    drop(queues);
    assert_eq!(state(), before);

    // The NIC loses its link; then planed removes the unit.
    let dark = Device {
        carrier: false,
        mtu_octets: 9000,
        ..tap()
    };
    client.ensure(&dark);
    assert!(ip("-o link show dev ge-0-0-0.100").contains("NO-CARRIER"));
    assert_eq!(client.ask(Request::List), Reply::Devices(vec![dark, tun()]));
    assert_eq!(client.ask(Request::Remove(tap().unit)), Reply::Done);
    assert!(!ip("-o link").contains("ge-0-0-0.100"));
    assert!(
        client
            .refused(Request::Remove(tap().unit))
            .contains("ge-0/0/0.100")
    );
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_kernel_is_made_a_host() {
    let dir = fresh("host");
    ip("link add v0 type veth peer name v1");
    for setting in [
        "ipv4/ip_forward",
        "ipv6/conf/all/forwarding",
        "ipv4/conf/v0/rp_filter",
    ] {
        std::fs::write(format!("/proc/sys/net/{setting}"), "1").unwrap();
    }
    let netd = Netd::start(&dir);
    netd.client().ensure(&tap());
    assert_eq!(
        (
            setting("ipv4/ip_forward"),
            setting("ipv6/conf/all/forwarding")
        ),
        ("0".into(), "0".into())
    );
    for interface in ["all", "default", "v0", "ge-0-0-0.100"] {
        let settings = [
            ("ipv4", "forwarding", "0"),
            ("ipv4", "rp_filter", "0"),
            ("ipv4", "arp_ignore", "1"),
            ("ipv4", "arp_announce", "2"),
            ("ipv6", "forwarding", "0"),
            ("ipv6", "accept_ra", "0"),
        ];
        for (family, name, value) in settings {
            assert_eq!(
                setting(&format!("{family}/conf/{interface}/{name}")),
                value,
                "{interface} {name}"
            );
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn refusals_name_the_unit() {
    let dir = fresh("refuse");
    let netd = Netd::start(&dir);
    let second = Netd::command(&dir).output().expect("second netd");
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another ravelin-netd is running"));

    let mut client = netd.client();
    let device = |port: &str| Device {
        unit: UnitName::new(port, 0),
        ..tap()
    };
    assert!(
        client
            .refused(Request::Ensure(device("lo0")))
            .contains("loopback")
    );
    assert!(
        client
            .refused(Request::Ensure(device("..\t")))
            .contains("no interface name")
    );
    let long = Device {
        mtu_octets: 1 << 20,
        ..tap()
    };
    assert!(
        client
            .refused(Request::Ensure(long))
            .contains("ge-0/0/0.100")
    );
    assert!(
        !ip("-o link").contains("ge-0-0-0.100"),
        "a twin that cannot be shaped is not left behind"
    );

    client.ensure(&tap());
    let other = Device { mac: None, ..tap() };
    assert!(
        client
            .refused(Request::Ensure(other))
            .contains("other kind")
    );
    // `ge-0/0/0` and `ge-0-0/0` share a kernel name.
    let alias = Device {
        unit: UnitName::new("ge-0-0/0", 100),
        ..tap()
    };
    assert!(
        client
            .refused(Request::Ensure(alias))
            .contains("belongs to ge-0/0/0.100")
    );
    std::fs::remove_dir_all(dir).unwrap();
}

/// Waits until `ip route show proto 201` holds these and no other addresses; meanwhile `client` says what it wants again and again.
fn wait_signals(client: Option<(&mut Client, &[&str])>, wanted: &[&str]) {
    let deadline = Instant::now() + READY_PATIENCE;
    let mut client = client;
    loop {
        if let Some((client, said)) = &mut client {
            let said = said.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(client.ask(Request::Signal(said)), Reply::Done);
        }
        let shown = ip("route show proto 201");
        let found: Vec<&str> = shown
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "wanted {wanted:?}: {shown}");
    }
}

#[test]
fn signal_routes_stand_while_their_client_says_so() {
    let dir = fresh("signal");
    ip("link set lo up");
    let netd = Netd::start(&dir);
    let both: &[&str] = &["192.0.2.201", "192.0.2.202"];
    let mut client = netd.client();
    wait_signals(Some((&mut client, both)), both);
    wait_signals(Some((&mut client, &both[1..])), &both[1..]);
    // Silence withdraws, the next word restores, the end of the connection withdraws.
    wait_signals(None, &[]);
    wait_signals(Some((&mut client, both)), both);
    drop(client);
    wait_signals(None, &[]);

    // netd dies: what stood stands, and one that is claimed in time has no flap.
    let mut client = netd.client();
    wait_signals(Some((&mut client, both)), both);
    drop(netd);
    drop(client);
    wait_signals(None, both);
    let monitor = Command::new("ip")
        .args(["monitor", "route"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let netd = Netd::start(&dir);
    let mut client = netd.client();
    wait_signals(Some((&mut client, &both[..1])), &both[..1]);
    let mut monitor = monitor;
    monitor.kill().unwrap();
    let seen = monitor.wait_with_output().unwrap().stdout;
    let seen = String::from_utf8(seen).unwrap();
    assert!(!seen.contains("192.0.2.201"), "{seen}");
    drop(client);
    wait_signals(None, &[]);

    let mut client = netd.client();
    let many = vec!["192.0.2.1".parse().unwrap(); 65];
    assert!(
        client
            .refused(Request::Signal(many))
            .contains("more than 64")
    );
    assert!(SIGNAL_SILENCE > 2 * SIGNAL_BEAT);
    std::fs::remove_dir_all(dir).unwrap();
}

//! Our side: the product's planed, with netd for its twins and the kernel for routes and neighbours; mgmtd and iked are played here.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ravelin_ctl::cpu::StageCost;
use ravelin_ctl::daemon::{self, Part};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply};
use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{
    DfBit, Event, FromPlaned, MAX_BATCH, Outbound, Outer, Reply, Request, SaHalf, SaPair,
};
use ravelin_ctl::stream::Writer;
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_tests::netns::{Netns, run};
use ravelin_tests::process::Process;
use ravelin_tests::rate::{RouteLoad, check_binary};
use ravelin_tests::runtime_folder;
use ravelin_tests::wait::wait_until;
use ravelin_types::numbers::LAST_SEQUENCE;
use ravelin_types::{
    Generation, InstanceId, Numbers, PairId, Prefix, SecretBytes, TrafficSelector, UnitName, VrfId,
};

use crate::Failure;
use crate::case::{Family, Setting};
use crate::packets::{self, NEIGHBOUR};
use crate::subject::{Cpus, Files, Kind, Subject, digest};

const ACCESS_PORT: &str = "ge-0/0/0";
const CORE_PORT: &str = "ge-0/0/1";
/// The core's port is opened second, and DPDK numbers ports in this order.
const PORTS: [u64; 2] = [1, 0];
/// A full frame must fit the tunnel whole: fragments are another benchmark.
const PORT_MTU_OCTETS: u16 = 1600;
const TUNNEL_MTU_OCTETS: u16 = 1500;
const REPLAY_WINDOW: u32 = 512;
/// A full table.
const ROUTES: u32 = 1_000_000;
/// For answers of a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The variable in which `./x bench` says what it has built.
const BUILT: &str = "RAVELIN_PLANED_SHA256";

/// planed at work, and those it talks to.
pub struct Ours {
    pub subject: Subject,
    pub sha256: String,
    /// Memory it had when all SAs were there and no packet had come yet.
    pub resident_octets: u64,
    /// From the first request of iked to the last answer.
    pub install_time: Duration,
    mgmtd: Stream,
    /// Answers of planed to iked; a thread takes the events away.
    replies: Receiver<FromPlaned>,
    iked: Writer,
    asked: u32,
    _netd: Process,
    netns: Netns,
}

impl Ours {
    /// Starts it, with all SAs installed and transit flowing.
    pub fn start(
        setting: Setting,
        workers: usize,
        files: &Files,
        cpus: Cpus,
    ) -> Result<Self, Failure> {
        let name = if workers == 1 {
            "planed"
        } else {
            "planed-workers"
        };
        let netns = Netns::new("esp")?;
        let folder = runtime_folder(netns.name())?;
        let binaries = binaries()?;
        let listener = UnixListener::bind(folder.join("mgmtd.sock")).map_err(Failure::Socket)?;
        let mut netd = netns.command("env");
        netd.arg(binaries.join("ravelin-netd"))
            .arg("--run-dir")
            .arg(&folder);
        let netd = Process::start(&format!("netd-of-{name}"), &files.logs, &mut netd)?;
        let program = binaries.join("ravelin-planed");
        let mut command = netns.command("env");
        for (name, value) in Subject::environment(files, name) {
            command.arg(format!("{name}={}", value.display()));
        }
        command.arg(&program).arg("--run-dir").arg(&folder);
        command.args(["--workers", &workers.to_string()]);
        let subject = Subject::start(name, files, &mut command, PORTS, Kind::Gateway)?;
        let (socket, _) = listener.accept().map_err(Failure::Socket)?;
        let mgmtd = Stream::open(socket, &Hello::new(Role::Mgmtd, InstanceId(1)))?;
        mgmtd.set_receive_timeout(Some(PATIENCE))?;
        let (iked, replies) = play_iked(&folder.join("planed.sock"))?;
        let mut ours = Self {
            subject,
            sha256: String::new(),
            resident_octets: 0,
            install_time: Duration::ZERO,
            mgmtd,
            replies,
            iked,
            asked: 0,
            _netd: netd,
            netns,
        };
        ours.verify_binary()?;
        ours.configure(setting.family)?;
        ours.subject.wait_ports()?;
        ours.tell_kernel(setting)?;
        ours.install(setting)?;
        ours.resident_octets = ours.subject.resident_octets()?;
        // The first has the measured CPU for itself, the others share the rest with everything else.
        ours.subject.pin_thread("worker0", &cpus.measured_set()?)?;
        for worker in 1..workers {
            ours.subject
                .pin_thread(&format!("worker{worker}"), &cpus.others)?;
        }
        Ok(ours)
    }

    /// The running program is the one that was built.
    fn verify_binary(&mut self) -> Result<(), Failure> {
        let built = std::env::var(BUILT).map_err(|_| Failure::NotBuilt)?;
        let exe = PathBuf::from(format!("/proc/{}/exe", self.subject.process().pid()));
        self.sha256 = digest(&exe)?;
        check_binary(&self.sha256, &built).map_err(|why| Failure::Unfair {
            name: "planed",
            why,
        })
    }

    fn ask_as_mgmtd(&mut self, body: daemon::Request) -> Result<daemon::Reply, Failure> {
        self.asked += 1;
        self.mgmtd.send(&Envelope {
            id: self.asked,
            body,
        })?;
        let answer: Envelope<daemon::Reply> = self.mgmtd.receive()?;
        Ok(answer.body)
    }

    fn ask_as_iked(&mut self, body: Request) -> Result<Reply, Failure> {
        self.asked += 1;
        self.iked.send(&Envelope {
            id: self.asked,
            body,
        })?;
        loop {
            match self.replies.recv_timeout(PATIENCE) {
                Ok(FromPlaned::Reply(reply)) => return Ok(reply),
                Ok(FromPlaned::Event(_)) => {}
                Err(_) => return Err(Failure::Silent { name: "planed" }),
            }
        }
    }

    fn configure(&mut self, family: Family) -> Result<(), Failure> {
        let generation = Generation(1);
        let part = Part::Plane(configuration(family));
        match self.ask_as_mgmtd(daemon::Request::Prepare { generation, part })? {
            daemon::Reply::Prepared(Ok(())) => {}
            other => return Err(Failure::Refused(format!("{other:?}"))),
        }
        match self.ask_as_mgmtd(daemon::Request::Apply(generation))? {
            daemon::Reply::Applied(Ok(_)) => Ok(()),
            other => Err(Failure::Refused(format!("{other:?}"))),
        }
    }

    /// Addresses, neighbours and a route for every SA, as mgmtd and iked give them to the kernel.
    fn tell_kernel(&self, setting: Setting) -> Result<(), Failure> {
        let family = setting.family;
        let (subnet_bits, _, host_bits) = family.prefix_bits();
        let [access, core] = [ACCESS_PORT, CORE_PORT].map(|port| UnitName::new(port, 0).kernel());
        let tunnel = UnitName::new("st0", 0).kernel();
        let mac: Vec<String> = NEIGHBOUR
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let mac = mac.join(":");
        let mut batch = String::new();
        for (device, own, host) in [
            (&access, family.ours(), family.peer()),
            (&core, family.gateway(), family.core()),
        ] {
            let _ = writeln!(
                batch,
                "address add {own}/{subnet_bits} dev {device}\n\
                 link set {device} up\n\
                 neighbour replace {host} lladdr {mac} dev {device} nud permanent"
            );
        }
        let _ = writeln!(batch, "link set {tunnel} up");
        for sa in 0..setting.sas {
            let _ = writeln!(
                batch,
                "route add {}/{host_bits} dev {tunnel}",
                family.remote(sa)
            );
        }
        let path = runtime_folder(self.netns.name())?.join("kernel.batch");
        let written = std::fs::write(&path, batch);
        written.map_err(|error| Failure::File {
            path: path.clone(),
            error,
        })?;
        run(self.netns.command("ip").arg("-batch").arg(&path))?;
        Ok(())
    }

    fn install(&mut self, setting: Setting) -> Result<(), Failure> {
        let pairs: Vec<SaPair> = (0..setting.sas).map(|sa| pair(setting, sa)).collect();
        let start = Instant::now();
        for batch in pairs.chunks(MAX_BATCH) {
            match self.ask_as_iked(Request::Install(batch.to_vec()))? {
                Reply::Installed(results) if results.iter().all(|(_, result)| result.is_ok()) => {}
                other => {
                    let text = format!("{other:?}");
                    return Err(Failure::Refused(text.chars().take(200).collect()));
                }
            }
        }
        self.install_time = start.elapsed();
        self.ask_as_iked(Request::SyncDone)?;
        loop {
            match self.replies.recv_timeout(PATIENCE) {
                Ok(FromPlaned::Event(Event::State { forwarding: true })) => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(Failure::Silent { name: "planed" }),
            }
        }
    }

    /// A full routing table by the core's router: /24 side by side, as most of the Internet's are.
    pub fn load_routes(&mut self) -> Result<RouteLoad, Failure> {
        self.subject.wake();
        let core = UnitName::new(CORE_PORT, 0).kernel();
        let via = Family::V4.core();
        let first = Ipv4Addr::new(16, 0, 0, 0).to_bits();
        let mut batch = String::new();
        for route in 0..ROUTES {
            let prefix = Ipv4Addr::from_bits(first + (route << 8));
            let _ = writeln!(batch, "route add {prefix}/24 via {via} dev {core}");
        }
        let path = runtime_folder(self.netns.name())?.join("routes.batch");
        let written = std::fs::write(&path, batch);
        written.map_err(|error| Failure::File {
            path: path.clone(),
            error,
        })?;
        let (before, present) = (self.subject.resident_octets()?, self.routes()?);
        let start = Instant::now();
        run(self.netns.command("ip").arg("-batch").arg(&path))?;
        let kernel = start.elapsed();
        let wanted = present + u64::from(ROUTES);
        wait_until("planed to have all routes", PATIENCE, || {
            let there = self.routes().unwrap_or_default();
            Ok((there >= wanted).then_some(()))
        })?;
        Ok(RouteLoad {
            routes: ROUTES.into(),
            kernel_s: kernel.as_secs_f64(),
            planed_s: start.elapsed().as_secs_f64(),
            octets: self.subject.resident_octets()?.saturating_sub(before),
        })
    }

    /// How many routes it has.
    fn routes(&mut self) -> Result<u64, Failure> {
        let query = daemon::Request::Operator(DaemonQuery::RouteSummary);
        match self.ask_as_mgmtd(query)? {
            daemon::Reply::Operator(DaemonReply::RouteSummary(tables)) => {
                let counts = tables.iter().flat_map(|table| &table.protocols);
                Ok(counts.map(|(_, count)| count).sum())
            }
            other => Err(Failure::Refused(format!("{other:?}"))),
        }
    }

    /// What it dropped and why.
    pub fn drops(&mut self) -> Result<String, Failure> {
        self.subject.wake();
        let query = daemon::Request::Operator(DaemonQuery::Drops);
        match self.ask_as_mgmtd(query)? {
            daemon::Reply::Operator(DaemonReply::Drops(drops)) => Ok(format!("{drops:?}")),
            other => Err(Failure::Refused(format!("{other:?}"))),
        }
    }

    /// What the stages of its first worker have spent so far.
    pub fn stages(&mut self) -> Result<Vec<StageCost>, Failure> {
        self.subject.wake();
        let answer = self.ask_as_mgmtd(daemon::Request::Operator(DaemonQuery::Cpu))?;
        self.subject.rest();
        match answer {
            daemon::Reply::Operator(DaemonReply::Cpu(workers)) => {
                let first = workers.into_iter().next();
                Ok(first.map_or_else(Vec::new, |worker| worker.stages))
            }
            other => Err(Failure::Refused(format!("{other:?}"))),
        }
    }

    /// The address that frames to it carry.
    pub fn mac(direction: ravelin_esp::Direction) -> ravelin_wire::ethernet::Mac {
        let port = match direction {
            ravelin_esp::Direction::Encrypt => PORTS[0],
            ravelin_esp::Direction::Decrypt => PORTS[1],
        };
        // As hook.c sets it.
        [2, 0, 0, 0, 1, port as u8]
    }
}

/// Connects as iked. Everything that planed says is taken from the socket at once.
fn play_iked(path: &Path) -> Result<(Writer, Receiver<FromPlaned>), Failure> {
    let hello = Hello::new(Role::Iked, InstanceId(1));
    let mut stream = Stream::connect(path, &hello, Role::Planed)?;
    let writer = stream.writer()?;
    let (sender, replies) = channel();
    std::thread::spawn(move || {
        while let Ok(Envelope { body, .. }) = stream.receive::<Envelope<FromPlaned>>() {
            let wanted = match &body {
                FromPlaned::Reply(_) | FromPlaned::Event(Event::State { .. }) => true,
                FromPlaned::Event(_) => false,
            };
            if wanted && sender.send(body).is_err() {
                return;
            }
        }
    });
    Ok((writer, replies))
}

fn configuration(family: Family) -> PlaneConfig {
    let (subnet_bits, remote_bits, _) = family.prefix_bits();
    let port = |name: &str, vdev: &str, address| PortConfig {
        name: name.to_owned(),
        device: Device::Vdev(format!("{vdev},no-rx=1")),
        mtu_octets: PORT_MTU_OCTETS,
        units: vec![UnitConfig {
            name: UnitName::new(name, 0),
            vlan: None,
            inner_vlan: None,
            vrf: VrfId::DEFAULT,
            addresses: vec![(address, subnet_bits)],
        }],
    };
    PlaneConfig {
        ports: vec![
            port(ACCESS_PORT, "net_null0", family.ours()),
            port(CORE_PORT, "net_null1", family.gateway()),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: TUNNEL_MTU_OCTETS,
            addresses: vec![],
            protected: Prefix::new(family.remote(0), remote_bits)
                .into_iter()
                .collect(),
        }],
        ike_addresses: vec![(VrfId::DEFAULT, family.ours())],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    }
}

fn pair(setting: Setting, sa: u32) -> SaPair {
    let Setting {
        algorithm, family, ..
    } = setting;
    let half = |spi| SaHalf {
        spi,
        key: SecretBytes::new(packets::keymat(algorithm, sa)),
    };
    SaPair {
        pair: PairId(u64::from(sa) + 1),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: family.ours(),
            remote: family.peer(),
            udp: None,
        },
        transform: algorithm.transform(),
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: half(packets::spi(sa)),
        outbound: half(packets::peer_spi(sa)),
        state: Outbound::Active,
        // Nobody grants more while the measurement runs.
        life: ravelin_types::VolumeLife::default(),
        ceilings: Numbers {
            outbound: LAST_SEQUENCE,
            inbound: LAST_SEQUENCE,
        },
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![TrafficSelector::any(family == Family::V6)],
        remote_ts: vec![TrafficSelector::from_prefix(Prefix::host(
            family.remote(sa),
        ))],
        replay_window: REPLAY_WINDOW,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

/// Where the released programs are: beside this one, one folder up.
fn binaries() -> Result<PathBuf, Failure> {
    let exe = std::env::current_exe().map_err(|error| Failure::File {
        path: PathBuf::from("/proc/self/exe"),
        error,
    })?;
    let found = exe
        .ancestors()
        .skip(1)
        .take(2)
        .find(|folder| folder.join("ravelin-planed").exists());
    found.map(Path::to_path_buf).ok_or(Failure::NotBuilt)
}

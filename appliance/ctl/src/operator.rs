//! What operators ask, and the typed answers that the CLI renders.
//!
//! The CLI talks to mgmtd with [`Request`]; mgmtd answers itself or passes a [`DaemonQuery`] on to a daemon.

mod sas;

use ravelin_types::{Generation, PairId, Prefix, UnitName};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

pub use sas::{IkeSa, IpsecSa};

use crate::acceleration::Acceleration;
use crate::buffers::Buffers;
use crate::capture::{CaptureOrder, CaptureReply};
use crate::cpu::WorkerCpu;
use crate::failure::{FailureOrder, Failures};
use crate::flight::{Flight, FlightOrder};
use crate::host::wanted::{Class, PasswordHash};
use crate::host::{Alarm, Platform};
use crate::pki::{PkiOrder, PkiReply};
use crate::sa::PairCounters;
use crate::trace::{Trace, TraceKeys, TraceOrder};

/// The CLI to mgmtd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Passed on to the daemon that knows.
    Daemon(DaemonQuery),
    /// Processes, their state and generation.
    ShowProcesses,
    /// The running configuration as text; secrets are replaced.
    ShowConfiguration,
    /// Validate this text, store it and apply it.
    LoadConfiguration {
        /// Where it came from, for error messages.
        origin: String,
        /// The text.
        text: String,
    },
    /// Put this text, or these `set` and `delete` lines, on top of the running configuration; then as above.
    AmendConfiguration {
        /// Where it came from, for error messages.
        origin: String,
        /// The text.
        text: String,
    },
    /// The running configuration in another form.
    ExportConfiguration {
        /// As `set` lines, not in braces.
        set: bool,
        /// With its secrets.
        secrets: bool,
    },
    /// Who asks, what it may do, and what it should know first.
    Session,
    /// The first password of who asks.
    SetPassword(PasswordHash),
    /// Name, version and times of the node.
    ShowNode,
    /// Ends or restarts the node.
    Power(Power),
    /// The machine and its NICs.
    ShowHardware,
    /// What is wrong.
    ShowAlarms,
    /// What came of day 0.
    ShowDay0,
}

/// How the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It starts again.
    Reboot,
    /// It stays off.
    PowerOff,
    /// It forgets everything and starts again as from the factory.
    Zeroize,
}

impl Power {
    /// As written in a request to the host side.
    pub fn name(self) -> &'static str {
        match self {
            Power::Reboot => "reboot",
            Power::PowerOff => "power-off",
            Power::Zeroize => "zeroize",
        }
    }
}

impl Request {
    /// The least class that may ask this.
    pub fn class(&self) -> Class {
        match self {
            // Who is trusted, and who we are.
            Request::Daemon(DaemonQuery::Pki(order)) if !order.is_question() => Class::SuperUser,
            Request::Daemon(query) if query.changes() => Class::Operator,
            Request::Daemon(_)
            | Request::ShowProcesses
            | Request::ShowConfiguration
            | Request::ExportConfiguration { secrets: false, .. }
            | Request::Session
            | Request::SetPassword(_)
            | Request::ShowHardware
            | Request::ShowAlarms
            | Request::ShowNode
            | Request::ShowDay0 => Class::ReadOnly,
            Request::LoadConfiguration { .. }
            | Request::AmendConfiguration { .. }
            | Request::ExportConfiguration { secrets: true, .. }
            | Request::Power(_) => Class::SuperUser,
        }
    }
}

/// A question or an order for one daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DaemonQuery {
    /// iked: IKE SAs.
    IkeSas,
    /// iked, with planed's counters: child SAs.
    IpsecSas,
    /// iked: gateways whose one peer is at addresses or host names.
    IkeGateways,
    /// iked: counters of the protocol.
    IkeStatistics,
    /// iked: negotiations that failed.
    IkeFailures(FailureOrder),
    /// iked: what the messages of a peer say.
    IkeTrace(TraceOrder),
    /// iked: delete IKE SAs, of one peer or all.
    ClearIke(Option<IpAddr>),
    /// iked: delete child SAs, of one peer or all.
    ClearIpsec(Option<IpAddr>),
    /// iked: rekey the IKE SA of this index, or all, now (`request security ike rekey index N|all`).
    RekeyIke(Option<u64>),
    /// iked: send one peer, or all, to where their gateways redirect to (`request security ike redirect peer ADDRESS|all`).
    RedirectIke(Option<IpAddr>),
    /// iked: rekey this child SA, or all, now (`request security ipsec rekey index N|all`).
    RekeyChild(Option<PairId>),
    /// planed: sums over all SAs.
    IpsecStatistics,
    /// planed: ports and units.
    Interfaces,
    /// planed: the mirrored routes, at most [`MAX_SHOWN_ROUTES`] of them.
    Routes,
    /// planed: how many there are.
    RouteSummary,
    /// planed: discarded packets by reason.
    Drops,
    /// planed: its state, its health and its signal routes.
    HighAvailability,
    /// planed: packets at ports and tunnels (`monitor traffic`).
    Capture(CaptureOrder),
    /// planed: what became of the last packets of one tunnel.
    Flight(FlightOrder),
    /// planed: what the workers do with their processors.
    Cpu,
    /// planed: its packet pools.
    Buffers,
    /// planed: who does the ciphers of the SAs.
    Acceleration,
    /// iked: certificates and keys.
    Pki(Box<PkiOrder>),
    /// iked: what is wrong with its certificates and its vault.
    Alarms,
}

impl DaemonQuery {
    /// Whether it is an order. A capture is one: it shows what users send.
    pub fn changes(&self) -> bool {
        match self {
            DaemonQuery::ClearIke(_)
            | DaemonQuery::IkeFailures(FailureOrder::Clear(_))
            | DaemonQuery::IkeTrace(
                TraceOrder::Start { .. } | TraceOrder::Stop | TraceOrder::Keys,
            )
            | DaemonQuery::ClearIpsec(_)
            | DaemonQuery::RekeyIke(_)
            | DaemonQuery::RedirectIke(_)
            | DaemonQuery::RekeyChild(_)
            | DaemonQuery::Capture(_)
            | DaemonQuery::Flight(FlightOrder::Start(_) | FlightOrder::Stop) => true,
            DaemonQuery::Pki(order) => !order.is_question(),
            DaemonQuery::IkeSas
            | DaemonQuery::IkeGateways
            | DaemonQuery::IpsecSas
            | DaemonQuery::IkeStatistics
            | DaemonQuery::IkeFailures(FailureOrder::Show(_))
            | DaemonQuery::IkeTrace(TraceOrder::Show | TraceOrder::Log { .. })
            | DaemonQuery::IpsecStatistics
            | DaemonQuery::Interfaces
            | DaemonQuery::Routes
            | DaemonQuery::RouteSummary
            | DaemonQuery::Drops
            | DaemonQuery::Flight(FlightOrder::Show)
            | DaemonQuery::Cpu
            | DaemonQuery::Buffers
            | DaemonQuery::Acceleration
            | DaemonQuery::Alarms
            | DaemonQuery::HighAvailability => false,
        }
    }

    /// Whether planed answers it (else iked).
    pub fn for_planed(&self) -> bool {
        matches!(
            self,
            DaemonQuery::IpsecStatistics
                | DaemonQuery::Interfaces
                | DaemonQuery::Routes
                | DaemonQuery::RouteSummary
                | DaemonQuery::Drops
                | DaemonQuery::HighAvailability
                | DaemonQuery::Capture(_)
                | DaemonQuery::Flight(_)
                | DaemonQuery::Cpu
                | DaemonQuery::Buffers
                | DaemonQuery::Acceleration
        )
    }
}

/// mgmtd to the CLI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// A daemon's answer.
    Daemon(DaemonReply),
    /// Answer to [`Request::ShowProcesses`].
    Processes(Vec<ProcessStatus>),
    /// Answer to [`Request::ShowConfiguration`].
    Configuration(String),
    /// The configuration runs.
    Loaded {
        /// Its generation.
        generation: Generation,
        /// Warnings.
        warnings: Vec<String>,
    },
    /// Answer to [`Request::Session`].
    Session(Session),
    /// Answer to [`Request::ShowNode`].
    Node(Node),
    /// It is being done.
    Accepted,
    /// Refused: one line per error, each naming file, line, statement and what was expected.
    Failed(Vec<String>),
    /// Answer to [`Request::ShowHardware`].
    Hardware(Box<Platform>),
    /// Answer to [`Request::ShowAlarms`], gravest first.
    Alarms(Vec<Alarm>),
    /// Answer to [`Request::ShowDay0`]; nothing on a machine that has no day 0.
    Day0(Option<crate::day0::Record>),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Name.
    pub user: String,
    /// What it may do.
    pub class: Class,
    /// Whether it must set a password first of all.
    pub password_wanted: bool,
    /// Name of the node.
    pub host_name: Option<String>,
    /// Software version.
    pub software: String,
    /// What is wrong with the node, the gravest first, as far as mgmtd knows it without asking a daemon.
    pub alarms: Vec<String>,
}

/// Name, version and times of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its configured name.
    pub host_name: Option<String>,
    /// Software version.
    pub software: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Seconds since the kernel started.
    pub uptime_s: u64,
    /// Seconds since mgmtd started.
    pub running_s: u64,
    /// Seconds since the running configuration was applied.
    pub configured_s: u64,
}

/// A gateway with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeGateway {
    /// Its name.
    pub name: String,
    /// Where its peer is, the place that we try first before the others.
    pub peer: Vec<PeerPlace>,
}

/// An address of a peer, or a host name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPlace {
    /// As in the configuration.
    pub address: String,
    /// What is known of a host name; empty for an address.
    pub known: Vec<IpAddr>,
    /// Why the resolver had no answer the last time.
    pub error: Option<String>,
}

/// A daemon's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DaemonReply {
    /// Answer to [`DaemonQuery::IkeSas`].
    IkeSas(Vec<IkeSa>),
    /// Answer to [`DaemonQuery::IpsecSas`].
    IpsecSas(Vec<IpsecSa>),
    /// Answer to [`DaemonQuery::IkeGateways`], in the order of the configuration.
    IkeGateways(Vec<IkeGateway>),
    /// Answer to [`DaemonQuery::IkeStatistics`]: names and values.
    IkeStatistics(Vec<(String, u64)>),
    /// Answer to [`FailureOrder::Show`].
    IkeFailures(Failures),
    /// Answer to [`TraceOrder::Show`], `None` when nobody was traced.
    IkeTrace(Option<Trace>),
    /// Answer to [`TraceOrder::Keys`], the newest last.
    IkeTraceKeys(Vec<TraceKeys>),
    /// Answer to [`TraceOrder::Log`].
    Log(String),
    /// Answer to [`DaemonQuery::IpsecStatistics`].
    IpsecStatistics(IpsecStatistics),
    /// Answer to [`DaemonQuery::Interfaces`].
    Interfaces(Vec<Interface>),
    /// Answer to [`DaemonQuery::Routes`].
    Routes(RouteList),
    /// Answer to [`DaemonQuery::RouteSummary`].
    RouteSummary(Vec<TableSummary>),
    /// Answer to [`DaemonQuery::Drops`].
    Drops(Vec<Drop>),
    /// Answer to [`DaemonQuery::HighAvailability`].
    HighAvailability(HighAvailability),
    /// Answer to [`DaemonQuery::Capture`].
    Capture(CaptureReply),
    /// Answer to [`DaemonQuery::Flight`].
    Flight(Flight),
    /// Answer to [`DaemonQuery::Cpu`].
    Cpu(Vec<WorkerCpu>),
    /// Answer to [`DaemonQuery::Buffers`].
    Buffers(Buffers),
    /// Answer to [`DaemonQuery::Acceleration`].
    Acceleration(Acceleration),
    /// Answer to [`DaemonQuery::Pki`].
    Pki(Box<PkiReply>),
    /// Answer to [`DaemonQuery::Alarms`].
    Alarms(Vec<Alarm>),
    /// How many objects an order touched.
    Done(u64),
    /// Why not.
    Failed(String),
}

/// Sums over all SAs since planed's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IpsecStatistics {
    /// Sums.
    pub total: PairCounters,
    /// Pairs installed.
    pub pairs: u64,
    /// Discards by reason that concern ESP.
    pub drops: Vec<Drop>,
}

/// A port or a logical unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `ge-0/0/0` for a port, `ge-0/0/0.0` for a unit.
    pub name: String,
    /// Whether it is enabled.
    pub admin_up: bool,
    /// Whether its link is up.
    pub link_up: bool,
    /// MAC, for Ethernet.
    pub mac: Option<[u8; 6]>,
    /// MTU in octets.
    pub mtu_octets: u32,
    /// The device behind a port.
    pub device: Option<String>,
    /// Routing instance of a unit, when it is not the default one.
    pub instance: Option<String>,
    /// Addresses with subnet lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Packets in.
    pub in_packets: u64,
    /// Octets in.
    pub in_octets: u64,
    /// Packets out.
    pub out_packets: u64,
    /// Octets out.
    pub out_octets: u64,
    /// Discards and errors.
    pub errors: u64,
}

/// Routes in one answer: a full table of a million would not fit a frame, nor help anyone.
pub const MAX_SHOWN_ROUTES: usize = 10_000;

/// The first routes, by table and prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouteList {
    /// They.
    pub routes: Vec<Route>,
    /// How many more there are.
    pub left_out: u64,
}

/// What a routing table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Its name, as in [`Route::table`].
    pub table: String,
    /// Routes by protocol; each is the one of its destination and protocol.
    pub protocols: Vec<(String, u64)>,
}

/// A route of the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Routing table: `inet.0`, `inet6.0`, `INSTANCE.inet.0`.
    pub table: String,
    /// Destination.
    pub prefix: Prefix,
    /// `direct`, `local`, `static`, `bgp`, `ari-ts`, ...
    pub protocol: String,
    /// Junos preference.
    pub preference: u32,
    /// Metric.
    pub metric: u32,
    /// Seconds since it appeared.
    pub age_s: u64,
    /// Whether it forwards (several routes to one destination: one is best).
    pub active: bool,
    /// Next hops.
    pub next_hops: Vec<NextHop>,
}

/// A next hop of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NextHop {
    /// Through a neighbour, or directly attached when `gateway` is absent.
    Unit {
        /// The neighbour.
        gateway: Option<IpAddr>,
        /// Through this unit.
        unit: UnitName,
    },
    /// To ourselves.
    Local,
    /// Discarded silently.
    Discard,
    /// Discarded with ICMP unreachable.
    Reject,
}

/// Discards of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// The reason's name.
    pub reason: String,
    /// What it means, one line.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

/// What `show chassis high-availability information` tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HighAvailability {
    /// `starting`, `syncing`, `forwarding` or `holding` (forwarding while iked is away).
    pub state: String,
    /// Seconds in this state.
    pub state_s: u64,
    /// What a start waits for.
    pub waiting: Vec<String>,
    /// What keeps the node from being announced.
    pub fault: Option<String>,
    /// SA pairs installed.
    pub pairs: u64,
    /// Signal routes.
    pub signals: Vec<Signal>,
}

/// A signal route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its services redundancy group.
    pub group: u32,
    /// Its address.
    pub address: IpAddr,
    /// Whether it is announced.
    pub up: bool,
    /// Seconds since it came or went.
    pub since_s: u64,
    /// Why it is down.
    pub reason: Option<String>,
}

/// A process of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// `ravelin-planed`.
    pub name: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Process id.
    pub pid: u32,
    /// Software version.
    pub software: String,
    /// Generation it runs.
    pub generation: Generation,
    /// Seconds since it connected (mgmtd: since it started).
    pub uptime_s: u64,
    /// Last error, if any.
    pub error: Option<String>,
}

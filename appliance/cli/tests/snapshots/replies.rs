//! Answers as daemons give them, with ordinary and with the longest values.

use ravelin_ctl::day0::{Kind, Outcome, Record, Source};
use ravelin_ctl::failure::{FailureEntry, Failures};
use ravelin_ctl::operator::{
    DaemonReply, Drop, HighAvailability, IkeGateway, IkeSa, Interface, IpsecSa, IpsecStatistics,
    NextHop, PeerPlace, ProcessStatus, Reply, Route, RouteList, Signal, TableSummary,
};
use ravelin_ctl::sa::PairCounters;
use ravelin_ctl::trace::{Trace, TraceEntry, TraceKind};
use ravelin_types::{Generation, Identity, PairId, Spi, TrafficSelector};

const LONG_V6: &str = "2001:db8:1234:5678:9abc:def0:1234:5678";

pub fn ike_sas() -> Reply {
    let first = IkeSa {
        index: 1,
        gateway: Some("enb".into()),
        instance: None,
        state: "UP".into(),
        initiator: false,
        initiator_spi: 0x2b2f_9e9d_8c1a_5c2e,
        responder_spi: 0x4000_0000_0000_0101,
        local: "192.0.2.1:4500".parse().unwrap(),
        remote: "192.0.2.10:4500".parse().unwrap(),
        local_identity: Some(Identity::Fqdn("secgw.example".into())),
        remote_identity: Some(Identity::Fqdn("enb1.ran.example".into())),
        encryption: "aes-256-gcm".into(),
        integrity: None,
        prf: "sha-256".into(),
        dh_group: "group19".into(),
        ppk: Some("enb-1".into()),
        nat: true,
        leases: vec!["10.9.0.7".parse().unwrap()],
        mobike: true,
        age_s: 93_784,
        rekey_s: 25_000,
        lifetime_s: 28_790,
        children: 1,
        messages_in: 12,
        messages_out: 12,
        retransmissions: 1,
    };
    let second = IkeSa {
        index: 65_536,
        gateway: None,
        instance: Some("access".into()),
        state: "IKE_AUTH".into(),
        initiator: true,
        local: format!("[{LONG_V6}]:500").parse().unwrap(),
        remote: format!("[{LONG_V6}]:500").parse().unwrap(),
        local_identity: None,
        remote_identity: None,
        encryption: "aes-256-cbc".into(),
        integrity: Some("sha-256".into()),
        ppk: None,
        nat: false,
        leases: Vec::new(),
        mobike: false,
        age_s: 3,
        ..first.clone()
    };
    Reply::Daemon(DaemonReply::IkeSas(vec![first, second]))
}

pub fn ike_statistics() -> Reply {
    Reply::Daemon(DaemonReply::IkeStatistics(vec![
        ("ike-sa-init requests".into(), 12),
        ("half-open refused by cookie".into(), 4_294_967_296),
    ]))
}

pub fn ike_gateways() -> Reply {
    let place = |address: &str, known: &[&str], error: Option<&str>| PeerPlace {
        address: address.into(),
        known: known.iter().map(|a| a.parse().unwrap()).collect(),
        error: error.map(Into::into),
    };
    let gateway = |name: &str, peer| IkeGateway {
        name: name.into(),
        peer,
    };
    Reply::Daemon(DaemonReply::IkeGateways(vec![
        gateway(
            "core",
            vec![place("192.0.2.10", &[], None), place(LONG_V6, &[], None)],
        ),
        gateway(
            "enb",
            vec![
                place("enb1.ran.example", &["192.0.2.11", LONG_V6], None),
                place("backup.ran.example", &[], Some("Name or service not known")),
            ],
        ),
    ]))
}

pub fn ike_failures() -> Reply {
    let first = FailureEntry {
        instance: None,
        remote: "192.0.2.10:4500".parse().unwrap(),
        identity: Some(Identity::Fqdn("enb1.ran.example".into())),
        gateway: Some("enb".into()),
        stage: "IKE_AUTH".into(),
        what: "no proposal chosen: encryption".into(),
        offered: Some("aes-128-cbc, aes-192-cbc, 3des-cbc, aes-128-ctr, aes-192-ctr".into()),
        accepted: Some("aes-256-gcm".into()),
        times: 17,
        first_s: 93_784,
        last_s: 3,
    };
    let second = FailureEntry {
        instance: Some("access".into()),
        remote: format!("[{LONG_V6}]:500").parse().unwrap(),
        identity: None,
        gateway: None,
        stage: "IKE_SA_INIT".into(),
        what: "no gateway is configured for this peer's address at 192.0.2.1:500".into(),
        offered: None,
        accepted: None,
        times: 1,
        ..first.clone()
    };
    Reply::Daemon(DaemonReply::IkeFailures(Failures {
        entries: vec![first, second],
        forgotten: 300,
    }))
}

pub fn ike_trace() -> Reply {
    let received = TraceEntry {
        time_us: 1_700_000_000_123_456,
        kind: TraceKind::Received,
        local: Some("192.0.2.1:500".parse().unwrap()),
        remote: "192.0.2.10:500".parse().unwrap(),
        lines: vec![
            "IKE_SA_INIT request 0, SPIs 2b2f9e9d8c1a5c2e 0000000000000000, 240 octets".into(),
            "SA: 1 IKE: AES_GCM_16_256 PRF_HMAC_SHA2_256 ECP_256; 2 IKE: AES_CBC_256 \
             HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 MODP_2048"
                .into(),
            "Nonce: 32 octets".into(),
        ],
    };
    let sent = TraceEntry {
        time_us: 1_700_000_000_124_000,
        kind: TraceKind::Sent,
        local: Some(format!("[{LONG_V6}]:4500").parse().unwrap()),
        remote: format!("[{LONG_V6}]:4500").parse().unwrap(),
        ..received.clone()
    };
    let note = TraceEntry {
        time_us: 1_700_000_001_000_000,
        kind: TraceKind::Note,
        local: None,
        lines: vec!["IKE_AUTH: authentication failed: the pre-shared keys differ".into()],
        ..received.clone()
    };
    Reply::Daemon(DaemonReply::IkeTrace(Some(Trace {
        peer: "192.0.2.10".parse().unwrap(),
        runs_s: Some(3000),
        entries: vec![received, sent, note],
        forgotten: 7,
    })))
}

fn selector(prefix: &str) -> TrafficSelector {
    TrafficSelector::from_prefix(prefix.parse().unwrap())
}

fn counters() -> PairCounters {
    PairCounters {
        out_packets: 1000,
        out_octets: 1_400_000,
        in_packets: 998,
        in_octets: 1_397_200,
        replay_drops: 2,
        auth_drops: 1,
        selector_drops: 3,
        ..PairCounters::default()
    }
}

pub fn ipsec_sas() -> Reply {
    let first = IpsecSa {
        pair: PairId(1),
        ike_index: 1,
        vpn: "enb-vpn".into(),
        gateway: "enb".into(),
        outer_instance: None,
        inner_instance: None,
        tunnel: "st0.0".parse().unwrap(),
        local: "192.0.2.1:4500".parse().unwrap(),
        remote: "192.0.2.10:4500".parse().unwrap(),
        udp_encapsulated: true,
        inbound_spi: Spi(0x0000_1001),
        outbound_spi: Spi(0xc1d2_e3f4),
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        encryption: "aes-256-gcm".into(),
        integrity: None,
        extended_sequence: false,
        local_ts: vec![selector("198.51.100.0/24"), selector("2001:db8:c0::/64")],
        remote_ts: vec![selector("10.45.0.1/32")],
        resource: Some("cpu-1".into()),
        outbound_active: true,
        rekey_s: 3_000,
        lifetime_s: 3_585,
        octets_left: None,
        packets_left: None,
        replay_window: 512,
        remote_identity: Some(Identity::Fqdn("enb1.ran.example".into())),
        counters: Some(counters()),
    };
    let second = IpsecSa {
        pair: PairId(131_072),
        ike_index: 65_536,
        outer_instance: Some("access".into()),
        local: format!("[{LONG_V6}]:500").parse().unwrap(),
        remote: format!("[{LONG_V6}]:500").parse().unwrap(),
        udp_encapsulated: false,
        encryption: "aes-256-cbc".into(),
        integrity: Some("hmac-sha-256-128".into()),
        extended_sequence: true,
        local_ts: vec![selector(&format!("{LONG_V6}/128"))],
        resource: None,
        outbound_active: false,
        octets_left: Some(1_000_000 << 10),
        packets_left: Some(u64::from(u32::MAX)),
        replay_window: 0,
        remote_identity: None,
        counters: None,
        ..first.clone()
    };
    Reply::Daemon(DaemonReply::IpsecSas(vec![first, second]))
}

pub fn ipsec_statistics() -> Reply {
    Reply::Daemon(DaemonReply::IpsecStatistics(IpsecStatistics {
        total: counters(),
        pairs: 2,
        drops: some_drops(),
    }))
}

fn some_drops() -> Vec<Drop> {
    let drop = |reason: &str, meaning: &str, packets| Drop {
        reason: reason.into(),
        meaning: meaning.into(),
        packets,
    };
    vec![
        drop("BadSpi", "no security association has this SPI", 0),
        drop(
            "Replay",
            "sequence number seen before or left of the window",
            2,
        ),
        drop(
            "NoSa",
            "destination is in a protected set and no child security association covers it, so it must not leave in clear",
            18_446_744_073_709,
        ),
    ]
}

pub fn high_availability() -> Reply {
    let signal = |group, address: &str, up, reason: Option<&str>| Signal {
        group,
        address: address.parse().unwrap(),
        up,
        since_s: 61,
        reason: reason.map(str::to_owned),
    };
    Reply::Daemon(DaemonReply::HighAvailability(HighAvailability {
        state: "holding".into(),
        state_s: 4_000,
        waiting: Vec::new(),
        fault: None,
        pairs: 131_072,
        signals: vec![
            signal(1, "198.51.100.201", true, None),
            signal(1, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true, None),
            signal(2, "198.51.100.202", false, Some("ge-0/0/1 has no link")),
        ],
    }))
}

pub fn high_availability_starting() -> Reply {
    let down = Signal {
        group: 1,
        address: "198.51.100.201".parse().unwrap(),
        up: false,
        since_s: 3,
        reason: Some("worker 1 does not run".into()),
    };
    let waiting = ["device holder", "routes of the kernel", "SAs of iked"];
    Reply::Daemon(DaemonReply::HighAvailability(HighAvailability {
        state: "syncing".into(),
        state_s: 3,
        waiting: waiting.map(str::to_owned).to_vec(),
        fault: Some("worker 1 does not run".into()),
        pairs: 0,
        signals: vec![down],
    }))
}

pub fn drops() -> Reply {
    Reply::Daemon(DaemonReply::Drops(some_drops()))
}

pub fn interfaces() -> Reply {
    let port = Interface {
        name: "ge-0/0/0".into(),
        admin_up: true,
        link_up: true,
        mac: Some([2, 0, 0, 0, 0, 1]),
        mtu_octets: 1514,
        device: Some("net_af_packet0,iface=x0".into()),
        instance: None,
        addresses: Vec::new(),
        in_packets: 10,
        in_octets: 1000,
        out_packets: 20,
        out_octets: 2000,
        errors: 0,
    };
    let unit = Interface {
        name: "ge-0/0/0.0".into(),
        mtu_octets: 1500,
        device: None,
        addresses: vec![
            ("192.0.2.1".parse().unwrap(), 24),
            ("192.0.2.2".parse().unwrap(), 24),
            ("2001:db8::1".parse().unwrap(), 64),
            (LONG_V6.parse().unwrap(), 128),
        ],
        ..port.clone()
    };
    let tunnel = Interface {
        name: "st0.0".into(),
        link_up: false,
        mac: None,
        mtu_octets: 1400,
        device: None,
        instance: Some("core".into()),
        ..port.clone()
    };
    let down = Interface {
        name: "ge-0/0/1".into(),
        admin_up: false,
        link_up: false,
        ..port.clone()
    };
    Reply::Daemon(DaemonReply::Interfaces(vec![port, unit, down, tunnel]))
}

fn via(gateway: Option<&str>, unit: &str) -> NextHop {
    NextHop::Unit {
        gateway: gateway.map(|g| g.parse().unwrap()),
        unit: unit.parse().unwrap(),
    }
}

pub fn routes() -> Reply {
    let route = |prefix: &str, protocol: &str, preference, metric, next_hops| Route {
        table: if prefix.contains(':') {
            "inet6.0".into()
        } else {
            "inet.0".into()
        },
        prefix: prefix.parse().unwrap(),
        protocol: protocol.into(),
        preference,
        metric,
        age_s: 723,
        active: true,
        next_hops,
    };
    let unit = "ge-0/0/0.0";
    let spare = Route {
        active: false,
        age_s: 2_000_000,
        ..route(
            "0.0.0.0/0",
            "bgp",
            170,
            20,
            vec![via(Some("192.0.2.9"), unit)],
        )
    };
    let list = vec![
        route("192.0.2.1/32", "local", 0, 0, vec![NextHop::Local]),
        route("192.0.2.0/24", "direct", 0, 0, vec![via(None, unit)]),
        spare,
        route(
            "0.0.0.0/0",
            "static",
            5,
            0,
            vec![
                via(Some("192.0.2.254"), unit),
                via(Some("192.0.2.253"), "ge-0/0/1.0"),
            ],
        ),
        route("10.45.0.1/32", "ari-ts", 5, 2, vec![via(None, "st0.0")]),
        route("10.0.0.0/8", "static", 5, 0, vec![NextHop::Discard]),
        route("172.16.0.0/12", "static", 5, 0, vec![NextHop::Reject]),
        route(
            &format!("{LONG_V6}/128"),
            "static",
            5,
            4_294_967_295,
            vec![via(Some(LONG_V6), "ge-0/0/0.4094")],
        ),
        route("2001:db8::/64", "direct", 0, 0, vec![via(None, unit)]),
    ];
    Reply::Daemon(DaemonReply::Routes(RouteList {
        routes: list,
        left_out: 990_000,
    }))
}

pub fn route_summary() -> Reply {
    let table = |table: &str, protocols: &[(&str, u64)]| TableSummary {
        table: table.to_owned(),
        protocols: protocols
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
    };
    Reply::Daemon(DaemonReply::RouteSummary(vec![
        table(
            "inet.0",
            &[("ari-ts", 65_536), ("bgp", 1_000_000), ("direct", 2)],
        ),
        table("inet6.0", &[("local", 1)]),
    ]))
}

pub fn processes() -> Reply {
    let process = |name: &str, pid, error: Option<&str>| ProcessStatus {
        name: name.into(),
        connected: pid != 0,
        pid,
        software: if pid == 0 { "".into() } else { "0.1.0".into() },
        generation: Generation(if pid == 0 { 0 } else { 3 }),
        uptime_s: u64::from(pid) * 700,
        error: error.map(Into::into),
    };
    Reply::Processes(vec![
        process("ravelin-mgmtd", 901, None),
        process("ravelin-planed", 1002, None),
        process(
            "ravelin-iked",
            0,
            Some(
                "generation 3: gateway `enb`: address 192.0.2.1 of interface `ge-0/0/0.0` is not configured on this machine",
            ),
        ),
    ])
}

pub fn day0() -> Reply {
    let source = |name: &str, digest: &str| Source {
        kind: Kind::NoCloud,
        name: name.into(),
        digest: digest.repeat(32),
    };
    Reply::Day0(Some(Record {
        applied: Some(source("sr0 (ISO 9660 cidata)", "3f")),
        outcome: Outcome::NotApplied,
        found: Some(source("sdb1 (FAT CIDATA)", "a0")),
        messages: vec![
            "sdb1 (FAT CIDATA) is not applied: a configuration is stored already, and this line is long".into(),
        ],
    }))
}

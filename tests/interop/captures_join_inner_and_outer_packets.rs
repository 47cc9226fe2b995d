//! `monitor traffic` on a gateway with a strongSwan tunnel: other programs read the pcapng, every inner packet has the one ESP packet
//! that carries it, lines say the same, and a capture whose client dies ends by itself.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::process::Process;
use ravelin_tests::pty::Pty;
use ravelin_tests::site::{Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/read_pcapng.py");
const LIMIT: Duration = Duration::from_secs(20);
const PINGS: u32 = 3;
/// A ping and its answer are seen at both ports and in the tunnel.
const SEEN: u32 = PINGS * 6;

/// A packet as the other reader tells it.
#[derive(Debug)]
struct Seen {
    interface: String,
    inbound: bool,
    source: String,
    protocol: String,
    /// SPI and sequence number in the ESP header itself.
    esp: String,
    comment: String,
}

fn read(site: &Site, file: &Path) -> Vec<Seen> {
    let told = site.gw.sh(&format!("python3 {READER} {}", file.display()));
    let told = told.unwrap();
    let lines = told.lines().map(|line| {
        let words: Vec<&str> = line.splitn(8, ' ').collect();
        Seen {
            interface: words[0].to_owned(),
            inbound: words[1] == "1",
            source: words[2].to_owned(),
            protocol: words[4].to_owned(),
            esp: format!("spi {} seq {}", words[5], words[6]),
            comment: words.get(7).unwrap_or(&"").to_string(),
        }
    });
    lines.collect()
}

/// A capture that runs in the background.
fn start(gateway: &Gateway, name: &str, arguments: &str) -> Process {
    let command = format!("monitor traffic interface {arguments}");
    let mut command = gateway.cli_command(&command);
    let mut process = Process::start(name, gateway.folder(), &mut command).unwrap();
    process.wait_log("Listening on", LIMIT).unwrap();
    process
}

/// Waits until the command has ended by itself.
fn finished(process: &mut Process) -> String {
    process.wait_log("packets captured", LIMIT).unwrap();
    let ended = || Ok(process.check().is_err().then_some(()));
    wait_until("the end of the command", LIMIT, ended).unwrap();
    process.log()
}

/// At the prompt packets come as they are seen, and `^C` ends the capture and not the session.
fn at_the_prompt(site: &Site, gateway: &Gateway) {
    let once = gateway.cli_command("");
    let arguments: Vec<_> = once.get_args().collect();
    let mut shell = Command::new(once.get_program());
    shell.args(&arguments[..arguments.len() - 2]);
    let transcript = site.folder().join("prompt.log");
    let mut pty = Pty::start("prompt", &shell, &transcript).unwrap();
    let console = pty.console();
    console.expect("> ", LIMIT).unwrap();
    console
        .send_line("monitor traffic interface ge-0/0/0,st0.0")
        .unwrap();
    console
        .expect("Listening on ge-0/0/0, st0.0", LIMIT)
        .unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap(), 1);
    console
        .expect("Out st0.0: [^\\n]* ICMP echo reply", LIMIT)
        .unwrap();
    console.send("\x03").unwrap();
    console
        .expect("packets captured, 0 packets lost", LIMIT)
        .unwrap();
    console
        .send_line("monitor traffic interface all write-file -")
        .unwrap();
    console.expect("the output is this screen", LIMIT).unwrap();
    console.send_line("exit").unwrap();
    assert!(pty.wait(LIMIT).unwrap().success());
}

/// What became of a ping, of its answer, and of a packet when there is no SA any more.
fn flight_recorder(site: &Site, gateway: &Gateway, peer: &StrongSwan) {
    let start = format!(
        "request security ipsec flight-recorder start peer {}",
        V4.enb_outer
    );
    gateway.cli(&start).unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap(), 1);
    let records = || {
        let told = gateway
            .report("show security ipsec flight-recorder")
            .unwrap();
        let records = told["flight_recorder"]["records"]
            .as_array()
            .unwrap()
            .clone();
        let pings = records
            .into_iter()
            .filter(|r| r["protocol"] == 1 || !r["esp"].is_null());
        pings.collect::<Vec<_>>()
    };
    let seen = records();
    let ways: Vec<_> = (seen.iter())
        .map(|r| ["stage", "outcome", "interface"].map(|field| r[field].as_str().unwrap()))
        .collect();
    assert_eq!(
        ways,
        [
            ["crypto", "decrypted", "st0.0"],
            ["egress", "sent", "ge-0/0/1.0"],
            ["esp-output", "encrypted", "st0.0"],
            ["egress", "sent", "ge-0/0/0.0"],
        ]
    );
    assert_eq!(seen[2]["esp"], seen[3]["esp"], "inner and outer packet");
    peer.terminate("ipv4").unwrap();
    wait_until("a discard", LIMIT, || {
        ping(&site.core, V4.core, V4.enb_inner, 1, 56)?;
        Ok(records()
            .iter()
            .any(|r| r["outcome"]["dropped"] == "no-sa")
            .then_some(()))
    })
    .unwrap();
    let stopped = gateway
        .cli("request security ipsec flight-recorder stop")
        .unwrap();
    assert_eq!(stopped, "recording stopped\n");
}

/// Workers tell work from polling and sleep, and what their stages cost.
fn processors(gateway: &Gateway) {
    let told = gateway.report("show system cpu").unwrap();
    let worker = &told["workers"][0];
    let spent = |of: &str| -> u64 {
        let parts = ["work_us", "polling_us", "asleep_us"].map(|part| &worker[of][part]);
        parts.map(|part| part.as_u64().unwrap()).iter().sum()
    };
    // A second, as exactly as a busy machine lets planed take its time.
    let recent = spent("recent");
    assert!((500_000..5_000_000).contains(&recent), "{worker}");
    assert!(
        spent("total") > recent && worker["total"]["work_us"] != 0,
        "{worker}"
    );
    assert!(
        worker["packets"].as_u64() >= worker["busy_runs"].as_u64(),
        "{worker}"
    );
    let stages = worker["stages"].as_array().unwrap();
    let told: Vec<_> = stages.iter().filter(|s| s["cycles"] != 0).collect();
    assert!(told.iter().any(|s| s["stage"] == "receive"), "{worker}");
}

#[test]
fn inner_and_outer_packets_are_joined() {
    let site = Site::new("captures_join_inner_and_outer_packets").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();

    // Its client will not say that it goes.
    let mut abandoned = start(&gateway, "abandoned", "all matching \"port 9\"");
    abandoned.kill().unwrap();

    let file = site.folder().join("joined.pcapng");
    let arguments = format!(
        "all matching \"esp or icmp\" size 512 count {SEEN} write-file {}",
        file.display()
    );
    let mut whole = start(&gateway, "whole", &arguments);
    let port = site.folder().join("port.pcapng");
    let count = 2 * PINGS;
    let arguments = format!(
        "ge-0/0/0.0 matching esp count {count} write-file {}",
        port.display()
    );
    let mut outer_only = start(&gateway, "outer-only", &arguments);
    let mut lines = start(
        &gateway,
        "lines",
        "st0.0 matching \"icmp and src 10.45.0.1\" count 1",
    );
    let received = ping(&site.enb, V4.enb_inner, V4.core, PINGS, 56).unwrap();
    assert_eq!(received, PINGS);
    let notes = finished(&mut whole);
    assert!(
        notes.contains(&format!("{SEEN} packets captured, 0 packets lost")),
        "{notes}"
    );

    let seen = read(&site, &file);
    assert_eq!(seen.len() as u32, SEEN);
    let at = |name: &str| {
        seen.iter()
            .filter(|s| s.interface == name)
            .collect::<Vec<_>>()
    };
    let (outer, clear, inner) = (at("ge-0/0/0"), at("ge-0/0/1"), at("st0.0"));
    assert_eq!(
        (outer.len(), clear.len(), inner.len()),
        (6, 6, 6),
        "{seen:?}"
    );
    assert!(
        clear
            .iter()
            .all(|s| s.comment.is_empty() && s.protocol == "1")
    );
    for packet in inner {
        assert_eq!(packet.protocol, "1");
        let from_peer = packet.source == V4.enb_inner.to_string();
        assert_eq!(packet.inbound, from_peer, "{packet:?}");
        let carriers: Vec<_> = (outer.iter())
            .filter(|carrier| carrier.comment == packet.comment)
            .collect();
        let [carrier] = carriers.as_slice() else {
            panic!("{packet:?} has {carriers:?}");
        };
        // The peer has ESP in UDP.
        assert_eq!(
            (carrier.protocol.as_str(), carrier.inbound),
            ("17", packet.inbound)
        );
        // The comment tells the truth about the octets.
        assert!(
            packet.comment.ends_with(&carrier.esp),
            "{packet:?} {carrier:?}"
        );
    }
    // tcpdump reads files with one type of link.
    finished(&mut outer_only);
    let told = site
        .gw
        .sh(&format!("tcpdump -nr {} 2>&1", port.display()))
        .unwrap();
    assert_eq!(
        told.matches("ESP(spi=0x").count() as u32,
        2 * PINGS,
        "{told}"
    );

    let shown = finished(&mut lines);
    let line = shown.lines().find(|line| line.contains("echo request"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    for part in [
        " In  st0.0: IP 10.45.0.1 > 198.51.100.10: ICMP",
        ", pair ",
        " spi 0x",
        " seq ",
    ] {
        assert!(line.contains(part), "{line}");
    }

    let refused = gateway
        .cli("monitor traffic interface ge-0/0/9")
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("there is no interface ge-0/0/9"),
        "{refused}"
    );
    at_the_prompt(&site, &gateway);
    flight_recorder(&site, &gateway, &peer);
    processors(&gateway);
    let planed = gateway.daemon("planed").unwrap();
    planed.wait_log("0 captures run", LIMIT).unwrap();
}

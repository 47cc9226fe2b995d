//! `ravelin-enb` against the whole gateway: fifty eNodeBs from one process come up, answer the gateway's probes, probe it, rekey both
//! kinds of SA, one after the other is replaced, and at the end nothing is left. A wrong key is told by its reason. And with traffic in
//! their tunnels, over protocol 50 and UDP, of which no packet is lost while both ends rekey.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::run;
use ravelin_tests::process::Process;
use ravelin_tests::site::{Addresses, CONFIGURATION, GATEWAY_ID, PRE_SHARED_KEY, Site, V4, V6};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::{pause, wait_until};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The gateway's address towards the core.
const GATEWAY_TRUST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 1));
const COUNT: u64 = 50;
const LIMIT: Duration = Duration::from_secs(30);

fn program() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let mut folders = exe.ancestors().skip(1);
    let program = folders.find_map(|f| Some(f.join("ravelin-enb")).filter(|p| p.exists()));
    program.unwrap()
}

/// The program with what every run has, and where it writes its report.
fn enb(site: &Site, key: &str, outer: Addresses, more: &[&str]) -> (Command, PathBuf) {
    let (file, json) = (site.folder().join("key"), site.folder().join("enb.json"));
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let mut command = site.enb.command(program().to_str().unwrap());
    command
        .args(["--gateway", &outer.gateway_outer.to_string()])
        .args(["--gateway-id", GATEWAY_ID])
        .args(["--local", &outer.enb_outer.to_string()])
        .args(["--ike", "aes-256-gcm/sha-256/group19", "--psk-file"])
        .arg(file)
        .arg("--json")
        .arg(&json)
        .args(more);
    (command, json)
}

fn report(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn sas(gateway: &Gateway, kind: &str) -> usize {
    let report = gateway
        .report(&format!("show security {kind} security-associations"))
        .unwrap();
    report[format!("{kind}_security_associations")]
        .as_array()
        .unwrap()
        .len()
}

fn routes(site: &Site) -> usize {
    let text = site.gw.sh("ip route show").unwrap();
    text.lines().filter(|l| l.starts_with("10.45.1.")).count()
}

#[test]
fn fifty_enbs_come_up_and_live_and_leave() {
    let site = Site::new("fleet_of_enbs").unwrap();
    let configuration = CONFIGURATION.replace("interval 10;", "interval 2;");
    let gateway = site.start_gateway_with(&configuration).unwrap();

    // A wrong key: nothing comes up, and the reason is told.
    let count = COUNT.to_string();
    let fifty = ["--count", &count, "--inner", "10.45.1.1"];
    let (mut command, json) = enb(&site, "not the key", V4, &fifty);
    run(&mut command).unwrap_err();
    let failed = report(&json);
    assert_eq!(failed["established"], 0, "{failed}");
    assert_eq!(
        failed["reasons"]["IKE_AUTH: the peer answered AUTHENTICATION_FAILED (24)"], COUNT,
        "{failed}"
    );
    std::fs::remove_file(&json).unwrap();

    // They come up and stay, while the gateway probes them, they rekey, and some are replaced.
    let options = [
        "--hold",
        "12",
        "--churn",
        "2",
        "--ike-lifetime",
        "10",
        "--esp-lifetime",
        "8",
        "--window",
        "10",
    ];
    let (mut command, json) = enb(&site, PRE_SHARED_KEY, V4, &[&fifty[..], &options].concat());
    let held = std::thread::spawn(move || run(&mut command));
    wait_until("all to be up", LIMIT, || Ok(json.exists().then_some(()))).unwrap();
    let up = report(&json);
    assert_eq!(
        (&up["established"], &up["failed"]),
        (&COUNT.into(), &0.into()),
        "{up}"
    );
    assert!(up["latency"]["p50_us"].as_u64().unwrap() > 0);
    wait_until("all routes", LIMIT, || {
        Ok((routes(&site) as u64 == COUNT).then_some(()))
    })
    .unwrap();
    // Those that are being replaced at this moment may be two for a moment, or none.
    let now = sas(&gateway, "ike") as u64;
    assert!((COUNT - 5..=COUNT * 2).contains(&now), "{now} IKE SAs");
    held.join().unwrap().unwrap();

    let end = report(&json)["end"].clone();
    let count = |key: &str| end[key].as_u64().unwrap();
    assert_eq!(
        (count("failed"), count("lost"), count("up")),
        (0, 0, 0),
        "{end}"
    );
    assert!(
        count("started") > COUNT && count("deleted") == count("started"),
        "{end}"
    );
    assert!(count("ike_rekeyed") >= COUNT / 2, "{end}");
    assert!(count("child_rekeyed") >= COUNT / 2, "{end}");
    assert!(count("dpd_answered") >= COUNT, "{end}");
    wait_until("nothing to be left", LIMIT, || {
        let left = sas(&gateway, "ike") + sas(&gateway, "ipsec") + routes(&site);
        Ok((left == 0).then_some(()))
    })
    .unwrap();
}

/// Packets decrypted and encrypted since the start.
fn packets(gateway: &Gateway) -> [u64; 2] {
    let report = gateway.report("show security ipsec statistics").unwrap();
    let total = &report["ipsec_statistics"]["total"];
    ["in_packets", "out_packets"].map(|name| total[name].as_u64().unwrap())
}

#[test]
fn traffic_of_enbs_is_complete_while_both_ends_rekey() {
    let site = Site::new("traffic_of_enbs").unwrap();
    // Everything is traced meanwhile, into files so small that they are rotated.
    let ike = "    ike {\n        proposal ike-gcm";
    let traced = "    ike {\n        traceoptions {\n            file fleet {\n                size 10240;\n                files 2;\n            }\n        }\n        proposal ike-gcm";
    let gateway = site
        .start_gateway_with(&CONFIGURATION.replace(ike, traced))
        .unwrap();
    let addresses = format!("{},{}", V4.core, V6.core);
    // The gateway holds few packets for a neighbour that it does not know yet.
    let known = || Ok((ping(&site.core, V6.core, GATEWAY_TRUST_V6, 1, 56)? == 1).then_some(()));
    wait_until("the core's neighbour", LIMIT, known).unwrap();
    let mut reflector = site.core.command(program().to_str().unwrap());
    reflector.args(["reflect", &addresses]);
    let mut reflector = Process::start("reflector", site.folder(), &mut reflector).unwrap();
    let traffic = [
        "--count",
        "20",
        "--inner",
        "10.45.1.1,2001:db8:45::101",
        "--traffic",
        &addresses,
        "--flows",
        "2",
        "--size",
        "imix",
        "--pps",
        "1000",
    ];
    let plain = ["--hold", "2"];
    let in_udp = ["--hold", "2", "--nat"];
    let rekeys = ["--hold", "5", "--esp-lifetime", "3"];
    let runs = [
        (V4, &rekeys[..]),
        (V4, &in_udp),
        (V6, &plain),
        (V6, &in_udp),
    ];
    let mut sent = 0;
    for (outer, more) in runs {
        let (mut command, json) = enb(&site, PRE_SHARED_KEY, outer, &[&traffic, more].concat());
        drop(std::fs::remove_file(&json));
        let running = std::thread::spawn(move || run(&mut command));
        if more == rekeys {
            wait_until("all to be up", LIMIT, || Ok(json.exists().then_some(()))).unwrap();
            for what in ["ipsec", "ike"] {
                pause(Duration::from_secs(1));
                gateway
                    .cli(&format!("request security {what} rekey all"))
                    .unwrap();
            }
        }
        running.join().unwrap().unwrap();
        let report = report(&json);
        let count = |key: &str| report["traffic"][key].as_u64().unwrap();
        let drops = gateway.cli("show security drops").unwrap();
        assert_eq!(
            (count("lost"), count("not_sent")),
            (0, 0),
            "{report}\n{drops}"
        );
        assert_eq!(report["traffic"]["refused"], serde_json::json!({}));
        assert!(count("sent") >= 1900, "{report}");
        assert!(report["traffic"]["round_trip"]["p99_us"].as_u64() > Some(0));
        // Each of two children by the gateway, and again by the eNodeB.
        let rekeyed = report["end"]["child_rekeyed"].as_u64().unwrap();
        assert!(more != rekeys || rekeyed >= 80, "{report}");
        sent += count("sent");
        wait_until("the same counts", LIMIT, || {
            Ok((packets(&gateway) == [sent, sent]).then_some(()))
        })
        .unwrap();
    }
    let logs = ["fleet", "fleet.0"].map(|name| gateway.cli(&format!("show log {name}")).unwrap());
    assert!(logs[1].contains("  CREATE_CHILD_SA "), "{}", logs[1]);
    for log in &logs {
        assert!(log.len() <= 10_240 && log.contains(" received "), "{log}");
        assert!(!log.contains(PRE_SHARED_KEY), "{log}");
    }
    assert!(gateway.cli("show log fleet.1").is_err());
    reflector.stop().unwrap();
    // Two flows of each of twenty to each of two, by the same ports every time.
    let summary = format!("{sent} packets of 80 flows answered, 0 not");
    assert!(reflector.log().contains(&summary), "{}", reflector.log());
}

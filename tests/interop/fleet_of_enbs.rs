//! `ravelin-enb` against the whole gateway: fifty eNodeBs from one process come up, answer the gateway's probes, probe it, rekey both
//! kinds of SA, one after the other is replaced, and at the end nothing is left. A wrong key is told by its reason.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::run;
use ravelin_tests::site::{CONFIGURATION, GATEWAY_ID, PRE_SHARED_KEY, Site, V4};
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const COUNT: u64 = 50;
const LIMIT: Duration = Duration::from_secs(30);

fn enb(site: &Site, key: &str, more: &[&str]) -> (Command, std::path::PathBuf) {
    let exe = std::env::current_exe().unwrap();
    let mut folders = exe.ancestors().skip(1);
    let program = folders.find_map(|f| Some(f.join("ravelin-enb")).filter(|p| p.exists()));
    let (file, json) = (site.folder().join("key"), site.folder().join("enb.json"));
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let mut command = site.enb.command(program.unwrap().to_str().unwrap());
    command
        .args([
            "--gateway",
            &V4.gateway_outer.to_string(),
            "--gateway-id",
            GATEWAY_ID,
        ])
        .args(["--local", &V4.enb_outer.to_string(), "--inner", "10.45.1.1"])
        .args(["--ike", "aes-256-gcm/sha-256/group19", "--psk-file"])
        .arg(file)
        .args(["--count", &COUNT.to_string(), "--json"])
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
    let (mut command, json) = enb(&site, "not the key", &[]);
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
    let (mut command, json) = enb(&site, PRE_SHARED_KEY, &options);
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

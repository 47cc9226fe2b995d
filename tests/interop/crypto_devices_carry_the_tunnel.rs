//! Crypto devices of the configuration, here software of DPDK: a scheduler of two on one gateway, another driver on the other. They carry a
//! tunnel, and taking one out of the configuration under traffic loses nothing; a device that is not there fails no commit.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::pair::{HOSTS, Pair, configuration};
use ravelin_tests::traffic::{Stream, StreamSpec};
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const SCHEDULER: &str = "acceleration { device crypto_scheduler0 {
    arguments worker=crypto_openssl1,worker=crypto_aesni_mb1,mode=round-robin,ordering=enable;
} }";
const MULTI_BUFFER: &str = "acceleration { device crypto_aesni_mb0; device 0000:ff:1f.6; }";
/// Packets of each stream: two seconds of them.
const PACKETS: u32 = 4000;

fn acceleration(gateway: &Gateway) -> Value {
    let report = gateway.report("show security ipsec acceleration").unwrap();
    report["acceleration"].clone()
}

fn device<'a>(acceleration: &'a Value, name: &str) -> &'a Value {
    let devices = acceleration["devices"].as_array().unwrap();
    let found = devices.iter().find(|device| device["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {acceleration}"))
}

/// The only engine, with its reason and SAs each way.
fn engine(acceleration: &Value) -> (Option<&str>, Option<&str>, u64, u64) {
    let [only] = acceleration["engines"].as_array().unwrap().as_slice() else {
        panic!("{acceleration}");
    };
    let count = |way: &str| only[way].as_u64().unwrap();
    (
        only["device"].as_str(),
        only["why"].as_str(),
        count("inbound"),
        count("outbound"),
    )
}

fn load(gateway: &Gateway, text: &str) {
    let file = gateway.folder().join("new.conf");
    std::fs::write(&file, text).unwrap();
    let command = format!("request system configuration load file {}", file.display());
    gateway.cli(&command).unwrap();
}

#[test]
fn software_devices_carry_the_tunnel() {
    let folder = ravelin_tests::artifacts("crypto_devices").unwrap();
    let pair = Pair::new().unwrap();
    let [left, right] = &pair.hosts;
    let gateways = pair.start_with(&folder, [SCHEDULER, MULTI_BUFFER]).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    for (gateway, name) in gateways
        .iter()
        .zip(["crypto_scheduler0", "crypto_aesni_mb0"])
    {
        let shown = acceleration(gateway);
        assert_eq!(engine(&shown), (Some(name), None, 1, 1));
        assert!(
            device(&shown, name)["packets"].as_u64().unwrap() >= 6,
            "{shown}"
        );
    }
    // Nobody has it: said, and no reason to refuse the rest.
    let shown = acceleration(&gateways[1]);
    let missing = device(&shown, "0000:ff:1f.6");
    let why = "there is no such PCI function";
    assert_eq!(missing["remark"], why, "{shown}");
    let alarms = gateways[1].cli("show system alarms").unwrap();
    assert!(alarms.contains("0000:ff:1f.6"), "{alarms}");
    assert!(alarms.contains("no such PCI function"), "{alarms}");
    let alarms = gateways[0].cli("show system alarms").unwrap();
    assert!(!alarms.contains("crypto"), "{alarms}");

    let [from, to] = HOSTS;
    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: 2000,
        count: PACKETS,
        octets: 400,
    };
    let up = Stream::start(left, right, spec(from, to)).unwrap();
    let down = Stream::start(right, left, spec(to, from)).unwrap();
    load(&gateways[0], &configuration(0, ""));
    for stream in [up, down] {
        let tally = stream.finish(Duration::from_secs(1)).unwrap();
        let seen = (tally.received, tally.duplicated, tally.reordered);
        assert_eq!(seen, (tally.sent, 0, 0), "{tally:?}");
    }
    let shown = acceleration(&gateways[0]);
    let why = Some("crypto_scheduler0 is not configured any more");
    assert_eq!(engine(&shown), (None, why, 1, 1));
    let shown = acceleration(&gateways[1]);
    let carried = device(&shown, "crypto_aesni_mb0");
    assert!(carried["packets"].as_u64().unwrap() >= u64::from(2 * PACKETS));
    assert_eq!(
        (&carried["errors"], &carried["lost"]),
        (&Value::from(0), &Value::from(0))
    );

    // The next SAs are the CPU's, and a device without SAs is closed.
    gateways[0].cli("request security ipsec rekey all").unwrap();
    wait_until("the device to be closed", Duration::from_secs(20), || {
        let shown = acceleration(&gateways[0]);
        let closed = shown["devices"].as_array().is_some_and(Vec::is_empty);
        Ok(closed.then_some(()))
    })
    .unwrap();
    let shown = acceleration(&gateways[0]);
    assert_eq!(engine(&shown).1, Some("no device when installed"));
}

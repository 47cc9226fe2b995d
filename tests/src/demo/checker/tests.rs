//! The checker must be able to fail: each fault of a gateway is found for its own reason.

use super::*;
use crate::pcap::Captured;
use std::net::IpAddr;

fn ipv4(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Captured {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else {
        panic!("IPv4 only")
    };
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend(payload);
    Captured { time_ns: 0, frame }
}

fn esp(up: bool, number: u8) -> Captured {
    let body = [
        0,
        0,
        1,
        u8::from(up),
        0,
        0,
        0,
        number,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        number,
    ];
    let (from, to) = if up {
        (V4.enb_outer, V4.gateway_outer)
    } else {
        (V4.gateway_outer, V4.enb_outer)
    };
    ipv4(from, to, 50, &body)
}

fn clear(up: bool) -> Captured {
    let (from, to) = if up {
        (V4.enb_inner, V4.core)
    } else {
        (V4.core, V4.enb_inner)
    };
    ipv4(from, to, 1, &[8, 0])
}

fn good() -> (Vec<Captured>, Vec<Captured>) {
    let outer = (0..3).flat_map(|n| [esp(true, n), esp(false, n)]).collect();
    let inner = (0..3).flat_map(|_| [clear(true), clear(false)]).collect();
    (outer, inner)
}

fn judge(outer: Vec<Captured>, clear: Vec<Captured>, gateway: (u64, u64)) -> Verdict {
    Evidence {
        outer: Trace::from(outer),
        clear: Trace::from(clear),
        tunnels: 1,
        peer_version: "6.0.1".into(),
        inner_v4: true,
        inner_v6: true,
        tcp: true,
        udp: true,
        gateway,
    }
    .judge()
}

#[test]
fn a_good_run() {
    let (outer, clear) = good();
    let verdict = judge(outer, clear, (3, 3));
    assert_eq!(verdict.faults, Vec::<String>::new());
    assert_eq!(
        verdict.line,
        "demo: ok tunnels=1 ike=strongswan-6.0.1 v4=ok v6=ok tcp=ok udp=ok cleartext_packets=0 loss=0"
    );
}

#[test]
fn each_fault_is_found() {
    let fault = |change: &dyn Fn(&mut Vec<Captured>, &mut Vec<Captured>), word: &str| {
        let (mut outer, mut inner) = good();
        change(&mut outer, &mut inner);
        let verdict = judge(outer, inner, (3, 3));
        assert!(verdict.line.starts_with("demo: failed"), "{verdict:?}");
        assert!(
            verdict.faults.iter().any(|f| f.contains(word)),
            "{word}: {verdict:?}"
        );
    };
    fault(&|outer, _| outer.push(clear(false)), "cleartext");
    fault(
        &|outer, inner| {
            outer.push(esp(false, 1));
            inner.push(clear(false));
        },
        "nonces",
    );
    fault(&|_, inner| drop(inner.remove(0)), "uplink");
    fault(&|outer, _| drop(outer.remove(1)), "downlink");
    fault(&|_, inner| inner.retain(|c| *c != clear(true)), "uplink");
}

#[test]
fn the_gateway_is_not_believed() {
    let (outer, inner) = good();
    let verdict = judge(outer, inner, (4, 3));
    assert_eq!(verdict.faults.len(), 1);
    assert!(
        verdict.faults[0].contains("counts 4 encrypted"),
        "{verdict:?}"
    );
}

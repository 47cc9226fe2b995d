//! Devices in a fresh network namespace: what stays when queues open and close. Needs root.
#![allow(clippy::expect_used, clippy::panic)] // test helpers may fail loudly too

use std::os::fd::AsFd;
use std::process::Command;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use ravelin_tuntap::{Device, DeviceName, Error, Kind, Queue, index, set_mac, set_mtu, set_up};

const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x11];

/// Moves this test's thread (and the children it starts) into a namespace of its own.
fn fresh_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("network namespace (needs root)");
}

fn name(text: &str) -> DeviceName {
    text.parse().expect("name")
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

/// Everything that must survive: flags, addresses, routes.
fn state(device: &str) -> [String; 3] {
    [
        ip(&format!("-o link show dev {device}")),
        ip(&format!("-o -4 address show dev {device}")),
        ip(&format!("-4 route show dev {device}")),
    ]
}

fn next_packet(queue: &Queue, into: &mut [u8]) -> Option<usize> {
    for _ in 0..100 {
        let mut fds = [PollFd::new(queue.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(2000u16)) {
            Ok(0) => return None,
            Ok(_) | Err(Errno::EINTR) => {} // interrupted: a machine that was paused
            Err(error) => panic!("poll: {error}"),
        }
        if let Some(octets) = queue.recv(into).expect("recv") {
            return Some(octets);
        }
    }
    None
}

#[test]
fn a_twin_survives_its_queues() {
    fresh_namespace();
    for (text, kind) in [("ge-0-0-0", Kind::Tap), ("st0-0", Kind::Tun)] {
        let name = name(text);
        assert!(
            matches!(Queue::attach(&name, kind), Err(Error::Kernel { .. })),
            "nothing to attach to"
        );
        let device = Device::hold(&name, kind).expect("hold");
        assert!(
            !device.carrier().expect("carrier"),
            "a new twin has no carrier"
        );
        set_mtu(&name, 1400).expect("mtu");
        if kind == Kind::Tap {
            set_mac(&name, MAC).expect("mac");
            assert_eq!(device.mac().expect("mac"), Some(MAC));
        }
        set_up(&name, true).expect("up");
        assert_eq!(device.mtu().expect("mtu"), 1400);

        // Without carrier, attaching and closing leaves it without.
        drop(Queue::attach(&name, kind).expect("attach"));
        assert!(!device.carrier().expect("carrier"));

        device.set_carrier(true).expect("carrier");
        ip(&format!("address add 192.0.2.1/24 dev {text}"));
        ip(&format!(
            "route add 198.51.100.0/24 via 192.0.2.9 dev {text}"
        ));
        let before = state(text);
        assert!(
            before[0].contains("LOWER_UP") && before[2].contains("198.51.100.0/24"),
            "{before:?}"
        );

        for _ in 0..3 {
            let (first, second) = (Queue::attach(&name, kind), Queue::attach(&name, kind));
            let first = first.expect("first queue");
            assert!(index(&name).is_ok());
            drop(second.expect("second queue"));
            assert_eq!(state(text), before);
            drop(first);
            assert_eq!(state(text), before);
        }

        // Either side drives the carrier.
        let queue = Queue::attach(&name, kind).expect("attach");
        queue.set_carrier(false).expect("down");
        assert!(!device.carrier().expect("carrier"));
        device.set_carrier(true).expect("up");

        // A new holder adopts the twin while the queue works, and nothing changes.
        let before = ip(&format!("-o -4 address show dev {text}"));
        drop(device);
        let device = Device::hold(&name, kind).expect("adopt");
        drop(queue);
        assert!(device.carrier().expect("carrier"));
        assert_eq!(ip(&format!("-o -4 address show dev {text}")), before);
        device.remove().expect("remove");
        assert!(index(&name).is_err(), "gone");
    }
}

#[test]
fn a_tap_queue_moves_frames() {
    fresh_namespace();
    let name = name("ge-0-0-1.100");
    let device = Device::hold(&name, Kind::Tap).expect("hold");
    set_mac(&name, MAC).expect("mac");
    std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("no chatter");
    set_up(&name, true).expect("up");
    device.set_carrier(true).expect("carrier");
    ip("address add 192.0.2.1/24 dev ge-0-0-1.100");
    let queue = Queue::attach(&name, Kind::Tap).expect("attach");

    // "Who has 192.0.2.1? Tell 192.0.2.2" (RFC 826).
    let peer = [0x02, 0, 0, 0, 0, 0x22];
    let mut ask = [&[0xff; 6][..], &peer, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    ask.extend([&peer[..], &[192, 0, 2, 2], &[0; 6], &[192, 0, 2, 1]].concat());
    assert_eq!(queue.send_burst([ask.as_slice()]).expect("send"), 1);
    let mut frame = [0; 2048];
    let octets = next_packet(&queue, &mut frame).expect("an answer");
    assert_eq!(frame[..6], peer);
    assert_eq!(frame[6..12], MAC);
    assert_eq!(frame[12..octets.min(22)], [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    assert_eq!(
        queue
            .recv_burst(8, &mut frame, |_| panic!("one question, one answer"))
            .expect("recv"),
        0
    );
}

#[test]
fn foreign_devices_and_bad_names_are_refused() {
    fresh_namespace();
    for text in [
        "",
        "a name",
        "all",
        "..",
        "a/b",
        "eth%d",
        "0123456789abcdef",
    ] {
        assert!(text.parse::<DeviceName>().is_err(), "{text}");
    }
    ip("link add v0 type veth peer name v1");
    assert!(matches!(
        Device::hold(&name("v0"), Kind::Tap),
        Err(Error::OtherKind(_))
    ));
    let _tap = Device::hold(&name("t0"), Kind::Tap).expect("tap");
    assert!(matches!(
        Queue::attach(&name("t0"), Kind::Tun),
        Err(Error::OtherKind(_))
    ));
}

//! Fuzzes rtnetlink datagrams and the mirror behind them: any sequence is taken, every published route can be used, and a
//! mark-and-sweep pass in which nothing is heard leaves nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_routing::RouteTarget;
use ravelin_routing::mirror::{Mirror, MirrorEvent};
use ravelin_routing::netlink::{Body, frames};

fuzz_target!(|data: &[u8]| {
    let mut mirror = Mirror::new();
    let mut events = Vec::new();
    mirror.begin_dump();
    for frame in frames(data) {
        if let Body::Message(message) = frame.body {
            mirror.on_message(frame.flags, &message, &mut events);
        }
    }
    for route in mirror.routes() {
        if let RouteTarget::Forward(hops) = &route.target {
            assert!(!hops.is_empty());
            let up = |i| mirror.links().any(|l| l.ifindex == i && l.up);
            assert!(hops.iter().all(|h| up(h.ifindex)));
        }
    }
    mirror.begin_dump();
    events.clear();
    mirror.end_dump(&mut events);
    assert_eq!(events.last(), Some(&MirrorEvent::Synced));
    assert_eq!(mirror.routes().count(), 0);
    assert_eq!(mirror.links().count(), 0);
    assert_eq!(mirror.neighbours().count(), 0);
});

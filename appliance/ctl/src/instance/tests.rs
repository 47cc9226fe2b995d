//! How many a configuration may have.

use super::*;
use crate::codec::{Decoder, encode};
use crate::ike::IkeConfig;

fn with_instances(count: usize) -> IkeConfig {
    let instance = |n: usize| RoutingInstance {
        vrf: VrfId(n as u16 + 1),
        name: format!("access-{n}"),
        device: format!("access-{n}"),
        table: 1000 + n as u32,
    };
    IkeConfig {
        instances: (0..count).map(instance).collect(),
        ..IkeConfig::default()
    }
}

#[test]
fn routing_instances_are_bounded() {
    for (count, accepted) in [(MAX_INSTANCES, true), (MAX_INSTANCES + 1, false)] {
        let config = with_instances(count);
        let mut decoder = Decoder::new();
        decoder.feed(&encode(&config).unwrap());
        let read = decoder.next_message::<IkeConfig>().ok().flatten();
        assert_eq!(read, accepted.then_some(config), "{count}");
    }
}

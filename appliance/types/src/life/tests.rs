use super::*;

#[test]
fn a_limit_is_reached_by_either_measure_and_no_limit_by_none() {
    let limit = Volume {
        octets: 100,
        packets: 10,
    };
    let used = |octets, packets| Volume { octets, packets };
    assert!(!limit.is_reached(used(99, 9)));
    assert!(limit.is_reached(used(100, 0)));
    assert!(limit.is_reached(used(0, 10)));
    assert!(!Volume::UNLIMITED.is_reached(used(u64::MAX - 1, u64::MAX - 1)));
    let mut life = VolumeLife::default();
    assert!(!life.is_limited());
    life.hard.packets = 5;
    assert!(life.is_limited());
}

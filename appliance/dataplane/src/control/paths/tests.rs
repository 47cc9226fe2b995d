use super::*;
use ravelin_types::VrfId;

fn way(v6: bool) -> Outer {
    let address = |n: u8| {
        let text = if v6 {
            format!("2001:db8::{n}")
        } else {
            format!("192.0.2.{n}")
        };
        text.parse().unwrap()
    };
    Outer {
        vrf: VrfId::DEFAULT,
        local: address(1),
        remote: address(2),
        udp: None,
    }
}

fn said(outer: Outer, mtu_octets: u16) -> PathReport {
    PathReport {
        outer,
        spi: Spi(7777),
        mtu_octets,
        packet_octets: 1500,
    }
}

fn paths(outer: Outer) -> Paths {
    let mut paths = Paths::default();
    paths.enter(outer, Spi(7777), PairId(1));
    paths
}

#[test]
fn only_lower_and_never_below_the_floor() {
    for (v6, floor) in [(false, 576), (true, 1280)] {
        let outer = way(v6);
        let mut paths = paths(outer);
        assert!(paths.report(&said(outer, 1400), Time(0)));
        assert!(
            !paths.report(&said(outer, 1450), Time(0)),
            "wider is not believed"
        );
        assert_eq!(paths.mtu(&outer), Some(1400));
        assert!(paths.report(&said(outer, 68), Time(0)));
        assert_eq!(paths.mtu(&outer), Some(floor));
    }
}

#[test]
fn a_quotation_that_does_not_fit_changes_nothing() {
    let outer = way(false);
    let mut paths = paths(outer);
    let strange = [
        PathReport {
            spi: Spi(7778),
            ..said(outer, 1300)
        },
        said(
            Outer {
                remote: "192.0.2.9".parse().unwrap(),
                ..outer
            },
            1300,
        ),
        said(
            Outer {
                udp: Some((4500, 4500)),
                ..outer
            },
            1300,
        ),
        said(
            Outer {
                vrf: VrfId(1),
                ..outer
            },
            1300,
        ),
    ];
    for report in strange {
        assert!(!paths.report(&report, Time(0)), "{report:?}");
    }
    assert_eq!(paths.mtu(&outer), None);
}

#[test]
fn a_router_that_does_not_say_lowers_by_plateaus() {
    let outer = way(false);
    let mut paths = paths(outer);
    for (packet_octets, mtu) in [(1500, 1492), (1492, 1006), (1006, 576), (576, 576)] {
        let report = PathReport {
            packet_octets,
            ..said(outer, 0)
        };
        paths.report(&report, Time(0));
        assert_eq!(paths.mtu(&outer), Some(mtu));
    }
}

#[test]
fn forgotten_after_ten_minutes_without_a_report() {
    let outer = way(false);
    let mut paths = paths(outer);
    let minute = |n: u64| Time(n * 60_000_000);
    paths.report(&said(outer, 1300), minute(0));
    // Said again: holds longer, but is no change.
    assert!(!paths.report(&said(outer, 1300), minute(5)));
    assert_eq!(paths.expire(minute(14)), None);
    assert_eq!(paths.expire(minute(15)), Some(outer));
    assert_eq!((paths.mtu(&outer), paths.expire(minute(15))), (None, None));
}

#[test]
fn a_path_lives_as_long_as_a_pair_uses_it() {
    let outer = way(false);
    let mut paths = paths(outer);
    paths.report(&said(outer, 1300), Time(0));
    paths.enter(outer, Spi(8888), PairId(2));
    paths.leave(&outer, PairId(1));
    assert_eq!(paths.mtu(&outer), Some(1300), "the successor keeps it");
    assert!(
        !paths.report(&said(outer, 1200), Time(0)),
        "the old SPI is gone"
    );
    paths.leave(&outer, PairId(2));
    assert_eq!(paths.mtu(&outer), None);
    assert!(paths.users.is_empty() && paths.learned.is_empty() && paths.ends.is_empty());
}

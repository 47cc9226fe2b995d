use super::*;

const IKED: ClientId = 7;

fn at(seconds: u64) -> Time {
    Time::default() + Duration::from_secs(seconds)
}

fn syncing() -> Startup {
    let mut startup = Startup::default();
    startup.configured(true, at(0));
    startup
}

#[test]
fn transit_flows_when_all_is_there_in_any_order() {
    // Bits: the mirror, the twins, iked; each permutation of their coming.
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let (mut startup, mut there) = (syncing(), [false; 3]);
        for (count, what) in (1..).zip(order) {
            assert!(!startup.phase().0.forwards() && !startup.may_announce());
            there[what] = true;
            if what == 2 {
                startup.iked_joined(IKED);
                startup.in_step(IKED);
            }
            assert_eq!(
                startup.advance(there[0], there[1], at(1)),
                count == 3,
                "{order:?}"
            );
            assert_eq!(startup.waiting().len(), 3 - count);
        }
        assert_eq!(startup.phase(), (Phase::Forwarding, at(1)));
        assert!(startup.may_announce());
    }
}

#[test]
fn iked_may_come_before_the_configuration() {
    let mut startup = Startup::default();
    startup.iked_joined(IKED);
    startup.in_step(IKED);
    assert!(
        !startup.advance(true, true, at(50)),
        "nothing to forward by"
    );
    assert_eq!(startup.waiting(), ["configuration"]);
    startup.configured(true, at(51));
    assert!(startup.advance(true, true, at(51)));
}

#[test]
fn an_absent_iked_is_waited_for_a_while_and_then_not_announced() {
    let mut startup = syncing();
    assert!(!startup.advance(true, true, at(9)));
    assert!(startup.advance(true, true, at(10)));
    assert_eq!(startup.phase().0, Phase::Holding);
    assert!(!startup.may_announce(), "its SAs may be elsewhere");
    startup.iked_joined(IKED);
    startup.in_step(IKED);
    assert!(startup.advance(true, true, at(11)) && startup.may_announce());
}

#[test]
fn a_working_iked_is_waited_for_longer_but_not_for_ever() {
    let mut startup = syncing();
    startup.iked_joined(IKED);
    for second in 1..60 {
        startup.heard(IKED, at(second));
        startup.heard(IKED + 1, at(second + 30));
        assert!(!startup.advance(true, true, at(second)), "{second}");
    }
    assert!(startup.advance(true, true, at(60)));
}

#[test]
fn transit_is_never_taken_back() {
    let mut startup = syncing();
    startup.iked_joined(IKED);
    startup.in_step(IKED);
    assert!(startup.advance(true, true, at(1)));
    startup.left(IKED);
    assert!(startup.advance(true, false, at(2)));
    assert_eq!(startup.phase(), (Phase::Holding, at(2)));
    assert!(startup.may_announce(), "the SAs are there");
    // A connection that was replaced leaves late; the new one must bring itself in step.
    startup.iked_joined(8);
    startup.in_step(IKED);
    startup.left(IKED);
    assert!(!startup.advance(true, true, at(3)));
    startup.in_step(8);
    assert!(startup.advance(true, true, at(4)));
    startup.configured(true, at(5));
    assert_eq!(startup.phase(), (Phase::Forwarding, at(4)));
}

#[test]
fn without_gateways_nobody_waits_for_iked() {
    let mut startup = Startup::default();
    startup.configured(false, at(0));
    assert!(startup.advance(true, true, at(0)) && startup.may_announce());
}

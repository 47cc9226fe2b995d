use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn in_order_then_repeated() {
    let mut window = ReplayWindow::new(512, false, 0);
    for number in 1..2000 {
        assert_eq!(window.commit(number), Verdict::Fresh);
        assert_eq!(window.commit(number), Verdict::Duplicate);
    }
    assert_eq!(window.check(0), Verdict::Zero);
    assert_eq!(window.check(1999 - 512), Verdict::Old);
    assert_eq!(window.check(1999 - 511), Verdict::Duplicate);
}

#[test]
fn a_resumed_window_refuses_all_that_was() {
    let window = ReplayWindow::new(512, false, 5000);
    for number in 1..=5000 {
        assert_ne!(window.check(number), Verdict::Fresh);
    }
    assert_eq!(window.check(5001), Verdict::Fresh);
}

#[test]
fn switched_off() {
    let mut window = ReplayWindow::new(0, false, 0);
    assert_eq!(window.commit(9), Verdict::Fresh);
    assert_eq!(window.commit(9), Verdict::Fresh);
    assert_eq!(window.top(), 9);
}

#[test]
fn sizes_round_up() {
    for (asked, got) in [
        (0, 0),
        (1, 64),
        (64, 64),
        (500, 512),
        (512, 512),
        (4096, 4096),
        (9999, 4096),
    ] {
        assert_eq!(ReplayWindow::new(asked, false, 0).size(), got);
    }
}

#[test]
fn extended_numbers_cross_the_boundary() {
    let mut window = ReplayWindow::new(64, true, 0xffff_fff0);
    for number in 0xffff_fff1u64..0x1_0000_0040 {
        assert_eq!(window.infer(number as u32), number);
        assert_eq!(window.commit(number), Verdict::Fresh);
    }
    // A late packet of the lower subspace.
    assert_eq!(window.infer(0x30), 0x1_0000_0030);
    let mut window = ReplayWindow::new(64, true, 0x1_0000_0005);
    assert_eq!(window.infer(0xffff_fff0), 0xffff_fff0);
    assert_eq!(window.commit(0x1_0000_0009), Verdict::Fresh);
}

proptest! {
    #[test]
    fn agrees_with_a_set(size in prop_oneof![Just(64u64), Just(512), Just(4096)], steps in proptest::collection::vec(-700i64..900, 1..400)) {
        let mut window = ReplayWindow::new(size as u32, false, 0);
        let mut seen = BTreeSet::new();
        let (mut top, mut at) = (0i64, 1i64);
        for step in steps {
            at = (at + step).max(1);
            let wanted = if at <= top - size as i64 {
                Verdict::Old
            } else if seen.contains(&at) {
                Verdict::Duplicate
            } else {
                Verdict::Fresh
            };
            prop_assert_eq!(window.check(at as u64), wanted);
            prop_assert_eq!(window.commit(at as u64), wanted);
            if wanted == Verdict::Fresh {
                seen.insert(at);
                top = top.max(at);
            }
            prop_assert_eq!(window.top(), top as u64);
        }
    }

    #[test]
    fn extended_inference_is_exact_near_the_window(top in 600u64..u64::MAX >> 24, ahead in 0u64..0x7fff_0000, behind in 0u64..63) {
        let window = ReplayWindow::new(64, true, top);
        prop_assert_eq!(window.infer((top + ahead) as u32), top + ahead);
        prop_assert_eq!(window.infer((top - behind) as u32), top - behind);
    }
}

use super::{Calibration, MAX_WAITING, calibrate, schedule};

#[test]
fn the_loop_measures_something() {
    let found = calibrate();
    println!("{found}");
    assert!(found.processors > 0);
    assert!(found.speed.is_finite() && found.speed > 0.0, "{found}");
    assert!((0.0..1.0).contains(&found.waiting), "{found}");
    assert!(
        schedule().is_some(),
        "the kernel keeps no account of threads"
    );
}

#[test]
fn busy_or_slow_machines_are_not_fit() {
    let idle = Calibration {
        processors: 2,
        speed: 1.0,
        waiting: 0.01,
    };
    let busy = Calibration {
        waiting: MAX_WAITING + 0.01,
        ..idle
    };
    let slow = Calibration { speed: 0.4, ..idle };
    assert!(idle.fit() && !busy.fit() && !slow.fit());
    assert!(idle.to_string().ends_with("idle, times are judged"));
    assert!(busy.to_string().contains("not judged"));
}

use super::*;

fn at(ms: u64) -> Time {
    Time::default() + Duration::from_millis(ms)
}

fn beats(control: u64, host: u64, workers: [u64; 2]) -> Beats {
    Beats {
        control,
        host,
        workers: workers.to_vec(),
    }
}

#[test]
fn nothing_is_well_before_the_first_beat_of_all() {
    let mut watch = Watch::new(2);
    assert_eq!(
        watch.fault(&beats(1, 1, [0, 1]), at(0)),
        Some(Fault::Worker(0))
    );
    assert_eq!(watch.fault(&beats(1, 1, [1, 1]), at(100)), None);
}

#[test]
fn each_thread_that_hangs_is_found_and_forgiven() {
    for (hanging, fault, limit_ms) in [
        (0, Fault::Control, 6_000),
        (1, Fault::HostPath, 1_000),
        (2, Fault::Worker(0), 1_000),
        (3, Fault::Worker(1), 1_000),
    ] {
        let mut watch = Watch::new(2);
        let mut counts = [1; 4];
        let mut look = |counts: &[u64; 4], ms| {
            let [control, host, first, second] = *counts;
            watch.fault(&beats(control, host, [first, second]), at(ms))
        };
        assert_eq!(look(&counts, 0), None);
        for ms in (100..=limit_ms).step_by(100) {
            for (at, count) in counts.iter_mut().enumerate() {
                *count += u64::from(at != hanging);
            }
            assert_eq!(look(&counts, ms), None, "{fault} at {ms} ms");
        }
        counts
            .iter_mut()
            .enumerate()
            .for_each(|(at, count)| *count += u64::from(at != hanging));
        assert_eq!(look(&counts, limit_ms + 1), Some(fault));
        counts[hanging] += 1;
        assert_eq!(look(&counts, limit_ms + 2), None);
    }
}

#[test]
fn the_report_keeps_since_when() {
    let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let mut report = Report::default();
    report.note(None, &BTreeSet::from([a]), at(5));
    report.note(None, &BTreeSet::from([a, b]), at(9));
    report.note(Some(Fault::Control), &BTreeSet::from([b]), at(12));
    assert_eq!(report.signals[&a], (false, at(12)));
    assert_eq!(report.signals[&b], (true, at(9)));
    assert_eq!(report.fault, Some(Fault::Control));
}

use super::*;

fn totals(counters: &WorkerCounters, stage: Stage) -> (bool, u64) {
    let stage = counters.stage(stage);
    (stage.cycles.get() > 0, stage.packets.get())
}

#[test]
fn one_run_of_many_is_measured_and_an_empty_one_is_not() {
    let (mut laps, counters) = (Laps::default(), WorkerCounters::default());
    let mut run = |packets| {
        laps.begin();
        laps.enter(Stage::Transmit, packets);
        laps.end(packets, &counters);
    };
    run(0);
    assert_eq!(totals(&counters, Stage::Transmit), (false, 0));
    for _ in 0..EVERY {
        run(3);
        run(0);
    }
    assert_eq!(totals(&counters, Stage::Transmit), (true, 3));
    run(5);
    assert_eq!(totals(&counters, Stage::Transmit), (true, 8));
    assert_eq!(totals(&counters, Stage::Handoff).1, 0);
    assert!(totals(&counters, Stage::Handoff).0, "up to the first stage");
    assert_eq!(totals(&counters, Stage::Local), (false, 0));
}

#[test]
fn a_stage_that_comes_twice_adds_up() {
    let (mut laps, counters) = (Laps::default(), WorkerCounters::default());
    laps.begin();
    laps.enter(Stage::Local, 1);
    laps.enter(Stage::Decrypt, 2);
    laps.enter(Stage::Local, 4);
    laps.count(Stage::Handoff, 9);
    laps.end(1, &counters);
    assert_eq!(totals(&counters, Stage::Local), (true, 5));
    assert_eq!(totals(&counters, Stage::Decrypt), (true, 2));
    assert_eq!(totals(&counters, Stage::Handoff), (true, 9));
}

#[test]
fn names_are_unique_and_indices_dense() {
    let names: std::collections::BTreeSet<_> = Stage::ALL.iter().map(|s| s.name()).collect();
    assert_eq!(names.len(), STAGES);
    for (index, stage) in Stage::ALL.iter().enumerate() {
        assert_eq!(*stage as usize, index);
    }
}

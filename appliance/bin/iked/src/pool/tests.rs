//! Order, bound, and end.

use std::sync::mpsc as std_mpsc;

use super::*;

type Gate = (std_mpsc::Receiver<()>, u32);

fn gated((gate, value): Gate) -> u32 {
    let _ = gate.recv();
    value
}

#[test]
fn urgent_jobs_overtake_and_a_full_queue_gives_the_job_back() {
    let (results, mut out) = mpsc::channel(8);
    let pool = Pool::start(1, 2, gated, &results).unwrap();
    let job = |value| {
        let (open, gate) = std_mpsc::channel();
        (open, (gate, value))
    };
    let (open_first, first) = job(1);
    let (open_normal, normal) = job(2);
    let (open_urgent, urgent) = job(3);
    assert!(pool.submit(first, false).is_ok());
    // Wait until the only thread holds the first job.
    while !pool.shared.lock().normal.is_empty() {
        thread::yield_now();
    }
    assert!(pool.submit(normal, false).is_ok());
    assert!(pool.submit(urgent, true).is_ok());
    assert!(pool.submit(job(4).1, true).is_err());
    for open in [&open_first, &open_normal, &open_urgent] {
        open.send(()).unwrap();
    }
    let order: Vec<u32> = (0..3).map(|_| out.blocking_recv().unwrap()).collect();
    assert_eq!(order, [1, 3, 2]);
}

#[test]
fn threads_end_with_the_pool() {
    let (results, mut out) = mpsc::channel(1);
    let pool = Pool::start(3, 1, |value: u32| value + 1, &results).unwrap();
    assert!(pool.submit(1, false).is_ok());
    assert_eq!(out.blocking_recv(), Some(2));
    drop(pool);
    drop(results);
    // The channel closes when the last thread has dropped its sender.
    assert_eq!(out.blocking_recv(), None);
}

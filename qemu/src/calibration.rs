//! Whether the machine is fit for judging times: idle, and not much slower than the one the bounds are made for.
//!
//! Every processor runs the same loop at once. The kernel tells how long each of these threads ran and how long it waited for
//! a processor; the share of waiting says how busy the machine is, the rate while running how fast it is. What a
//! hypervisor takes away shows as a lower rate.

use crate::wait::pause;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long it takes.
const TIME: Duration = Duration::from_secs(1);
/// Rounds between two looks at the clock.
const BATCH: u64 = 10_000;
/// More waiting than this is a machine that does something else.
pub const MAX_WAITING: f64 = 0.08;
/// Rounds per microsecond of a processor on which the bounds of the tests were found; slower by half is too slow.
pub const REFERENCE_RATE: f64 = 450.0;
const MIN_SPEED: f64 = 0.5;

/// What the loop found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Processors that ran it.
    pub processors: usize,
    /// Rate of the slowest processor, 1 is the reference.
    pub speed: f64,
    /// Share of the time in which the threads waited for a processor.
    pub waiting: f64,
}

impl Calibration {
    /// Times may be judged; otherwise they are only printed.
    pub fn fit(&self) -> bool {
        self.waiting <= MAX_WAITING && self.speed >= MIN_SPEED
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.fit() {
            "idle, times are judged"
        } else {
            "busy or slow, times are printed and not judged"
        };
        write!(
            f,
            "calibration: {} processors, speed {:.2}, waiting {:.0} %: {verdict}",
            self.processors,
            self.speed,
            self.waiting * 100.0
        )
    }
}

/// Runs the loop on every processor for a second.
pub fn calibrate() -> Calibration {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let stop = Arc::new(AtomicBool::new(false));
    let runners: Vec<_> = (0..processors)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || spin(&stop))
        })
        .collect();
    pause(TIME);
    stop.store(true, Ordering::Relaxed);
    let mut found = Calibration {
        processors,
        speed: f64::INFINITY,
        waiting: 0.0,
    };
    let (mut ran, mut waited) = (0.0, 0.0);
    for runner in runners {
        let Ok(spun) = runner.join() else { continue };
        let rate = spun.rounds as f64 / (spun.ran_ns / 1000.0);
        found.speed = found.speed.min(rate / REFERENCE_RATE);
        ran += spun.ran_ns;
        waited += spun.waited_ns;
    }
    found.waiting = waited / (ran + waited).max(1.0);
    found
}

struct Spun {
    rounds: u64,
    ran_ns: f64,
    waited_ns: f64,
}

fn spin(stop: &AtomicBool) -> Spun {
    let (began, before) = (Instant::now(), schedule());
    let mut value = 0x9e37_79b9_7f4a_7c15_u64;
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..BATCH {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
        }
        rounds += BATCH;
    }
    std::hint::black_box(value);
    let wall_ns = began.elapsed().as_nanos() as f64;
    // Without the kernel's account all the time counts as run: a busy machine then is a slow one.
    let (ran_ns, waited_ns) = match (before, schedule()) {
        (Some(before), Some(after)) => (after.0 - before.0, after.1 - before.1),
        _ => (wall_ns, 0.0),
    };
    Spun {
        rounds,
        ran_ns: ran_ns.max(1.0),
        waited_ns,
    }
}

/// Nanoseconds that this thread has run and waited.
fn schedule() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut fields = text.split_whitespace().map(str::parse::<f64>);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

#[cfg(test)]
mod tests;

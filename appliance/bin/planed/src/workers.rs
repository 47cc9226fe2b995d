//! The threads that move packets, and how they rest when there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use dpdk_rs::Eal;
use ravelin_dataplane::{Shared, Worker};
use ravelin_platform::clock::now;

use crate::error::Error;
use crate::nic::buffer::FramePool;
use crate::nic::{Dpdk, Engine};

/// Keys of one worker: both directions of all pairs of a node, should one worker own them all.
const MAX_KEYS: usize = 2 * 131_072;

/// How a worker rests: it gives way to others first, then sleeps longer and longer. The longest sleep bounds what an idle gateway
/// adds to a packet's delay; the shortest is about what the kernel's timer slack makes of any sleep.
#[derive(Debug, Default)]
pub struct Rest {
    idle: u32,
}

/// Runs without a packet before the first sleep.
const SPIN_RUNS: u32 = 64;
/// First sleep.
const SHORTEST: Duration = Duration::from_micros(20);
/// Longest sleep.
const LONGEST: Duration = Duration::from_millis(1);
/// Runs between doublings of the sleep.
const STEP_RUNS: u32 = 32;

impl Rest {
    /// What to do after a run that took in `packets`, or left some waiting for a crypto device.
    pub fn after(&mut self, packets: usize) -> Option<Duration> {
        if packets > 0 {
            self.idle = 0;
            return None;
        }
        self.idle = self.idle.saturating_add(1);
        let past = self.idle.checked_sub(SPIN_RUNS)?;
        let doublings = (past / STEP_RUNS).min(16);
        Some((SHORTEST * (1 << doublings)).min(LONGEST))
    }
}

/// Starts one thread per worker; they end when `stop` is set.
///
/// # Errors
/// When a thread cannot be made.
pub fn start(
    shared: &Arc<Shared<Dpdk>>,
    eal: Eal,
    pool: FramePool,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let mut threads = Vec::new();
    for id in 0..shared.links.len() {
        let (shared, stop) = (Arc::clone(shared), Arc::clone(stop));
        let work = move || {
            let _registered = eal.register_thread();
            let mut worker = Worker::new(id as u8, shared, Engine::new(MAX_KEYS), pool);
            let mut rest = Rest::default();
            let mut before = now();
            while !stop.load(Ordering::Relaxed) {
                let packets = worker.run_once(before);
                let after = now();
                let counters = worker.counters();
                if packets > 0 {
                    counters.work_us.add(after.0.saturating_sub(before.0));
                } else {
                    counters.polling_us.add(after.0.saturating_sub(before.0));
                }
                before = after;
                let Some(pause) = rest.after(packets + worker.waiting()) else {
                    std::hint::spin_loop();
                    continue;
                };
                std::thread::sleep(pause);
                let woken = now();
                counters.asleep_us.add(woken.0.saturating_sub(before.0));
                before = woken;
            }
        };
        let name = format!("worker{id}");
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(work)
            .map_err(|source| Error::Thread { name, source })?;
        threads.push(thread);
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_longer_and_longer_and_wakes_at_once() {
        let mut rest = Rest::default();
        let pauses: Vec<_> = (0..1000).map(|_| rest.after(0)).collect();
        assert!(pauses[..SPIN_RUNS as usize - 1].iter().all(Option::is_none));
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&Some(LONGEST)));
        assert_eq!(rest.after(1), None);
        assert_eq!(rest.after(0), None, "spins again first");
    }
}

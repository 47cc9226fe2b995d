//! Threads for key exchange computations, with a bounded queue in two classes.
//!
//! Work of established SAs goes before work of peers that are not authenticated yet, so that a flood of IKE_SA_INIT cannot
//! starve a rekey. The pool knows nothing of IKE: it runs a function over jobs and sends the results back.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

struct Queue<J> {
    urgent: VecDeque<J>,
    normal: VecDeque<J>,
    closed: bool,
}

struct Shared<J> {
    queue: Mutex<Queue<J>>,
    wake: Condvar,
    bound: usize,
}

impl<J> Shared<J> {
    // A worker that panicked inside a job has not touched the queue: it is whole.
    fn lock(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pool of threads.
pub struct Pool<J> {
    shared: Arc<Shared<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Pool<J> {
    /// Starts `threads` threads. At most `bound` jobs wait; `results` should hold as many, for the threads block on it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<R: Send + 'static>(
        threads: usize,
        bound: usize,
        run: impl Fn(J) -> R + Clone + Send + 'static,
        results: &mpsc::Sender<R>,
    ) -> io::Result<Self> {
        let queue = Queue {
            urgent: VecDeque::new(),
            normal: VecDeque::new(),
            closed: false,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            bound,
        });
        let mut pool = Self {
            shared,
            threads: Vec::with_capacity(threads),
        };
        for index in 0..threads.max(1) {
            let (shared, results) = (Arc::clone(&pool.shared), results.clone());
            let run = run.clone();
            let thread = thread::Builder::new()
                .name(format!("iked-dh-{index}"))
                .spawn(move || work(&shared, &run, &results))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Queues a job, or gives it back when the queue is full.
    ///
    /// # Errors
    /// The job itself.
    pub fn submit(&self, job: J, urgent: bool) -> Result<(), J> {
        let mut queue = self.shared.lock();
        if queue.closed || queue.urgent.len() + queue.normal.len() >= self.shared.bound {
            return Err(job);
        }
        if urgent {
            queue.urgent.push_back(job)
        } else {
            queue.normal.push_back(job)
        }
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.urgent.clear();
        queue.normal.clear();
        drop(queue);
        self.shared.wake.notify_all();
        // Not joined: a thread may be blocked on a result channel that nobody reads any more; it ends with its job.
        self.threads.clear();
    }
}

fn work<J, R>(shared: &Shared<J>, run: &impl Fn(J) -> R, results: &mpsc::Sender<R>) {
    loop {
        let mut queue = shared.lock();
        let job = loop {
            if let Some(job) = queue
                .urgent
                .pop_front()
                .or_else(|| queue.normal.pop_front())
            {
                break job;
            }
            if queue.closed {
                return;
            }
            queue = shared
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        if results.blocking_send(run(job)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

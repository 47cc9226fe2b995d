//! Tells the service manager that we live, while twins and signal routes can be had: a thread that hangs in the kernel with one of
//! them keeps the word back, and the service manager ends us. The twins outlive that.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ravelin_platform::notify::Notifier;

use crate::error::Error;
use crate::registry::Registry;
use crate::signal;

/// Starts the thread, when the service manager asked for it.
///
/// # Errors
/// [`Error::Thread`].
pub fn start(
    notifier: Notifier,
    registry: Arc<Mutex<Registry>>,
    signals: signal::Shared,
) -> Result<(), Error> {
    let Some(interval) = notifier.interval() else {
        return Ok(());
    };
    let work = move || match beat(&notifier, interval, &registry, &signals) {};
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    thread.spawn(work).map(drop).map_err(Error::Thread)
}

fn beat(
    notifier: &Notifier,
    interval: Duration,
    registry: &Mutex<Registry>,
    signals: &signal::Shared,
) -> Infallible {
    loop {
        // A panic elsewhere leaves both sound.
        drop(registry.lock());
        drop(signal::lock(signals));
        notifier.alive();
        std::thread::sleep(interval);
    }
}

//! Keeps the kernel a host: routing suites and administrators switch forwarding on, and flush rules; both are undone and logged.
//!
//! The filter alone makes a kernel that forwards harmless meanwhile, and the settings alone would too: each covers the other's gap.

use std::convert::Infallible;
use std::time::Duration;

use crate::error::Error;
use crate::filter;
use crate::sysctl::Tree;

/// How often the settings of the namespace are looked at: three small files.
const PACE: Duration = Duration::from_secs(1);
/// Every so many looks, those of each interface and the filter too: 4,096 twins have 40,000 files, read in a tenth of a second.
const WHOLE: u32 = 10;

/// Makes the kernel a host before anything else happens.
///
/// # Errors
/// The first setting or rule that does not take.
pub fn secure(settings: &Tree) -> Result<(), Error> {
    filter::install()?;
    settings.secure_host().map(drop)
}

/// Starts the thread that keeps it so.
///
/// # Errors
/// [`Error::Thread`].
pub fn start(settings: Tree) -> Result<(), Error> {
    let work = move || match keep(&settings) {};
    let thread = std::thread::Builder::new().name("guard".to_owned());
    thread.spawn(work).map(drop).map_err(Error::Thread)
}

fn keep(settings: &Tree) -> Infallible {
    let mut round = 0;
    loop {
        std::thread::sleep(PACE);
        round = (round + 1) % WHOLE;
        look(settings, round == 0);
    }
}

fn look(settings: &Tree, whole: bool) {
    let undone = match settings.secure_namespace() {
        Ok(0) if !whole => return,
        // Switching forwarding on or off changes settings of every interface along.
        Ok(namespace) => settings.secure_host().map(|more| namespace + more),
        Err(error) => Err(error),
    };
    match undone {
        Ok(0) => {}
        Ok(undone) => log::warn!("{undone} kernel settings were changed by others: set back"),
        Err(error) => log::error!("{error}"),
    }
    if !filter::is_installed() {
        match filter::install() {
            Ok(()) => log::warn!("the host's packet filter was removed by others: put back"),
            Err(error) => log::error!("{error}"),
        }
    }
}

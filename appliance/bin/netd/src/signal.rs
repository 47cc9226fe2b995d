//! Signal routes: each stands while a client says so, and goes with its silence or its end (design decision D5).
//!
//! netd holds them because it outlives planed and does next to nothing else. Its own death leaves them as they are; the next netd
//! finds them, keeps them for [`ADOPTION`] so that a planed that lives can claim them without a flap, and takes away the rest.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ravelin_ctl::netd::MAX_SIGNAL_ROUTES;
use ravelin_routing::{RoutingError, SignalRoutes};

use crate::error::Error;

/// How long routes of a former netd wait to be claimed: planed looks for netd every quarter of a second.
const ADOPTION: Duration = Duration::from_secs(2);
/// How often the kernel is asked again, should it have refused, or somebody have removed a route by hand.
const UPKEEP: Duration = Duration::from_secs(1);

/// Names one connection.
pub type ClientId = u64;

/// The kernel's side.
pub trait RouteTable: Send + 'static {
    /// Makes the route of an address stand; false when it did.
    ///
    /// # Errors
    /// The kernel's.
    fn add(&mut self, address: IpAddr) -> Result<bool, RoutingError>;
    /// Makes it go; false when there was none.
    ///
    /// # Errors
    /// The kernel's.
    fn remove(&mut self, address: IpAddr) -> Result<bool, RoutingError>;
}

impl RouteTable for SignalRoutes {
    fn add(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        SignalRoutes::add(self, address)
    }

    fn remove(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        SignalRoutes::remove(self, address)
    }
}

/// Who claims which route, and what the kernel has.
pub struct Signals<T> {
    table: T,
    claims: HashMap<ClientId, BTreeSet<IpAddr>>,
    /// In the kernel, as far as we know.
    standing: BTreeSet<IpAddr>,
    /// Of a former netd, not claimed yet.
    unclaimed: BTreeSet<IpAddr>,
}

/// [`Signals`] as the clients' threads share them.
pub type Shared = Arc<Mutex<Signals<SignalRoutes>>>;

/// Opens the kernel's table, adopts what stands there, and starts the thread that keeps it.
///
/// # Errors
/// The kernel's, or when the thread cannot be made.
pub fn start() -> Result<Shared, Error> {
    let mut table = SignalRoutes::open()?;
    let found = table.list()?;
    let signals = Arc::new(Mutex::new(Signals::new(table, found)));
    let kept = Arc::clone(&signals);
    let work = move || {
        std::thread::sleep(ADOPTION);
        lock(&kept).end_adoption();
        loop {
            std::thread::sleep(UPKEEP);
            report(lock(&kept).settle());
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .map_err(Error::Thread)?;
    Ok(signals)
}

/// The signals; a panic elsewhere leaves them sound, because the next settling repairs what was left half done.
pub fn lock<T>(signals: &Mutex<Signals<T>>) -> std::sync::MutexGuard<'_, Signals<T>> {
    signals.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(outcome: Result<(), Error>) {
    outcome.unwrap_or_else(|error| log::warn!("{error}"));
}

impl<T: RouteTable> Signals<T> {
    /// `found` stand in the kernel already.
    pub fn new(table: T, found: Vec<IpAddr>) -> Self {
        let found: BTreeSet<IpAddr> = found.into_iter().collect();
        Self {
            table,
            claims: HashMap::new(),
            unclaimed: found.clone(),
            standing: found,
        }
    }

    /// `client` wants these and no others.
    ///
    /// # Errors
    /// [`Error::TooManySignals`], or the kernel's; then the upkeep goes on trying.
    pub fn claim(&mut self, client: ClientId, addresses: &[IpAddr]) -> Result<(), Error> {
        if addresses.len() > MAX_SIGNAL_ROUTES {
            return Err(Error::TooManySignals(addresses.len()));
        }
        let wanted: BTreeSet<IpAddr> = addresses.iter().copied().collect();
        self.unclaimed.retain(|address| !wanted.contains(address));
        if self.claims.get(&client) == Some(&wanted) {
            return Ok(());
        }
        self.claims.insert(client, wanted);
        self.settle()
    }

    /// `client` is gone or silent; true when it had claimed something.
    pub fn release(&mut self, client: ClientId) -> bool {
        let claimed = self.claims.remove(&client);
        report(self.settle());
        claimed.is_some_and(|claimed| !claimed.is_empty())
    }

    fn end_adoption(&mut self) {
        self.unclaimed.clear();
        report(self.settle());
    }

    /// Brings the kernel to what is claimed; every route is tried, the first refusal is returned.
    fn settle(&mut self) -> Result<(), Error> {
        let claimed: BTreeSet<IpAddr> = self.claims.values().flatten().copied().collect();
        let mut outcome = Ok(());
        let gone =
            |address: &&IpAddr| !claimed.contains(address) && !self.unclaimed.contains(address);
        let gone: Vec<IpAddr> = self.standing.iter().filter(gone).copied().collect();
        for address in gone {
            match self.table.remove(address) {
                Ok(_) => {
                    self.standing.remove(&address);
                    log::info!("signal route {address}: withdrawn");
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        for address in claimed {
            match self.table.add(address) {
                Ok(fresh) => {
                    if fresh {
                        log::info!("signal route {address}: up");
                    }
                    self.standing.insert(address);
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome.map_err(Error::from)
    }
}

#[cfg(test)]
mod tests;

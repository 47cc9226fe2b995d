//! Fetches the revocation lists that are wanted, by HTTP, on threads of its own.
//!
//! What is wanted, from where and when again after a failure, says the cache (`ravelin_pki::CrlCache`); each failure is a line of the
//! log, and the last one of each CA is shown. A server that is slow delays nothing but the lists of a few others.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{PoisonError, Weak};
use std::thread;
use std::time::Duration;

use ravelin_pki::{AuthorityId, Crl, Fetch, MAX_CRL_OCTETS, WallTime};

use super::{ListError, Pki, Shared, http, wall_clock};

/// Lists that are fetched at a time.
const PARALLEL: usize = 4;
/// The longest pause: the wall clock may be set meanwhile.
const MAX_PAUSE: Duration = Duration::from_secs(60);
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// What went wrong, in one line.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] http::HttpError),
    #[error("{0}")]
    Format(#[from] ravelin_pki::Error),
    #[error("{0}")]
    List(#[from] ListError),
}

/// Starts the thread, which ends with the last handle on what is shared. It is woken when there may be something new to fetch.
pub(super) fn start(shared: Weak<Shared>, wake: Receiver<()>) -> io::Result<()> {
    let thread = thread::Builder::new().name("iked-crl".to_owned());
    thread.spawn(move || run(&shared, &wake))?;
    Ok(())
}

fn run(shared: &Weak<Shared>, wake: &Receiver<()>) {
    use std::sync::mpsc::RecvTimeoutError::Disconnected;
    while let Some(pki) = shared.upgrade().map(Pki) {
        pki.fetch_due(wall_clock());
        let next = pki.lists().next();
        drop(pki);
        let seconds = next.map(|next| next.0.saturating_sub(wall_clock().0));
        let pause = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let pause = match (next, pause) {
            (Some(_), None) => MIN_PAUSE,
            (_, pause) => pause.map_or(MAX_PAUSE, Duration::from_secs),
        };
        if wake.recv_timeout(pause.clamp(MIN_PAUSE, MAX_PAUSE)) == Err(Disconnected) {
            return;
        }
    }
}

impl Pki {
    /// Fetches all that is due, and returns when it has come or failed.
    fn fetch_due(&self, now: WallTime) {
        let due = self.lists_mut().due(now);
        for some in due.chunks(PARALLEL) {
            thread::scope(|scope| {
                for fetch in some {
                    let thread = thread::Builder::new().name("iked-crl-get".to_owned());
                    let spawned = thread.spawn_scoped(scope, || self.fetch(fetch));
                    // Without a thread it is late.
                    if spawned.is_err() {
                        self.fetch(fetch);
                    }
                }
            });
        }
    }

    fn fetch(&self, fetch: &Fetch) {
        let (id, url) = (&fetch.authority, fetch.url.as_str());
        let fetched = http::fetch(url, None, MAX_CRL_OCTETS, http::TIME_LIMIT);
        // A failure to take it is counted by the cache already.
        let missed = fetched.is_err();
        let taken = fetched.map_err(FetchError::from).and_then(|octets| {
            let der = Crl::der_of_file(&octets)?;
            Ok(self.take_list(id, &der, wall_clock())?)
        });
        match taken {
            Ok(()) => {
                self.note(id, None);
                let lists = self.lists();
                let found = lists.lists().find(|(known, ..)| *known == id);
                if let Some((_, authority, Some(list))) = found {
                    log::info!(
                        "revocation list of `{authority}` from {url}: {} revoked, next update {}",
                        list.revoked(),
                        list.next_update()
                    );
                }
            }
            Err(error) => {
                if missed || matches!(error, FetchError::Format(_)) {
                    self.lists_mut().missed(fetch, wall_clock());
                }
                let line = format!("{url}: {error}");
                log::warn!("revocation list {}: {line}", id.file_stem());
                self.note(id, Some(line));
            }
        }
    }

    /// Remembers the last failure of a CA that is watched still.
    fn note(&self, id: &AuthorityId, failure: Option<String>) {
        // Always in this order.
        let lists = self.lists();
        let failures = self.0.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(line) => drop(failures.insert(id.clone(), line)),
            None => drop(failures.remove(id)),
        }
        failures.retain(|known, _| lists.lists().any(|(id, ..)| id == known));
    }

    /// Why the list of a CA did not come the last time.
    pub(super) fn failure(&self, id: &AuthorityId) -> Option<String> {
        let failures = self.0.failures.lock();
        let failures = failures.unwrap_or_else(PoisonError::into_inner);
        failures.get(id).cloned()
    }
}

#[cfg(test)]
mod tests;

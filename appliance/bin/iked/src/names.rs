//! Host names of peers: the system's resolver is asked for their addresses, again and again, off the daemon's task.
//!
//! A name keeps the addresses of its last good answer. What is new is told when all answers are there or after [`NEWS`], so that a
//! start with thousands of names makes few configurations of them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_types::Time;
use tokio::net::lookup_host;
use tokio::sync::{Semaphore, mpsc};

/// Names at most: one for each statement of 4,096 gateways would be more than a resolver takes in a minute.
pub const MAX_NAMES: usize = 4096;
/// Addresses of a name that are used.
pub const MAX_ADDRESSES: usize = 16;
/// A name is asked again after this long.
pub const REFRESH: Duration = Duration::from_secs(60);
/// After a failure it is asked again after this long, which doubles up to [`REFRESH`].
pub const RETRY_FIRST: Duration = Duration::from_secs(2);
/// News waits so long for further answers.
const NEWS: Duration = Duration::from_secs(1);
/// Names that are looked up at a time, each on a thread.
const AT_ONCE: usize = 8;

/// What is known of names, by name.
pub type Answers = HashMap<String, Answer>;
/// A name and what the resolver says.
pub type Found = (String, Result<Vec<IpAddr>, String>);

/// What is known of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Addresses of the last good answer.
    pub addresses: Vec<IpAddr>,
    /// Why the last question had no good answer.
    pub error: Option<String>,
}

struct Entry {
    answer: Answer,
    /// When it is to be asked; while it is asked, never.
    next_at: Time,
    retry: Duration,
}

/// The names of the configuration.
pub struct Names {
    resolver: mpsc::Sender<String>,
    entries: HashMap<String, Entry>,
    /// Nothing is to be asked before.
    next: Time,
    asked: usize,
    news_since: Option<Time>,
    answers: Arc<Answers>,
}

impl Names {
    /// None yet; questions go to `resolver`.
    pub fn new(resolver: mpsc::Sender<String>) -> Self {
        Self {
            resolver,
            entries: HashMap::new(),
            next: Time::MAX,
            asked: 0,
            news_since: None,
            answers: Arc::default(),
        }
    }

    /// What is known, the same allocation until there is news.
    pub fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// These are of interest, and no others.
    pub fn want(&mut self, names: &BTreeSet<String>, now: Time) {
        self.entries.retain(|name, _| names.contains(name));
        for name in names {
            if !self.entries.contains_key(name) {
                let entry = Entry {
                    answer: Answer::default(),
                    next_at: now,
                    retry: RETRY_FIRST,
                };
                self.entries.insert(name.clone(), entry);
                self.next = now;
            }
        }
    }

    /// Somebody waits for this name: it is asked now, unless it has addresses.
    pub fn hurry(&mut self, name: &str, now: Time) {
        let entry = self.entries.get_mut(name);
        if let Some(entry) =
            entry.filter(|e| e.answer.addresses.is_empty() && e.next_at < Time::MAX)
        {
            entry.next_at = now;
            self.next = now;
        }
    }

    /// The resolver has answered.
    pub fn found(&mut self, (name, found): Found, now: Time) {
        self.asked = self.asked.saturating_sub(1);
        // It may have left the configuration meanwhile.
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        let usable = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast();
        let found = found.map(|all| {
            let mut all: Vec<IpAddr> = all.into_iter().filter(usable).collect();
            let mut seen = BTreeSet::new();
            all.retain(|address| seen.insert(*address));
            all.truncate(MAX_ADDRESSES);
            all
        });
        let before = entry.answer.clone();
        match found {
            Ok(found) if !found.is_empty() => {
                // Servers turn the order round with each answer.
                let known = &mut entry.answer.addresses;
                if known.len() != found.len() || !found.iter().all(|a| known.contains(a)) {
                    log::info!("host {name} is at {}", list(&found));
                    *known = found;
                }
                entry.answer.error = None;
                (entry.next_at, entry.retry) = (now + REFRESH, RETRY_FIRST);
            }
            nothing => {
                let why = nothing.err();
                entry.answer.error = Some(why.unwrap_or_else(|| "it has no address".to_owned()));
                entry.next_at = now + entry.retry;
                entry.retry = entry.retry.saturating_mul(2).min(REFRESH);
            }
        }
        self.next = self.next.min(entry.next_at);
        if entry.answer != before {
            self.news_since.get_or_insert(now);
        }
    }

    /// Asks what is due, publishes news, and tells when to call again.
    pub fn settle(&mut self, now: Time) -> Time {
        if now >= self.next {
            self.ask(now);
        }
        let Some(since) = self.news_since else {
            return self.next;
        };
        if self.asked > 0 && now < since + NEWS {
            return self.next.min(since + NEWS);
        }
        self.news_since = None;
        let all = self.entries.iter();
        self.answers = Arc::new(all.map(|(n, e)| (n.clone(), e.answer.clone())).collect());
        self.next
    }

    fn ask(&mut self, now: Time) {
        self.next = Time::MAX;
        for (name, entry) in &mut self.entries {
            if entry.next_at <= now {
                // A queue that is full has names whose answers bring us back here.
                entry.next_at = match self.resolver.try_send(name.clone()) {
                    Ok(()) => {
                        self.asked += 1;
                        Time::MAX
                    }
                    Err(_) => now + RETRY_FIRST,
                };
            }
            self.next = self.next.min(entry.next_at);
        }
    }
}

/// `a, b, c`
pub fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(", ")
}

/// Looks up the names that come, until nobody wants answers any more.
pub async fn resolve(mut names: mpsc::Receiver<String>, found: mpsc::Sender<Found>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(name) = names.recv().await {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let found = found.clone();
        tokio::spawn(async move {
            let answer = look_up(&name).await;
            // Fails only when the daemon ends.
            let _: Result<(), _> = found.send((name, answer)).await;
            drop(permit);
        });
    }
}

/// By `getaddrinfo`, on a thread.
async fn look_up(name: &str) -> Result<Vec<IpAddr>, String> {
    match lookup_host((name, 0)).await {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(error) => {
            let text = error.to_string();
            let why = text.strip_prefix("failed to lookup address information: ");
            Err(why.unwrap_or(&text).to_owned())
        }
    }
}

#[cfg(test)]
mod tests;

//! Negotiations that failed, for `show security ike failures`: one entry for each way in which a peer fails, whatever the log
//! left out.
//!
//! Whoever can send a datagram can make entries, under any address that he likes. A peer that has said who it is has shown that
//! it receives at its address, so those have a table of their own: a flood of forged first messages does not push them out.

use std::collections::HashMap;
use std::net::IpAddr;

use ravelin_ctl::failure::{FailureEntry, Failures};
use ravelin_ike::Failure;
use ravelin_types::{Identity, Time};

/// Entries of peers that have said who they are: a site whose keys are all wrong still shows which they are.
const MAX_NAMED: usize = 1024;
/// Entries of all others.
const MAX_NAMELESS: usize = 256;
/// Characters of a text that is kept: proposals and selectors of a peer may be longer.
const MAX_TEXT: usize = 512;

/// All entries.
#[derive(Debug)]
pub struct FailureLog {
    named: Table,
    nameless: Table,
}

impl Default for FailureLog {
    fn default() -> Self {
        Self {
            named: Table::new(MAX_NAMED),
            nameless: Table::new(MAX_NAMELESS),
        }
    }
}

impl FailureLog {
    /// Notes one, the name of its routing instance unless that is the default one, and what would be accepted where the failure does
    /// not say.
    pub fn note(
        &mut self,
        failure: &Failure,
        instance: Option<String>,
        accepted: Option<String>,
        now: Time,
    ) {
        let table = match failure.peer {
            Some(_) => &mut self.named,
            None => &mut self.nameless,
        };
        table.note(failure, instance, accepted, now);
    }

    /// Those of a peer or of all, the newest first.
    pub fn list(&self, peer: Option<IpAddr>, now: Time) -> Failures {
        let rows = self.named.rows.iter().chain(&self.nameless.rows);
        let mut rows: Vec<_> = rows.filter(|(key, _)| key.is_of(peer)).collect();
        rows.sort_unstable_by(|a, b| b.1.last.cmp(&a.1.last).then_with(|| a.0.cmp(b.0)));
        Failures {
            entries: rows.iter().map(|(key, row)| row.entry(key, now)).collect(),
            forgotten: self.named.forgotten + self.nameless.forgotten,
        }
    }

    /// Forgets those of a peer, or all, and tells how many there were.
    pub fn clear(&mut self, peer: Option<IpAddr>) -> usize {
        let tables = [&mut self.named, &mut self.nameless];
        let cleared = tables.map(|table| {
            let before = table.rows.len();
            table.rows.retain(|key, _| !key.is_of(peer));
            before - table.rows.len()
        });
        cleared.iter().sum()
    }
}

/// What makes two failures one entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    instance: Option<String>,
    remote: IpAddr,
    /// As text: identities have no order.
    identity: Option<String>,
    stage: String,
    what: String,
}

impl Key {
    fn is_of(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| peer == self.remote)
    }
}

#[derive(Debug)]
struct Row {
    port: u16,
    identity: Option<Identity>,
    gateway: Option<String>,
    offered: Option<String>,
    accepted: Option<String>,
    times: u64,
    first: Time,
    last: Time,
}

impl Row {
    fn entry(&self, key: &Key, now: Time) -> FailureEntry {
        FailureEntry {
            instance: key.instance.clone(),
            remote: (key.remote, self.port).into(),
            identity: self.identity.clone(),
            gateway: self.gateway.clone(),
            stage: key.stage.clone(),
            what: key.what.clone(),
            offered: self.offered.clone(),
            accepted: self.accepted.clone(),
            times: self.times,
            first_s: now.since(self.first).as_secs(),
            last_s: now.since(self.last).as_secs(),
        }
    }
}

#[derive(Debug)]
struct Table {
    rows: HashMap<Key, Row>,
    bound: usize,
    forgotten: u64,
}

impl Table {
    fn new(bound: usize) -> Self {
        Self {
            rows: HashMap::new(),
            bound,
            forgotten: 0,
        }
    }

    fn note(
        &mut self,
        failure: &Failure,
        instance: Option<String>,
        accepted: Option<String>,
        now: Time,
    ) {
        let sides = failure.reason.sides();
        let key = Key {
            instance,
            remote: failure.remote.ip(),
            identity: failure.peer.as_ref().map(|peer| short(peer.to_string())),
            stage: failure.stage.to_string(),
            what: short(sides.what),
        };
        if !self.rows.contains_key(&key) && self.rows.len() >= self.bound {
            self.make_room();
        }
        let row = self.rows.entry(key).or_insert_with(|| Row {
            port: 0,
            identity: failure.peer.clone(),
            gateway: None,
            offered: None,
            accepted: None,
            times: 0,
            first: now,
            last: now,
        });
        row.port = failure.remote.port();
        row.gateway.clone_from(&failure.gateway);
        row.offered = sides.offered.map(short);
        let accepted = sides.accepted.or(accepted);
        row.accepted = accepted.map(short);
        row.times += 1;
        row.last = now;
    }

    /// Forgets the older half at once, so that the search for them costs each newcomer little.
    fn make_room(&mut self) {
        let mut ages: Vec<Time> = self.rows.values().map(|row| row.last).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        let before = self.rows.len();
        self.rows.retain(|_, row| row.last > median);
        self.forgotten += (before - self.rows.len()) as u64;
    }
}

/// The text, cut where it is longer than anyone reads.
fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests;

//! The endpoint's records on their way into the vault, and what waits for them: datagrams and events.
//!
//! Design decision D6: a datagram leaves only when the records it depends on are durable. Records of one turn of the daemon
//! are written together. When the vault refuses (full, no memory), records wait here, newest per subject, nothing that
//! depends on them happens, and each turn tries again.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use ravelin_ike::{JournalSeq, Record, RecordOp, Transmit};
use ravelin_types::ChildId;
use ravelin_vault::{Live, Op, Vault};

/// Datagrams held back at most; more are dropped and the peers' retransmissions bring them again.
const MAX_HELD: usize = 16_384;

/// The vault and what is not in it yet.
pub struct Journal {
    vault: Vault,
    durable: JournalSeq,
    /// By subject: its last whole record, what was added behind it, or its removal.
    waiting: HashMap<u64, Vec<Record>>,
    newest: JournalSeq,
    failing: bool,
}

impl Journal {
    /// Opens the vault and returns the records it holds. A file that is not a vault of this version is removed, since it
    /// holds keys that nobody can use any more; its sessions are lost.
    ///
    /// # Errors
    /// The vault's.
    pub fn open(path: &Path) -> Result<(Self, Vec<Live>), ravelin_vault::Error> {
        let (vault, replay) = match Vault::open(path) {
            Err(error @ ravelin_vault::Error::Format { .. }) => {
                log::error!("{error}: it is removed and its sessions are lost");
                let _ = std::fs::remove_file(path);
                Vault::open(path)?
            }
            opened => opened?,
        };
        if replay.torn_octets > 0 {
            log::warn!(
                "vault {}: {} octets of a torn record cut off",
                path.display(),
                replay.torn_octets
            );
        }
        let journal = Self {
            vault,
            durable: JournalSeq::default(),
            waiting: HashMap::new(),
            newest: JournalSeq::default(),
            failing: false,
        };
        Ok((journal, replay.records))
    }

    /// Takes a record; [`Journal::commit`] writes it.
    pub fn push(&mut self, record: Record) {
        self.newest = self.newest.max(record.seq);
        match record.op {
            // Came and went while the vault took nothing: set-ups of unauthenticated peers must not pile up here.
            RecordOp::Remove if !self.vault.contains(record.subject) => {
                drop(self.waiting.remove(&record.subject));
            }
            RecordOp::Append(_) => self.waiting.entry(record.subject).or_default().push(record),
            RecordOp::Put(_) | RecordOp::Remove => {
                drop(self.waiting.insert(record.subject, vec![record]));
            }
        }
    }

    /// Drops the record of a subject that cannot be taken up.
    pub fn forget(&mut self, subject: u64) {
        if let Err(error) = self.vault.remove(subject) {
            log::error!("{error}");
        }
    }

    /// Everything up to here is durable.
    pub fn durable(&self) -> JournalSeq {
        self.durable
    }

    /// Whether the vault has refused the last write.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Sessions in the vault.
    pub fn subjects(&self) -> usize {
        self.vault.subjects()
    }

    /// Writes what waits, in order, in one batch.
    pub fn commit(&mut self) {
        if self.waiting.is_empty() {
            self.durable = self.newest;
            self.failing = false;
            return;
        }
        let mut records: Vec<&Record> = self.waiting.values().flatten().collect();
        records.sort_unstable_by_key(|record| record.seq);
        let ops: Vec<Op<'_>> = records
            .iter()
            .map(|record| match &record.op {
                RecordOp::Put(octets) => Op::Replace(record.subject, octets),
                RecordOp::Append(octets) => Op::Append(record.subject, octets),
                RecordOp::Remove => Op::Remove(record.subject),
            })
            .collect();
        match self.vault.append_batch(&ops) {
            Ok(_) => {
                self.waiting.clear();
                self.durable = self.newest;
                if self.failing {
                    log::info!("the vault takes records again");
                    self.failing = false;
                }
            }
            Err(error) if !self.failing => {
                log::error!("{error}: no IKE message leaves until the vault takes records");
                self.failing = true;
            }
            Err(_) => {}
        }
    }
}

/// Datagrams that may not leave yet.
#[derive(Default)]
pub struct Gate {
    /// In the order of their records.
    for_journal: VecDeque<Transmit>,
    /// Their records are durable; they wait for a pair in planed.
    for_install: HashMap<ChildId, Vec<Transmit>>,
    held: usize,
    dropped: u64,
}

impl Gate {
    /// Takes a datagram.
    pub fn push(&mut self, transmit: Transmit) {
        if self.held >= MAX_HELD {
            self.dropped += 1;
            return;
        }
        self.held += 1;
        self.for_journal.push_back(transmit);
    }

    /// Datagrams held back.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Datagrams dropped because too many were held.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands out what may leave: records durable up to `durable`, and pairs that are `settled`.
    pub fn release(
        &mut self,
        durable: JournalSeq,
        settled: impl Fn(ChildId) -> bool,
        mut send: impl FnMut(Transmit),
    ) {
        while self
            .for_journal
            .front()
            .is_some_and(|transmit| transmit.after <= durable)
        {
            let Some(transmit) = self.for_journal.pop_front() else {
                break;
            };
            match transmit.after_install {
                Some(child) if !settled(child) => {
                    let waiting = self.for_install.entry(child).or_default();
                    // The peer asks again while it waits, and is answered with the same octets: once is enough.
                    if waiting
                        .iter()
                        .any(|w| w.data == transmit.data && w.remote == transmit.remote)
                    {
                        self.held -= 1;
                    } else {
                        waiting.push(transmit);
                    }
                }
                _ => {
                    self.held -= 1;
                    send(transmit);
                }
            }
        }
    }

    /// Hands out what waited for this pair: it is in planed, or gone.
    pub fn release_installed(&mut self, child: ChildId, mut send: impl FnMut(Transmit)) {
        for transmit in self.for_install.remove(&child).unwrap_or_default() {
            self.held -= 1;
            send(transmit);
        }
    }
}

#[cfg(test)]
mod tests;

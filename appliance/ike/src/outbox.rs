//! What one step of handling produces, and the context that handlers work in.
//!
//! A step (one datagram, one timeout, one completed job, one command) stages datagrams and events; at its end the changed
//! sessions are recorded and everything staged is stamped with the position of the last record: write-ahead.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use ravelin_crypto::Zeroizing;
use ravelin_types::{ChildId, Identity, Time, VrfId};

use crate::config::Config;
use crate::connections::Connections;
use crate::crash::TokenSecret;
use crate::environment::Environment;
use crate::error::{Failure, Fault, Reason, Stage};
use crate::event::{DownReason, Event, EventKind, JournalSeq, Record, RecordOp, Transmit};
use crate::lease::Leases;
use crate::sa::Continuation;
use crate::session::{Path, Session};
use crate::stats::{Count, Discard, Stats};
use crate::trace::Tracer;
use crate::work::{Job, MAX_WORK, RESERVED_WORK, Work, WorkId};

/// Failure lines queued; what is beyond is counted. Other events are bounded by what the daemon asks for and by the
/// tables, and are never dropped.
pub const MAX_QUEUED_FAILURES: usize = 1024;

/// Ids are journalled in blocks of this size, so that none is given out twice after a crash.
const ID_BLOCK: u64 = 4096;

/// The journal subject of the endpoint itself.
pub(crate) const SUBJECT_ENDPOINT: u64 = 0;

#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) records: VecDeque<Record>,
    pub(crate) works: VecDeque<Work>,
    /// Jobs handed out or queued.
    pub(crate) jobs: BTreeMap<WorkId, Pending>,
    staged_transmits: Vec<Transmit>,
    staged_events: Vec<EventKind>,
    seq: u64,
    next_work: u64,
    next_id: u64,
    id_ceiling: u64,
    failures: usize,
    pub(crate) trace: Tracer,
    /// Who is connected.
    pub(crate) connections: Connections,
    /// Addresses that peers hold.
    pub(crate) leases: Leases,
    /// Makes tokens of quick crash detection.
    pub(crate) tokens: TokenSecret,
    /// Other sessions that the step ends.
    pub(crate) ending: Vec<(u64, DownReason)>,
    /// Sessions in whose place the endpoint sets up others.
    pub(crate) reauthenticating: Vec<u64>,
    /// A peer was authenticated: look for its other sessions.
    pub(crate) authenticated: Vec<Contact>,
}

/// An authenticated peer; the endpoint ends its older sessions.
pub(crate) struct Contact {
    pub(crate) session: u64,
    pub(crate) initial: bool,
}

/// A job's place in a session.
pub(crate) struct Pending {
    pub(crate) session: u64,
    pub(crate) ike: u64,
    pub(crate) then: Continuation,
}

/// What handlers work with.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) env: &'a mut dyn Environment,
    pub(crate) out: &'a mut Outbox,
    pub(crate) stats: &'a mut Stats,
    /// The SPIs of our IKE SAs.
    pub(crate) spis: &'a HashMap<u64, u64>,
}

impl Outbox {
    pub(crate) fn new(tokens: TokenSecret) -> Outbox {
        Outbox {
            tokens,
            ..Outbox::default()
        }
    }

    /// A number that was never given out, in no life of the journal.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        if self.next_id > self.id_ceiling {
            self.id_ceiling = self.next_id + ID_BLOCK;
            let ceiling = Zeroizing::new(crate::record::encode_endpoint(self.id_ceiling));
            self.record(SUBJECT_ENDPOINT, RecordOp::Put(ceiling));
        }
        self.next_id
    }

    /// Takes up numbering above `ceiling` of a restored journal.
    pub(crate) fn ids_above(&mut self, ceiling: u64) {
        self.next_id = self.next_id.max(ceiling);
        self.id_ceiling = self.id_ceiling.max(ceiling);
    }

    pub(crate) fn record(&mut self, subject: u64, op: RecordOp) {
        self.seq += 1;
        self.records.push_back(Record {
            seq: JournalSeq(self.seq),
            subject,
            op,
        });
    }

    /// Stages an event.
    pub(crate) fn stage(&mut self, kind: EventKind) {
        self.staged_events.push(kind);
    }

    /// Whether the step sends something.
    pub(crate) fn sends(&self) -> bool {
        !self.staged_transmits.is_empty()
    }

    /// Stamps and queues what was staged.
    pub(crate) fn commit(&mut self) {
        let after = JournalSeq(self.seq);
        for mut t in self.staged_transmits.drain(..) {
            t.after = after;
            self.trace.leaves((t.local, t.remote), &t.data);
            self.transmits.push_back(t);
        }
        for kind in self.staged_events.drain(..) {
            self.events.push_back(Event { after, kind });
        }
    }

    /// The last record's position.
    pub(crate) fn position(&self) -> JournalSeq {
        JournalSeq(self.seq)
    }

    pub(crate) fn pop_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event.kind, EventKind::Failure(_)) {
            self.failures = self.failures.saturating_sub(1);
        }
        Some(event)
    }
}

impl Ctx<'_> {
    pub(crate) fn event(&mut self, kind: EventKind) {
        self.out.stage(kind);
    }

    /// Stages a datagram.
    pub(crate) fn transmit(&mut self, path: &Path, data: Vec<u8>, after_install: Option<ChildId>) {
        self.stats.add(Count::Sent);
        let (vrf, local, remote) = (path.vrf, path.local, path.remote);
        self.out.staged_transmits.push(Transmit {
            after: JournalSeq(0),
            after_install,
            vrf,
            local,
            remote,
            data,
        });
    }

    /// Reports a failed negotiation on one line.
    pub(crate) fn failure(
        &mut self,
        session: &Session,
        remote: SocketAddr,
        stage: Stage,
        reason: Reason,
    ) {
        self.failure_of(
            (session.path.vrf, remote),
            session.peer.clone(),
            session.gateway.clone(),
            stage,
            reason,
        );
    }

    pub(crate) fn failure_of(
        &mut self,
        (vrf, remote): (VrfId, SocketAddr),
        peer: Option<Identity>,
        gateway: Option<String>,
        stage: Stage,
        reason: Reason,
    ) {
        self.out.trace.note(remote, || format!("{stage}: {reason}"));
        if self.out.failures >= MAX_QUEUED_FAILURES {
            self.stats.discard(Discard::EventFull);
            return;
        }
        self.out.failures += 1;
        self.event(EventKind::Failure(Box::new(Failure {
            vrf,
            remote,
            peer,
            gateway,
            stage,
            reason,
        })));
    }

    /// Hands out a job; `Err` when too many are under way.
    pub(crate) fn work(
        &mut self,
        session: &Session,
        ike: u64,
        job: Job,
        then: Continuation,
    ) -> Result<(), Fault> {
        let reserved = if session.established_at.is_some() {
            0
        } else {
            RESERVED_WORK
        };
        if self.out.jobs.len() + reserved >= MAX_WORK {
            return Err(Fault::Discard(Discard::WorkFull));
        }
        self.out.next_work += 1;
        let id = WorkId(self.out.next_work);
        self.out.jobs.insert(
            id,
            Pending {
                session: session.id,
                ike,
                then,
            },
        );
        self.out.works.push_back(Work {
            id,
            urgent: session.established_at.is_some(),
            job,
        });
        Ok(())
    }

    pub(crate) fn random<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut out = [0u8; N];
        self.env.random(&mut out)?;
        Ok(out)
    }

    /// An SPI for an IKE SA. RFC 7296 section 2.6: each endpoint "MUST choose them so as to be unique identifiers of an IKE SA".
    pub(crate) fn ike_spi(&mut self) -> Result<u64, Fault> {
        loop {
            let spi = self.env.ike_spi()?;
            if !self.spis.contains_key(&spi) {
                return Ok(spi);
            }
        }
    }

    /// A nonce of ours: 32 octets suffice for every function we offer (RFC 7296 section 2.10).
    pub(crate) fn nonce(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(self.random::<32>()?.to_vec())
    }
}

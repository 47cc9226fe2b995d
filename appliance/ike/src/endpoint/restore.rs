//! Taking up the sessions of a journal.
//!
//! The result behaves as the endpoint that wrote the journal: it repeats its last responses and outstanding requests bit by
//! bit. What was computed but not recorded is computed anew when the peer repeats itself.

use ravelin_types::{ChildId, DhGroup, Spi, Time};

use std::time::Duration;

use super::Endpoint;
use crate::environment::Environment;
use crate::event::SessionId;
use crate::record::{RecordError, Stored, decode_all};
use crate::sa::{State, init, tasks};
use crate::session::{DownReasonStored, FirstMessage, Session};

/// The usual interval of liveness detection.
const SPREAD: Duration = Duration::from_secs(10);

/// What was taken up, for the daemon to rebuild its allocator and to compare with the data plane.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Sessions taken up.
    pub sessions: usize,
    /// Their child SAs.
    pub children: Vec<RestoredChild>,
    /// Inbound SPIs in use, those of exchanges under way too.
    pub child_spis: Vec<Spi>,
    /// Our SPIs of IKE SAs.
    pub ike_spis: Vec<u64>,
    /// Subjects that could not be taken up, by their places among those given.
    pub failed: Vec<(usize, RecordError)>,
}

/// A child SA of the journal. The data plane should hold it with this epoch; else call [`Endpoint::reinstall`].
#[derive(Clone, Copy, Debug)]
pub struct RestoredChild {
    /// Which.
    pub child: ChildId,
    /// Whose.
    pub session: SessionId,
    /// Inbound.
    pub spi_in: Spi,
    /// Outbound.
    pub spi_out: Spi,
    /// Epoch of its last install; 0 when it was never asked for.
    pub epoch: u32,
    /// We encrypt with it.
    pub active: bool,
}

impl<E: Environment> Endpoint<E> {
    /// Takes up the subjects of a journal, all of them, in any order: of each one its records in their order.
    pub fn restore<S: AsRef<[R]>, R: AsRef<[u8]>>(
        &mut self,
        subjects: impl IntoIterator<Item = S>,
        now: Time,
    ) -> RestoreReport {
        let mut report = RestoreReport::default();
        for (at, records) in subjects.into_iter().enumerate() {
            match decode_all(records.as_ref()) {
                Ok(Stored::Endpoint { id_ceiling }) => self.out.ids_above(id_ceiling),
                Ok(Stored::Session(session)) => self.take_up(session, now, &mut report),
                Ok(Stored::Step(_)) => report.failed.push((at, RecordError::Step)),
                Err(e) => report.failed.push((at, e)),
            }
        }
        self.rejoin();
        report
    }

    /// Probes after a restart are spread over the interval, so that all peers are not asked at once.
    pub(super) fn liveness_spread(&mut self) -> Duration {
        let mut octets = [0u8; 2];
        let drawn = self
            .env
            .random(&mut octets)
            .map_or(0, |()| u16::from_be_bytes(octets));
        SPREAD.mul_f64(f64::from(drawn) / 65_536.0)
    }

    fn take_up(&mut self, mut session: Box<Session>, now: Time, report: &mut RestoreReport) {
        report.sessions += 1;
        for sa in &mut session.ikes {
            sa.iv.epoch = sa.iv.epoch.saturating_add(1);
            sa.iv.counter = 0;
            report.ike_spis.push(sa.local_spi());
            report.child_spis.extend(sa.requested_child_spi());
            self.out.ids_above(sa.id);
        }
        self.out.ids_above(session.id);
        if let Some(peer) = &session.peer {
            for lease in &session.leases {
                let leases = &mut self.out.leases;
                leases.restore(&lease.pool, lease.address, session.id, peer);
            }
        }
        for c in &mut session.children {
            c.used_at = now;
            self.out.ids_above(c.id.0);
            report.child_spis.push(c.spi_in);
            if c.is_installed() {
                report.children.push(RestoredChild {
                    child: c.id,
                    session: SessionId(session.id),
                    spi_in: c.spi_in,
                    spi_out: c.spi_out,
                    epoch: c.epoch,
                    active: c.active,
                });
            }
        }
        session.volatile.recorded = true;
        session.last_inbound = now - self.liveness_spread();
        if session.is_half_open() {
            let (vrf, remote) = (session.path.vrf, session.path.remote);
            let first = session.ikes.first().map(|i| FirstMessage {
                vrf,
                remote,
                spi_i: i.spi_i,
            });
            self.first_messages
                .extend(first.map(|key| (key, session.id)));
            session.volatile.first_message = first;
        }
        self.note_initiated(&session);
        let starting = session.ikes.iter().find_map(|i| match &i.state {
            State::Starting(s) => DhGroup::from_iana(s.group),
            _ => None,
        });
        let orphan = session
            .gateway
            .as_ref()
            .is_some_and(|g| self.config.gateways.named(g).is_none());
        if orphan {
            tasks::close(&mut session, DownReasonStored::Closed, now);
        }
        let id = session.id;
        // Exchanges that wait begin with the next time-out: until the whole journal is taken up, the allocator of SPIs
        // does not know which ones are in use (design decision D7).
        session.volatile.passage = self.passage;
        self.keep(session);
        if let Some(group) = starting {
            self.with_session(now, id, |ctx, session| init::start(ctx, session, group));
        }
    }
}

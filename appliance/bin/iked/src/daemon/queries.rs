//! What mgmtd asks: configuration in two phases, and operators' questions and orders.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::daemon::{Reply, Request};
use ravelin_ctl::failure::FailureOrder;
use ravelin_ctl::ike::TraceOptions;
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, IkeSa, IpsecSa};
use ravelin_ctl::pki::PkiOrder;
use ravelin_ctl::sa::PairCounters;
use ravelin_ctl::trace::{TRACE_LENGTH_S, TraceOrder};
use ravelin_ike::{ChildSummary, EnvironmentError, IkeSummary, TraceFilter};
use ravelin_platform::clock::epoch_us;
use ravelin_types::{Generation, NodeId, PairId, Spi, Time};
use ravelin_vault::Live;

use super::events::{NOT_CONFIGURED, held_pair};
use super::{COUNTERS_PATIENCE, Daemon, LOOK_INTERVAL, MAX_QUESTIONS, show};
use crate::config::{Compiled, Instances};
use crate::routes::RouteKernel;
use crate::sockets::Transport;

impl<T: Transport, K: RouteKernel> Daemon<T, K> {
    /// The answer, or `None` when it comes later or the request wants none.
    pub(super) fn answer(&mut self, id: u32, request: Request, now: Time) -> Option<Reply> {
        match request {
            Request::Prepare { generation, part } => {
                let (pki, answers) = (self.desk.pki(), self.names.answers());
                Some(self.config.prepare(generation, &part, pki, answers))
            }
            Request::Apply(generation) => Some(Reply::Applied(self.apply(generation, now))),
            Request::Abort(generation) => {
                self.config.abort(generation);
                None
            }
            Request::Operator(DaemonQuery::IpsecSas) => self.ask_planed(id, now),
            Request::Operator(DaemonQuery::Pki(order)) => self.order(id, *order),
            Request::Operator(query) => Some(Reply::Operator(self.operator(&query, now))),
        }
    }

    fn apply(&mut self, generation: Generation, now: Time) -> Result<Generation, String> {
        let first = self.config.running().is_none();
        let config = self
            .config
            .apply(generation)
            .map_err(|error| error.to_string())?;
        // An address that cannot be served must not keep the others from being served: it is told, and the rest runs.
        let listening = self.transport.listen(&config.listen, &config.instances);
        self.look_at = now + LOOK_INTERVAL;
        self.set_node(config.node)
            .map_err(|error| error.to_string())?;
        self.hold.set_length(config.hold_s);
        self.trace(config.trace.as_ref());
        self.desk.pki().set_sources(&config.sources);
        self.use_config(&config, now);
        self.renew_moved(&config, now);
        if first {
            self.take_up(now);
            // Once more: it closes the sessions whose gateways are gone.
            self.endpoint.set_config(Arc::clone(&config.ike), now);
            self.connect_plane();
        }
        log::info!(
            "generation {generation} runs: {} gateways",
            config.ike.gateways.len()
        );
        listening
            .map(|()| generation)
            .map_err(|error| error.to_string())
    }

    /// Traces by these options.
    fn trace(&mut self, options: Option<&TraceOptions>) {
        if self.trace_log.set(options) {
            self.endpoint
                .trace_always(options.map(|options| TraceFilter {
                    local: options.local,
                    remote: options.remote,
                    messages: options.messages,
                    notes: options.notes,
                }));
        }
    }

    fn use_config(&mut self, config: &Compiled, now: Time) {
        let faults: Vec<String> =
            (config.faults.iter().chain(&config.unresolved).cloned()).collect();
        let told: HashSet<String> = self.told.drain(..).collect();
        for fault in faults.iter().filter(|fault| !told.contains(*fault)) {
            log::error!("{fault}");
        }
        self.told = faults;
        self.names.want(&config.hosts, now);
        self.authority.set(Arc::clone(&config.keys));
        self.attempts.forget();
        self.endpoint.set_config(Arc::clone(&config.ike), now);
    }

    /// Pairs whose VPN has another `st0` unit now, or a unit that is in another routing instance, are rekeyed: the new ones go there.
    fn renew_moved(&mut self, config: &Compiled, now: Time) {
        let moved = |child: &ChildSummary| {
            let key = (child.gateway.to_string(), child.vpn.to_string());
            let (held, wanted) = (self.plane.pair(child.child), config.tunnels.get(&key));
            held.zip(wanted).is_some_and(|(held, wanted)| {
                (held.tunnel_unit, held.inner_vrf) != (wanted.tunnel_unit, wanted.inner_vrf)
            })
        };
        let all = self.endpoint.child_sas().filter(|child| child.live);
        let moved: Vec<PairId> = all.filter(moved).map(|child| child.child).collect();
        for pair in moved {
            self.endpoint.rekey_child(pair, now);
        }
    }

    /// Takes up certificates that operators have changed, and addresses of host names.
    pub(super) fn refresh_config(&mut self, now: Time) {
        let (pki, answers) = (self.desk.pki(), self.names.answers());
        if let Some(config) = self.config.refresh(pki, answers) {
            log::debug!("certificates or addresses of host names have changed");
            self.use_config(&config, now);
        }
    }

    fn set_node(&mut self, node: NodeId) -> Result<(), EnvironmentError> {
        self.endpoint.environment().set_node(node)?;
        let spis: Vec<Spi> = self
            .endpoint
            .child_sas()
            .map(|child| child.spi_in)
            .collect();
        spis.into_iter()
            .for_each(|spi| self.endpoint.environment().reserve(spi));
        Ok(())
    }

    /// The sessions of the vault, and their pairs as planed should hold them. Its list will tell; a pair that it has lost
    /// is installed again under a new epoch, and only then its keys are needed here.
    fn take_up(&mut self, now: Time) {
        let mut stored = std::mem::take(&mut self.stored);
        // Stable: the records of a session stay in their order.
        stored.sort_by_key(|live| live.subject);
        let subjects: Vec<&[Live]> = stored.chunk_by(|a, b| a.subject == b.subject).collect();
        let payloads = subjects.iter().map(|records| -> Vec<&[u8]> {
            records.iter().map(|live| &live.payload[..]).collect()
        });
        let report = self.endpoint.restore(payloads, now);
        for (at, error) in &report.failed {
            if let Some(live) = subjects.get(*at).and_then(|records| records.first()) {
                log::error!("session {} of the vault is lost: {error}", live.subject);
                self.journal.forget(live.subject);
            }
        }
        for spi in report.child_spis {
            self.endpoint.environment().reserve(spi);
        }
        let held: HashSet<PairId> = report.children.iter().map(|c| c.child).collect();
        if report.sessions > 0 {
            log::info!(
                "{} sessions with {} child SAs from the vault",
                report.sessions,
                held.len()
            );
        }
        let Some(config) = self.config.running().cloned() else {
            return;
        };
        let children: Vec<ChildSummary> = self
            .endpoint
            .child_sas()
            .filter(|child| held.contains(&child.child))
            .collect();
        for child in children {
            let key = (child.gateway.to_string(), child.vpn.to_string());
            match config
                .tunnels
                .get(&key)
                .map(|parameters| held_pair(&child, parameters))
            {
                Some(pair) => self.plane.want(pair, true),
                None => {
                    self.endpoint
                        .install_failed(child.child, NOT_CONFIGURED, now);
                }
            }
        }
    }

    fn ask_planed(&mut self, id: u32, now: Time) -> Option<Reply> {
        if self.questions.len() >= MAX_QUESTIONS {
            let busy = "too many questions at once".to_owned();
            return Some(Reply::Operator(DaemonReply::Failed(busy)));
        }
        self.next_token += 1;
        self.questions
            .insert(self.next_token, (id, now + COUNTERS_PATIENCE));
        self.plane.ask_counters(self.next_token);
        None
    }

    /// The answer goes by the connection that the order came by.
    fn order(&self, id: u32, order: PkiOrder) -> Option<Reply> {
        let sender = self.mgmt.clone()?;
        let taken = self.desk.submit((order, id, sender));
        (!taken).then(|| {
            let busy = "too many orders about certificates at once".to_owned();
            Reply::Operator(DaemonReply::Failed(busy))
        })
    }

    pub(super) fn counters_came(
        &mut self,
        token: u64,
        counters: Option<Vec<PairCounters>>,
        now: Time,
    ) {
        if let Some((id, _)) = self.questions.remove(&token) {
            let sas = self.ipsec_sas(counters.as_deref(), now);
            self.reply(id, Reply::Operator(DaemonReply::IpsecSas(sas)));
        }
    }

    /// Answers without counters what planed has not answered in time, and tells when to look again.
    pub(super) fn answer_overdue(&mut self, now: Time) -> Time {
        while let Some((&token, &(_, at))) = self.questions.first_key_value() {
            if at > now {
                return at;
            }
            self.counters_came(token, None, now);
        }
        Time::MAX
    }

    fn operator(&mut self, query: &DaemonQuery, now: Time) -> DaemonReply {
        match query {
            DaemonQuery::Alarms => DaemonReply::Alarms(self.alarms()),
            DaemonQuery::IkeSas => DaemonReply::IkeSas(self.ike_sas(now)),
            DaemonQuery::IkeGateways => {
                let config = self.config.running();
                DaemonReply::IkeGateways(config.map_or_else(Vec::new, |c| c.gateways()))
            }
            DaemonQuery::IkeStatistics => DaemonReply::IkeStatistics(self.statistics()),
            DaemonQuery::IkeFailures(FailureOrder::Show(peer)) => {
                DaemonReply::IkeFailures(self.failures.list(*peer, now))
            }
            DaemonQuery::IkeFailures(FailureOrder::Clear(peer)) => {
                DaemonReply::Done(self.failures.clear(*peer) as u64)
            }
            DaemonQuery::IkeTrace(TraceOrder::Start { peer, keys }) => {
                let until = now + Duration::from_secs(TRACE_LENGTH_S);
                if *keys {
                    log::warn!(
                        "keys of the IKE SAs of {peer} are gathered for {TRACE_LENGTH_S} seconds"
                    );
                }
                self.endpoint.trace_start(*peer, *keys, now, until);
                DaemonReply::Done(1)
            }
            DaemonQuery::IkeTrace(TraceOrder::Stop) => {
                DaemonReply::Done(self.endpoint.trace_stop(now).into())
            }
            DaemonQuery::IkeTrace(TraceOrder::Show) => {
                let trace = self.endpoint.trace();
                DaemonReply::IkeTrace(trace.map(|trace| show::trace(trace, epoch_us(now), now)))
            }
            DaemonQuery::IkeTrace(TraceOrder::Log { file }) => match self.trace_log.show(file) {
                Ok(text) => DaemonReply::Log(text),
                Err(error) => DaemonReply::Failed(error.to_string()),
            },
            DaemonQuery::IkeTrace(TraceOrder::Keys) => {
                match self.endpoint.trace().and_then(|trace| trace.keys(now)) {
                    Some(keys) => DaemonReply::IkeTraceKeys(keys.map(show::trace_keys).collect()),
                    None => DaemonReply::Failed(
                        "no trace runs that was started with keys; they are gone when it ends"
                            .to_owned(),
                    ),
                }
            }
            DaemonQuery::ClearIke(peer) => {
                let fits = |sa: &IkeSummary| sa.current && of(*peer, sa.remote.ip());
                let sessions: Vec<_> = self
                    .endpoint
                    .ike_sas()
                    .filter(fits)
                    .map(|sa| sa.session)
                    .collect();
                done(
                    sessions
                        .into_iter()
                        .map(|session| self.endpoint.close(session, now)),
                )
            }
            DaemonQuery::ClearIpsec(peer) => {
                let pairs = self.live_pairs(|child| of(*peer, child.outer.remote));
                done(
                    pairs
                        .into_iter()
                        .map(|pair| self.endpoint.close_child(pair, now)),
                )
            }
            DaemonQuery::RedirectIke(peer) => {
                let fits = |sa: &IkeSummary| sa.current && of(*peer, sa.remote.ip());
                let sas = self.endpoint.ike_sas().filter(fits);
                let sessions: Vec<_> = sas.map(|sa| sa.session).collect();
                let sent = |session| self.endpoint.redirect(session, now);
                done(sessions.into_iter().map(sent))
            }
            DaemonQuery::RekeyIke(index) => {
                let fits = |sa: &IkeSummary| {
                    sa.current && sa.established && index.is_none_or(|index| sa.ike.0 == index)
                };
                let ikes: Vec<_> = self
                    .endpoint
                    .ike_sas()
                    .filter(fits)
                    .map(|sa| sa.ike)
                    .collect();
                done(
                    ikes.into_iter()
                        .map(|ike| self.endpoint.rekey_ike(ike, now)),
                )
            }
            DaemonQuery::RekeyChild(pair) => {
                let pairs = self.live_pairs(|child| pair.is_none_or(|pair| child.child == pair));
                done(
                    pairs
                        .into_iter()
                        .map(|pair| self.endpoint.rekey_child(pair, now)),
                )
            }
            _ => DaemonReply::Failed("this question is not for iked".to_owned()),
        }
    }

    fn live_pairs(&self, fits: impl Fn(&ChildSummary) -> bool) -> Vec<PairId> {
        let live = self
            .endpoint
            .child_sas()
            .filter(|child| child.live && fits(child));
        live.map(|child| child.child).collect()
    }

    fn instances(&self) -> Instances {
        let running = self.config.running();
        running.map(|c| c.instances.clone()).unwrap_or_default()
    }

    fn ike_sas(&self, now: Time) -> Vec<IkeSa> {
        let instances = self.instances();
        let mut all: Vec<IkeSa> = self
            .endpoint
            .ike_sas()
            .map(|sa| show::ike_sa(sa, &instances, now))
            .collect();
        all.sort_unstable_by_key(|sa| sa.index);
        all
    }

    fn ipsec_sas(&self, counters: Option<&[PairCounters]>, now: Time) -> Vec<IpsecSa> {
        let counters: HashMap<u64, PairCounters> = counters
            .unwrap_or_default()
            .iter()
            .map(|row| (row.pair, *row))
            .collect();
        let instances = self.instances();
        let mut all: Vec<IpsecSa> = Vec::new();
        for child in self.endpoint.child_sas() {
            let Some(pair) = self.plane.pair(child.child) else {
                continue;
            };
            all.push(show::ipsec_sa(
                &child,
                pair,
                counters.get(&child.child.0).copied(),
                &instances,
                now,
            ));
        }
        all.sort_unstable_by_key(|sa| sa.pair);
        all
    }

    fn statistics(&self) -> Vec<(String, u64)> {
        let own = [
            ("IKE SAs in the vault", self.journal.subjects() as u64),
            (
                "datagrams held for the vault or planed",
                self.gate.held() as u64,
            ),
            (
                "datagrams dropped because too many were held",
                self.gate.dropped(),
            ),
            ("pairs wanted in planed", self.plane.len() as u64),
            ("route failures", self.routes.failures()),
        ];
        let endpoint = self.endpoint.stats().rows();
        let rows = endpoint.chain(self.socket_counters.rows()).chain(own);
        rows.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn of(wanted: Option<IpAddr>, peer: IpAddr) -> bool {
    wanted.is_none_or(|wanted| wanted == peer)
}

fn done(each: impl Iterator<Item = bool>) -> DaemonReply {
    DaemonReply::Done(each.filter(|done| *done).count() as u64)
}

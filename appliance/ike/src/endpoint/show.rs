//! Summaries for operators.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ravelin_types::{
    ChildId, Identity, IkeSuite, IpsecMode, Numbers, Spi, Time, TrafficSelector, VolumeLife, VrfId,
};

use super::Endpoint;
use super::dispatch::shared;
use crate::environment::Environment;
use crate::event::{IkeId, Outer, SessionId};
use crate::proposal::EspSuite;
use crate::session::ChildState;
use crate::text::opaque_text;
use crate::trace::{Standing, Trace, TraceEntry, TraceFilter};

/// An IKE SA.
#[derive(Clone, Debug)]
pub struct IkeSummary {
    /// Its session.
    pub session: SessionId,
    /// Its number.
    pub ike: IkeId,
    /// Our exchanges start on it.
    pub current: bool,
    /// `UP` or the name of the present state.
    pub state: &'static str,
    /// Gateway, if known.
    pub gateway: Option<Arc<str>>,
    /// We started the session.
    pub initiator: bool,
    /// SPI of the IKE SA's initiator.
    pub spi_i: u64,
    /// SPI of its responder.
    pub spi_r: u64,
    /// Routing instance.
    pub vrf: VrfId,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Who we are.
    pub local_identity: Option<Identity>,
    /// Who the peer is; authenticated when `established` is set.
    pub peer: Option<Identity>,
    /// Negotiated suite.
    pub suite: Option<IkeSuite>,
    /// The post-quantum pre-shared key in its keys (RFC 8784).
    pub ppk: Option<String>,
    /// A NAT lies between.
    pub nat: bool,
    /// The tunnel moves with the addresses of its ends (RFC 4555).
    pub mobike: bool,
    /// Addresses that the peer has from a pool.
    pub leases: Vec<IpAddr>,
    /// The peer is authenticated.
    pub established: bool,
    /// When this IKE SA was made.
    pub created_at: Time,
    /// When it is rekeyed.
    pub rekey_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// Child SAs of the session.
    pub children: usize,
    /// Authentic messages received since the daemon's start.
    pub received: u64,
    /// Messages sent, without retransmissions of requests.
    pub sent: u64,
    /// Requests sent again.
    pub retransmitted: u64,
}

/// A child SA pair.
#[derive(Clone, Debug)]
pub struct ChildSummary {
    /// Its identity.
    pub child: ChildId,
    /// Its session.
    pub session: SessionId,
    /// The current IKE SA of the session.
    pub ike: IkeId,
    /// Gateway.
    pub gateway: Arc<str>,
    /// VPN.
    pub vpn: Arc<str>,
    /// The peer.
    pub peer: Option<Identity>,
    /// Outer addresses.
    pub outer: Outer,
    /// Our SPI.
    pub spi_in: Spi,
    /// The peer's SPI.
    pub spi_out: Spi,
    /// Suite.
    pub suite: EspSuite,
    /// Tunnel or transport.
    pub mode: IpsecMode,
    /// Our side.
    pub local_ts: Vec<TrafficSelector>,
    /// The peer's side.
    pub remote_ts: Vec<TrafficSelector>,
    /// The peer's resource that it is bound to (RFC 9611).
    pub resource: Option<String>,
    /// We encrypt with it.
    pub active: bool,
    /// In use, not replaced and not being deleted.
    pub live: bool,
    /// Epoch of the last install.
    pub epoch: u32,
    /// Numbers that the data plane may use.
    pub ceilings: Numbers,
    /// What each direction may carry.
    pub life: VolumeLife,
    /// When it was made.
    pub created_at: Time,
    /// When it is rekeyed.
    pub rekey_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

impl<E: Environment> Endpoint<E> {
    /// Traces the messages of the peer at this address from now on, and of no other; an earlier trace is forgotten. With `keys`
    /// the keys of its IKE SAs are gathered until the trace ends.
    pub fn trace_start(&mut self, peer: IpAddr, keys: bool, now: Time, until: Time) {
        let tracer = &mut self.out.trace;
        tracer.asked = Some(Box::new(Trace::new(peer, keys, now, until)));
        self.sessions
            .values()
            .for_each(|session| tracer.session(session));
    }

    /// Ends the trace, if there is one; what it has can still be read.
    pub fn trace_stop(&mut self, now: Time) -> bool {
        let trace = self.out.trace.asked.as_deref_mut();
        trace.is_some_and(|trace| {
            let runs = now < trace.until;
            trace.until = trace.until.min(now);
            runs
        })
    }

    /// The trace, whether it still runs or not.
    pub fn trace(&self) -> Option<&Trace> {
        self.out.trace.asked.as_deref()
    }

    /// Traces what the filter lets by from now on, until the next call, beside what [`Endpoint::trace_start`] does. The entries are to be taken
    /// by [`Endpoint::take_traced`]; those before are gone.
    pub fn trace_always(&mut self, filter: Option<TraceFilter>) {
        self.out.trace.standing = filter.map(|filter| Box::new(Standing::new(filter)));
    }

    /// What was traced since the last call, oldest first, and how many newer entries found no room.
    pub fn take_traced(&mut self) -> (VecDeque<TraceEntry>, u64) {
        let standing = self.out.trace.standing.as_deref_mut();
        standing.map(Standing::take).unwrap_or_default()
    }

    /// All IKE SAs, half-open ones too, in no order.
    pub fn ike_sas(&self) -> impl Iterator<Item = IkeSummary> + '_ {
        self.sessions.values().flat_map(|s| {
            s.ikes.iter().map(move |i| IkeSummary {
                session: SessionId(s.id),
                ike: IkeId(i.id),
                current: s.current == i.id,
                state: i.state.name(),
                gateway: s.gateway.as_deref().map(shared),
                initiator: s.initiator,
                spi_i: i.spi_i,
                spi_r: i.spi_r,
                vrf: s.path.vrf,
                local: s.path.local,
                remote: s.path.remote,
                local_identity: s.local_identity.clone(),
                peer: s.peer.clone(),
                suite: i.suite,
                ppk: s.ppk.as_deref().map(opaque_text),
                nat: s.path.nat_local || s.path.nat_remote,
                mobike: s.mobility.is_some(),
                leases: s.leases.iter().map(|l| l.address).collect(),
                established: s.established_at.is_some(),
                created_at: i.created_at,
                rekey_at: i.soft_at,
                expires_at: i.hard_at,
                children: s.children.len(),
                received: i.traffic.received,
                sent: i.traffic.sent,
                retransmitted: i.traffic.retransmitted,
            })
        })
    }

    /// All child SAs, in no order.
    pub fn child_sas(&self) -> impl Iterator<Item = ChildSummary> + '_ {
        self.sessions.values().flat_map(|s| {
            s.children
                .iter()
                .filter(|c| c.is_installed())
                .map(move |c| ChildSummary {
                    child: c.id,
                    session: SessionId(s.id),
                    ike: IkeId(s.current),
                    gateway: shared(s.gateway.as_deref().unwrap_or_default()),
                    vpn: shared(&c.vpn),
                    peer: s.peer.clone(),
                    outer: s.outer(),
                    spi_in: c.spi_in,
                    spi_out: c.spi_out,
                    suite: c.suite,
                    mode: c.mode,
                    local_ts: c.local_ts.clone(),
                    remote_ts: c.remote_ts.clone(),
                    resource: c.resource.as_deref().map(crate::sa::child::resource::text),
                    active: c.active,
                    live: c.state == ChildState::Live,
                    epoch: c.epoch,
                    ceilings: c.ceilings,
                    life: c.volume,
                    created_at: c.created_at,
                    rekey_at: c.soft_at,
                    expires_at: c.hard_at,
                })
        })
    }

    /// IKE SAs whose peer is not authenticated.
    pub fn half_open(&self) -> usize {
        self.half_open
    }
}

#[cfg(test)]
impl<E: Environment> Endpoint<E> {
    /// The environment, to look at.
    pub(crate) fn environment_ref(&self) -> &E {
        &self.env
    }

    /// The answer to a request of this IKE SA, as if it were not known.
    pub(crate) fn test_lost(&self, spi_i: u64, spi_r: u64) -> Vec<u8> {
        let header = crate::msg::Header {
            spi_i,
            spi_r,
            exchange: crate::msg::ExchangeType::Informational,
            initiator: false,
            response: true,
            message_id: 7,
        };
        let lost = crate::msg::notify::Notify::new(crate::msg::notify::kind::INVALID_IKE_SPI, &[]);
        let token = self.out.tokens.notify(spi_i, spi_r).unwrap();
        let payloads = [lost, token].map(crate::msg::Payload::Notify).to_vec();
        crate::msg::Message { header, payloads }.emit()
    }

    /// The number of the next session.
    pub(crate) fn test_next_id(&mut self) -> u64 {
        self.out.new_id()
    }

    /// As if every peer had said that it knows redirects.
    pub(crate) fn test_redirectable(&mut self) {
        self.sessions
            .values_mut()
            .for_each(|s| s.redirectable = true);
    }

    /// First messages remembered.
    pub(crate) fn test_first_messages(&self) -> usize {
        self.first_messages.len()
    }

    /// As if the pair had been installed this often.
    pub(crate) fn test_epoch(&mut self, child: ChildId, epoch: u32) {
        let children = self.sessions.values_mut().flat_map(|s| &mut s.children);
        for c in children.filter(|c| c.id == child) {
            c.epoch = epoch;
        }
    }

    /// As if so many requests had been answered both ways on every IKE SA.
    pub(crate) fn test_message_ids(&mut self, ids: u32) {
        let ikes = self.sessions.values_mut().flat_map(|s| &mut s.ikes);
        ikes.for_each(|i| i.window.test_skip(ids));
    }

    /// As if this many jobs more were under way; `None` ends it.
    pub(crate) fn test_jobs(&mut self, count: Option<u64>) {
        let ids = (0..count.unwrap_or(0)).map(|n| crate::work::WorkId(u64::MAX - n));
        self.out.jobs.retain(|id, _| id.0 < 1 << 63);
        let pending = || crate::outbox::Pending {
            session: 0,
            ike: 0,
            then: crate::sa::Continuation::InitStart,
        };
        self.out.jobs.extend(ids.map(|id| (id, pending())));
    }

    /// SK_pi and SK_pr of the IKE SA with this initiator's SPI.
    pub(crate) fn test_sk_p(&self, spi_i: u64) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut ikes = self.sessions.values().flat_map(|s| &s.ikes);
        let keys = ikes.find(|i| i.spi_i == spi_i)?.keys.as_ref()?;
        Some((keys.pi.expose().to_vec(), keys.pr.expose().to_vec()))
    }

    /// The ciphers (from initiator, from responder) of the IKE SA with this initiator's SPI.
    pub(crate) fn test_ciphers(
        &self,
        spi_i: u64,
    ) -> Option<(ravelin_crypto::SkCipher, ravelin_crypto::SkCipher)> {
        let sa = self
            .sessions
            .values()
            .flat_map(|s| &s.ikes)
            .find(|i| i.spi_i == spi_i)?;
        sa.keys.as_ref()?.ciphers(sa.suite?).ok()
    }
}

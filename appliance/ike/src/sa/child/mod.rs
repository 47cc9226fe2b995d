//! Child SAs: agreement, keys, and the CREATE_CHILD_SA exchange that makes or rekeys one (RFC 7296 sections 1.3.1, 1.3.3, 2.8).
//!
//! ```text
//!   rekey, the side that starts:   request -> response: install new (active) -> delete old -> response: remove old, lingering
//!   rekey, the side that answers:  request: install new (standby) -> response -> delete of old: activate new, remove old
//!   simultaneous rekey: both new ones exist; the one made by the exchange with the lowest of the four nonces is deleted
//!   by its maker, the other replaces the old one (section 2.8.1)
//! ```

pub(crate) mod answer;
pub(crate) mod resource;
pub(crate) mod start;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_crypto::Secret;
use ravelin_types::{ChildId, IpsecMode, IpsecProtocol, Numbers, Spi, Time, TrafficSelector};
use serde::{Deserialize, Serialize};

pub(crate) use answer::{Answer, answer_in_auth};
pub use resource::MAX_EQUAL_CHILDREN;
pub(crate) use start::{Reply, Requested, finish, offer_payloads, prepare};

use super::{Refusal, reauth};
use crate::config::{ChildLife, EspProposal, Gateway, SelectorPair, Vpn};
use crate::error::{Fault, Reason, Stage, list_text};
use crate::event::{ChildInstall, EventKind, Half, SessionId};
use crate::keymat::{ChildKeys, Shared};
use crate::msg::notify::kind;
use crate::msg::sa::Sa;
use crate::msg::ts::Ts;
use crate::outbox::Ctx;
use crate::proposal::{ChildDh, EspChoice, EspSuite, select_esp};
use crate::selector::{self, Narrowed, Wanted};
use crate::session::{Child, ChildState, Ends, Session};
use crate::stats::Count;

/// How long packets on a replaced SA are accepted when its VPN has left the configuration.
const LINGER_DEFAULT_MS: u32 = 5_000;

/// The exchange in which a child SA is agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// IKE_AUTH: no nonces and no key exchange of its own.
    Auth,
    /// CREATE_CHILD_SA.
    Create,
}

impl Context {
    pub(crate) fn stage(self) -> Stage {
        match self {
            Context::Auth => Stage::Auth,
            Context::Create => Stage::Child,
        }
    }
}

/// What the peer offers.
pub(crate) struct Offer<'a> {
    pub(crate) sa: &'a Sa,
    pub(crate) ts_i: &'a Ts,
    pub(crate) ts_r: &'a Ts,
    /// USE_TRANSPORT_MODE came with it.
    pub(crate) transport: bool,
    /// ESP_TFC_PADDING_NOT_SUPPORTED came with it.
    pub(crate) tfc_refused: bool,
    /// What came with it in SA_RESOURCE_INFO.
    pub(crate) resource: Option<Box<[u8]>>,
    /// The child SA that it rekeys.
    pub(crate) rekeys: Option<&'a Child>,
}

/// What is agreed.
pub(crate) struct Agreed {
    pub(crate) vpn: String,
    pub(crate) choice: EspChoice,
    pub(crate) life: ChildLife,
    pub(crate) narrowed: Narrowed,
    pub(crate) mode: IpsecMode,
    pub(crate) tfc_refused: bool,
    pub(crate) resource: Option<Box<[u8]>>,
}

/// What two simultaneous rekeys made; kept until ours is answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Collision<T> {
    /// What the peer's exchange made.
    pub(crate) theirs: T,
    /// The lower nonce of the peer's exchange.
    pub(crate) lowest: Vec<u8>,
}

/// RFC 7296 section 2.8.1 compares nonces octet by octet; a shorter one that is a prefix is the lower.
pub(crate) fn lowest<'a>(a: &'a [u8], b: &'a [u8]) -> &'a [u8] {
    if a < b { a } else { b }
}

/// Chooses VPN, selectors and suite for an offer of the peer, as responder.
pub(crate) fn negotiate(
    gateway: &Gateway,
    ends: &Ends<'_>,
    offer: &Offer<'_>,
    context: Context,
) -> Result<Agreed, Refusal> {
    let (remote, local) = (
        selector::from_wire(offer.ts_i),
        selector::from_wire(offer.ts_r),
    );
    let wanted = match offer.rekeys {
        Some(old) => Wanted {
            local: &old.local_ts,
            remote: &old.remote_ts,
        },
        None => Wanted::first_of(&local, &remote),
    };
    let (mut mismatch, mut unfit) = (None, None);
    let mut vpns: Vec<&Vpn> = gateway.vpns.iter().collect();
    vpns.sort_by_cached_key(|vpn| match offer.rekeys {
        Some(old) => vpn.name != old.vpn,
        None => !wanted.begins_within(&pairs_of(vpn, ends)),
    });
    for vpn in vpns {
        let behind_nat = ends.path.nat_local || ends.path.nat_remote;
        if behind_nat && vpn.mode == IpsecMode::Transport {
            unfit = (offer.transport)
                .then(|| Reason::BehindNat(vpn.name.clone()))
                .or(unfit);
            continue;
        }
        let narrowed = selector::narrow(&local, &remote, &pairs_of(vpn, ends), wanted);
        let suffices = |n: &Narrowed| {
            offer.rekeys.is_none_or(|old| {
                selector::keeps(&n.local, &local, &old.local_ts)
                    && selector::keeps(&n.remote, &remote, &old.remote_ts)
            })
        };
        let Some(narrowed) = narrowed.filter(suffices) else {
            continue;
        };
        // RFC 7296 section 1.3.1: whoever has asked for transport mode gets tunnel mode when only that is configured.
        if vpn.mode == IpsecMode::Transport && !offer.transport {
            unfit = Some(Reason::TransportOnly(vpn.name.clone()));
            continue;
        }
        let passes = |p: &&EspProposal| !behind_nat || p.protocol == IpsecProtocol::Esp;
        let usable: Vec<_> = vpn.proposals.iter().filter(passes).copied().collect();
        if usable.is_empty() {
            unfit = Some(Reason::BehindNat(vpn.name.clone()));
            continue;
        }
        match select_esp(offer.sa, &usable, dh_policy(vpn, context)) {
            Ok(choice) => {
                let proposal = usable.get(choice.ours);
                return Ok(Agreed {
                    vpn: vpn.name.clone(),
                    choice,
                    life: ChildLife::of(proposal),
                    narrowed,
                    mode: vpn.mode,
                    tfc_refused: offer.tfc_refused,
                    resource: offer.resource.clone(),
                });
            }
            Err(e) => mismatch = mismatch.or(Some(e)),
        }
    }
    if let Some(e) = mismatch {
        return Err(Refusal::new(
            context.stage(),
            kind::NO_PROPOSAL_CHOSEN,
            Reason::Proposal(e),
        ));
    }
    if let Some(reason) = unfit {
        let kind = kind::NO_PROPOSAL_CHOSEN;
        return Err(Refusal::new(context.stage(), kind, reason));
    }
    let accepted: Vec<_> = gateway
        .vpns
        .iter()
        .map(|v| selector::pairs_text(&v.selectors))
        .collect();
    let reason = Reason::Selectors {
        offered_local: local,
        offered_remote: remote,
        accepted: list_text(&accepted),
    };
    Err(Refusal::new(context.stage(), kind::TS_UNACCEPTABLE, reason))
}

/// The selectors of a VPN; in transport mode what they leave of the outer addresses, and of what the peer has from a pool.
pub(crate) fn pairs_of<'a>(vpn: &'a Vpn, ends: &Ends<'_>) -> Cow<'a, [SelectorPair]> {
    let mut pairs = Cow::Borrowed(vpn.selectors.as_slice());
    if vpn.mode == IpsecMode::Transport {
        let (local, remote) = (host(ends.path.local.ip()), host(ends.path.remote.ip()));
        pairs = pairs
            .iter()
            .filter_map(|pair| {
                Some(SelectorPair {
                    local: pair.local.intersect(&local)?,
                    remote: pair.remote.intersect(&remote)?,
                })
            })
            .collect();
    }
    if !ends.leases.is_empty() {
        let leased = ends.leases.iter().map(|lease| host(lease.address));
        let within = |remote: TrafficSelector| {
            pairs.iter().filter_map(move |pair| {
                let (local, remote) = (pair.local, pair.remote.intersect(&remote)?);
                Some(SelectorPair { local, remote })
            })
        };
        pairs = leased.flat_map(within).collect();
    }
    pairs
}

/// Whether a VPN allows a child these selectors: those of each family lie within one of its pairs.
pub(crate) fn allows(vpn: &Vpn, ends: &Ends<'_>, child: &Child) -> bool {
    let pairs = pairs_of(vpn, ends);
    [false, true].into_iter().all(|ipv6| {
        let within = |list: &[TrafficSelector], allowed: &TrafficSelector| {
            let mut of_family = list.iter().filter(|t| t.is_ipv6() == ipv6);
            of_family.all(|t| allowed.covers(t))
        };
        let has = |list: &[TrafficSelector]| list.iter().any(|t| t.is_ipv6() == ipv6);
        let mut pairs = pairs.iter();
        !(has(&child.local_ts) || has(&child.remote_ts))
            || pairs
                .any(|p| within(&child.local_ts, &p.local) && within(&child.remote_ts, &p.remote))
    })
}

fn host(address: IpAddr) -> TrafficSelector {
    TrafficSelector {
        first: address,
        last: address,
        protocol: 0,
        port_first: 0,
        port_last: u16::MAX,
    }
}

fn dh_policy(vpn: &Vpn, context: Context) -> ChildDh {
    match (context, vpn.pfs) {
        (Context::Auth, _) => ChildDh::Ignore,
        (Context::Create, Some(group)) => ChildDh::Require(group, vpn.additional),
        (Context::Create, None) => ChildDh::Optional,
    }
}

/// Nonces of the exchange and the secret of its key exchange, if it had one.
pub(crate) struct Fresh<'a> {
    pub(crate) nonce_i: &'a [u8],
    pub(crate) nonce_r: &'a [u8],
    pub(crate) shared: Option<&'a Shared>,
}

/// The parts of a new child SA.
pub(crate) struct New {
    pub(crate) vpn: String,
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) suite: EspSuite,
    pub(crate) mode: IpsecMode,
    pub(crate) local_ts: Vec<TrafficSelector>,
    pub(crate) remote_ts: Vec<TrafficSelector>,
    pub(crate) life: ChildLife,
    /// We started the exchange.
    pub(crate) initiator: bool,
    pub(crate) active: bool,
    pub(crate) replaces: Option<ChildId>,
    /// The peer takes no padding against traffic analysis.
    pub(crate) tfc_refused: bool,
    /// Else that of the child that it replaces.
    pub(crate) resource: Option<Box<[u8]>>,
    /// The data plane gets it; a redundant one is deleted without.
    pub(crate) install: bool,
}

/// Derives the keys on `ike` and adds the child to the session.
pub(crate) fn add(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    new: New,
    fresh: &Fresh<'_>,
) -> Result<ChildId, Fault> {
    let sa = session.ike_mut(ike)?;
    let (suite, sk_d) = (sa.suite()?, &sa.keys()?.d);
    let keys = ChildKeys::derive(
        suite,
        sk_d,
        new.suite,
        fresh.shared,
        fresh.nonce_i,
        fresh.nonce_r,
    )?;
    let lifetime = ctx.lifetime(new.life.lifetime_s, new.initiator)?;
    let id = ravelin_types::PairId(ctx.out.new_id());
    // A rekey is no use of it.
    let replaced = new.replaces.and_then(|old| session.child(old));
    let used_at = replaced.map_or(ctx.now, |old| old.used_at);
    let stands_by = new.replaces.is_none() && !new.active;
    let resource = new
        .resource
        .or_else(|| replaced.and_then(|old| old.resource.clone()));
    let child = Child {
        id,
        vpn: new.vpn,
        spi_in: new.spi_in,
        spi_out: new.spi_out,
        suite: new.suite,
        mode: new.mode,
        initiator: new.initiator,
        keys,
        local_ts: new.local_ts,
        remote_ts: new.remote_ts,
        epoch: 0,
        ceilings: Numbers::FIRST,
        active: new.active,
        stands_by_until: stands_by.then_some(ctx.now + reauth::STAND_BY),
        state: ChildState::Live,
        replaces: new.replaces,
        tfc_refused: new.tfc_refused,
        resource,
        created_at: ctx.now,
        soft_at: lifetime.soft_at,
        hard_at: lifetime.hard_at,
        volume: lifetime.by_volume(new.life.volume),
        used_at,
    };
    session.add_child(child);
    session.volatile.dirty = true;
    if new.install {
        ctx.stats.add(Count::ChildUp);
        install(ctx, session, id);
    }
    // It may have been asked for before a commit.
    super::forbidden::withdraw_one(ctx, session, id);
    Ok(id)
}

/// Asks the data plane to install (again); each install has an epoch of its own (design decision D17).
pub(crate) fn install(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    let outer = session.outer();
    let (session_id, gateway) = (
        SessionId(session.id),
        session.gateway.clone().unwrap_or_default(),
    );
    let Some(child) = session.child_mut(id) else {
        return;
    };
    child.epoch += 1;
    let secret = |s: &ravelin_types::SecretBytes| Secret::from_slice(s.expose());
    let k = &child.keys;
    let from_i = (secret(&k.encr_i), secret(&k.integ_i));
    let from_r = (secret(&k.encr_r), secret(&k.integ_r));
    let (ours, theirs) = if child.initiator {
        (from_i, from_r)
    } else {
        (from_r, from_i)
    };
    let event = ChildInstall {
        child: id,
        session: session_id,
        gateway: Arc::from(gateway.as_str()),
        vpn: Arc::from(child.vpn.as_str()),
        epoch: child.epoch,
        ceilings: child.ceilings,
        life: child.volume,
        outer,
        protocol: child.suite.protocol,
        mode: child.mode,
        transform: child.suite.transform,
        extended_sequence: child.suite.extended_sequence,
        inbound: Half {
            spi: child.spi_in,
            encr_key: theirs.0,
            integ_key: theirs.1,
        },
        outbound: Half {
            spi: child.spi_out,
            encr_key: ours.0,
            integ_key: ours.1,
        },
        outbound_active: child.active,
        local_ts: child.local_ts.clone(),
        remote_ts: child.remote_ts.clone(),
        initiator: child.initiator,
        replaces: child.replaces,
        tfc_refused: child.tfc_refused,
    };
    session.volatile.dirty = true;
    ctx.event(EventKind::ChildInstall(Box::new(event)));
}

/// What replaces this child takes over its outbound traffic; false when nothing does.
fn hand_over(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) -> bool {
    let successor = session
        .children
        .iter_mut()
        .find(|c| c.replaces == Some(id) && c.state == ChildState::Live);
    let Some(next) = successor else {
        return false;
    };
    if !next.active {
        next.active = true;
        ctx.event(EventKind::ChildActivateOutbound(next.id));
    }
    true
}

/// Removes a child; what replaces it takes over its outbound traffic first.
pub(crate) fn remove(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    let lingering = hand_over(ctx, session, id) || session.volatile.lingers;
    let Some(at) = session.children.iter().position(|c| c.id == id) else {
        return;
    };
    let child = session.children.remove(at);
    session.children.shrink_to_fit();
    session.volatile.dirty = true;
    session.tasks.retain(|w| {
        w.task != super::Task::DeleteChild(id) && w.task != super::Task::RekeyChild(id)
    });
    if child.is_installed() {
        let linger_ms = if lingering {
            linger_ms(ctx, session, &child.vpn)
        } else {
            0
        };
        ctx.stats.add(Count::ChildDown);
        ctx.event(EventKind::ChildRemove {
            child: id,
            linger_ms,
        });
    }
    ctx.env.release_child_spi(child.spi_in);
}

/// Takes a child whose deletion the peer has not heard of out of the data plane at once.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    take_out(ctx, session, id, 0);
}

/// Both ends delete this child, and the peer's request came first: nothing leaves by it any more, what is on its way still comes in.
pub(crate) fn half_close(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    hand_over(ctx, session, id);
    let Some(vpn) = session.child(id).map(|c| c.vpn.clone()) else {
        return;
    };
    let linger_ms = linger_ms(ctx, session, &vpn);
    take_out(ctx, session, id, linger_ms);
}

fn take_out(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId, linger_ms: u32) {
    let Some(child) = session.child_mut(id).filter(|c| c.is_installed()) else {
        return;
    };
    child.state = ChildState::Withdrawn;
    (child.active, child.soft_at, child.hard_at) = (false, Time::MAX, Time::MAX);
    session.volatile.dirty = true;
    ctx.stats.add(Count::ChildDown);
    ctx.event(EventKind::ChildRemove {
        child: id,
        linger_ms,
    });
}

fn linger_ms(ctx: &Ctx<'_>, session: &Session, vpn: &str) -> u32 {
    let gateway = super::init::gateway_of(ctx, session);
    let linger = gateway.as_ref().and_then(|g| g.vpn(vpn)).map(|v| v.linger);
    linger.map_or(LINGER_DEFAULT_MS, |l| {
        u32::try_from(l.as_millis()).unwrap_or(u32::MAX)
    })
}

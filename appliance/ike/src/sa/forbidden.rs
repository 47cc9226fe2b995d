//! Children that a commit has taken the ground from: their VPN does not allow their selectors any more.
//!
//! They are deleted at both ends. Where we have set the session up, what the VPN has instead is set up first.

use std::sync::Arc;

use ravelin_types::{ChildId, TrafficSelector};

use super::init::gateway_of;
use super::{child, tasks};
use crate::config::{Gateway, SelectorPair};
use crate::event::EventKind;
use crate::outbox::Ctx;
use crate::session::{ChildState, Session};

/// Children of one VPN that end, for the log.
pub(crate) struct Forbidden {
    pub(crate) gateway: String,
    pub(crate) vpn: String,
    /// How many.
    pub(crate) children: usize,
    /// Selectors of the first.
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
}

impl From<Forbidden> for EventKind {
    fn from(f: Forbidden) -> EventKind {
        EventKind::ChildrenForbidden {
            gateway: Arc::from(f.gateway),
            vpn: Arc::from(f.vpn),
            children: f.children,
            local_ts: f.local_ts,
            remote_ts: f.remote_ts,
        }
    }
}

/// The children of a session that its gateway does not allow. Those of VPNs that are gone are not among them.
pub(crate) fn children(session: &Session, gateway: &Gateway) -> Vec<ChildId> {
    let live = session
        .children
        .iter()
        .filter(|c| c.state == ChildState::Live);
    let forbidden = live.filter(|c| {
        let vpn = gateway.vpn(&c.vpn);
        vpn.is_some_and(|vpn| !child::allows(vpn, &session.ends(), c))
    });
    forbidden.map(|c| c.id).collect()
}

/// Ends such a child.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) -> Option<Forbidden> {
    let gateway = gateway_of(ctx, session)?;
    let child = session.child_mut(id)?;
    let vpn = gateway.vpn(&child.vpn)?;
    child.state = ChildState::Deleting;
    let (local_ts, remote_ts) = (child.local_ts.clone(), child.remote_ts.clone());
    if session.initiator {
        let instead = |pair: &SelectorPair| {
            (local_ts.iter()).any(|t| pair.local.intersect(t).is_some())
                && (remote_ts.iter()).any(|t| pair.remote.intersect(t).is_some())
        };
        tasks::want_missing_pairs(session, vpn, instead, ctx.now);
    }
    tasks::delete_child(session, id, ctx.now);
    tasks::expires_soon(session, id, ctx.now);
    Some(Forbidden {
        gateway: gateway.name.clone(),
        vpn: vpn.name.clone(),
        children: 1,
        local_ts,
        remote_ts,
    })
}

/// Ends a child that has come when it was not allowed any more.
pub(crate) fn withdraw_one(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    let gateway = gateway_of(ctx, session);
    if gateway.is_some_and(|gateway| children(session, &gateway).contains(&id)) {
        if let Some(forbidden) = withdraw(ctx, session, id) {
            ctx.event(forbidden.into());
        }
    }
}

//! Sessions in the place of others: set-up, the moment at which the new one takes over, and what restarts leave of it
//! (see [`crate::sa::reauth`]).

use ravelin_types::Time;

use super::Endpoint;
use super::commands::first_children;
use crate::config::{Gateway, SelectorPair};
use crate::environment::Environment;
use crate::event::EventKind;
use crate::sa::{Task, child, reauth, tasks};
use crate::session::{ChildState, DownReasonStored, Session};
use crate::stats::Count;
use crate::timers::CHILD_RETRY;

impl<E: Environment> Endpoint<E> {
    /// Sets up a session in the place of this one, between the same addresses and with the same children.
    pub(super) fn reauthenticate(&mut self, now: Time, old: u64) {
        let Some(session) = self.sessions.get_mut(&old) else {
            return;
        };
        let name = session
            .gateway
            .as_ref()
            .filter(|_| session.closing.is_none());
        let gateway = name.and_then(|name| self.config.gateways.named(name));
        let Some(gateway) = gateway.cloned().filter(|g| !g.proposals.is_empty()) else {
            return;
        };
        let mut children = children_of(session, &gateway);
        if children.is_empty() {
            children = first_children(&gateway, None);
        }
        let path = (session.path.local.ip(), session.path.remote.ip());
        let id = self.out.new_id();
        session.volatile.successor = Some(id);
        self.stats.add(Count::Reauthentication);
        self.begin(now, id, &gateway, path, children, Some(old));
    }

    /// Deletes the session in whose place this one was set up, once this one has what it is to have.
    pub(super) fn take_over(&mut self, now: Time, new: u64) {
        let Some(session) = self.sessions.get(&new) else {
            return;
        };
        let old = session.predecessor.and_then(|old| self.sessions.get(&old));
        let Some(old) = old.filter(|old| old.closing.is_none() && is_complete(session, old, now))
        else {
            return;
        };
        // It may have got further ones meanwhile, which are asked for once.
        let asked = &session.volatile.asked;
        let gateway = session.gateway.as_ref();
        let gateway = gateway.and_then(|name| self.config.gateways.named(name));
        let further = gateway.map_or_else(Vec::new, |gateway| children_of(old, gateway));
        let further: Vec<Task> = (further.into_iter())
            .filter(|task| !asked.contains(task))
            .collect();
        if !further.is_empty() {
            self.with_session(now, new, |_, session| {
                session.volatile.asked.extend(further.iter().cloned());
                further.into_iter().for_each(|task| session.want(task, now));
                Ok(())
            });
            return;
        }
        let old = old.id;
        if let Some(gateway) = session.gateway.clone() {
            self.initiated.insert(gateway, new);
        }
        self.with_session(now, old, |_, session| {
            tasks::close(session, DownReasonStored::Reauthenticated, now);
            Ok(())
        });
        // What the old one could not have, either.
        self.with_session(now, new, |ctx, session| {
            tasks::want_missing_children(ctx, session, now);
            Ok(())
        });
    }

    /// As [`Endpoint::take_over`], of all sessions.
    pub(super) fn take_over_all(&mut self, now: Time) {
        let waiting = self.sessions.values().filter(|s| s.predecessor.is_some());
        let waiting: Vec<u64> = waiting.map(|s| s.id).collect();
        waiting.into_iter().for_each(|id| self.take_over(now, id));
    }

    /// A session is over: others of its peer take its traffic, before its children go, and its place.
    pub(super) fn hand_over(&mut self, session: &mut Session) {
        let authenticated = session.gateway.as_ref().zip(session.peer.as_ref());
        if let Some((gateway, peer)) = authenticated.filter(|_| session.volatile.listed) {
            let listed = self.out.connections.of_peer(gateway, peer).iter();
            let others: Vec<u64> = listed.map(|(id, _)| *id).collect();
            for other in others.into_iter().filter(|id| *id != session.id) {
                let mut moved = Vec::new();
                self.amend(other, |other| {
                    other.volatile.beside = false;
                    moved = reauth::stop_standing_by(other, |_| true);
                });
                let moved = moved.into_iter().map(EventKind::ChildActivateOutbound);
                moved.for_each(|event| self.out.stage(event));
                session.volatile.lingers = true;
            }
        }
        if let Some(successor) = session.volatile.successor {
            self.amend(successor, |successor| {
                successor.predecessor = None;
                successor.volatile.dirty = true;
            });
        }
        if let Some(predecessor) = session.predecessor {
            self.amend(predecessor, |old| old.volatile.successor = None);
        }
    }

    /// Changes a session outside of a step: nothing begins by it.
    fn amend(&mut self, id: u64, change: impl FnOnce(&mut Session)) {
        if let Some(mut session) = self.sessions.remove(&id) {
            change(&mut session);
            self.store(&mut session);
            self.schedule(&mut session);
            self.sessions.insert(id, session);
        }
    }

    /// All of a journal is taken up: sessions find those in whose place they stand.
    pub(super) fn rejoin(&mut self) {
        let pairs = self.sessions.values();
        let pairs: Vec<_> = pairs.filter_map(|s| Some((s.id, s.predecessor?))).collect();
        for (new, old) in pairs {
            let Some(found) = self.sessions.get(&old) else {
                self.amend(new, |new| {
                    new.predecessor = None;
                    new.volatile.dirty = true;
                });
                continue;
            };
            if let Some(gateway) = found.gateway.clone().filter(|_| found.closing.is_some()) {
                self.initiated.insert(gateway, new);
            }
            self.amend(old, |old| old.volatile.successor = Some(new));
        }
    }

    /// Notes a session of ours with a gateway, in a journal: of two, the one that has the place.
    pub(super) fn note_initiated(&mut self, session: &Session) {
        let Some(gateway) = session.gateway.clone().filter(|_| session.initiator) else {
            return;
        };
        if session.predecessor.is_none() && session.closing.is_none() {
            self.initiated.insert(gateway, session.id);
        } else {
            self.initiated.entry(gateway).or_insert(session.id);
        }
    }
}

/// The live children of a session as those that another one is to begin with.
fn children_of(session: &Session, gateway: &Gateway) -> Vec<Task> {
    let mut all = Vec::new();
    for child in session
        .children
        .iter()
        .filter(|c| c.state == ChildState::Live)
    {
        let Some(vpn) = gateway.vpn(&child.vpn) else {
            continue;
        };
        let pairs = child::pairs_of(vpn, &session.ends());
        // The peer may have made it of several pairs.
        let covers = |pair: &SelectorPair| {
            child.local_ts.iter().all(|t| pair.local.covers(t))
                && child.remote_ts.iter().all(|t| pair.remote.covers(t))
        };
        let shares = |pair: &SelectorPair| {
            (child.local_ts.iter()).any(|t| pair.local.intersect(t).is_some())
                && (child.remote_ts.iter()).any(|t| pair.remote.intersect(t).is_some())
        };
        let one = pairs.iter().position(covers);
        let fits = |(at, pair): &(usize, &SelectorPair)| match one {
            Some(one) => one == *at,
            None => shares(pair),
        };
        for (pair, _) in pairs.iter().enumerate().filter(fits) {
            let vpn = vpn.name.clone();
            let task = Task::NewChild { vpn, pair };
            if !all.contains(&task) {
                all.push(task);
            }
        }
    }
    all
}

/// Whether a session has what it is to have of an old one: each child was made or refused, and some was made when the old one has any.
fn is_complete(session: &Session, old: &Session, now: Time) -> bool {
    let has_children = |s: &Session| s.children.iter().any(|c| c.state == ChildState::Live);
    let busy = |i: &crate::session::IkeSa| i.requested_child().is_some() || i.preparing.is_some();
    // What was refused is asked for again much later.
    let soon = now + CHILD_RETRY / 2;
    let waiting = |w: &crate::session::Waiting| {
        matches!(w.task, Task::NewChild { .. }) && w.not_before < soon
    };
    session.established_at.is_some()
        && session.closing.is_none()
        && !session.ikes.iter().any(busy)
        && !session.tasks.iter().any(waiting)
        && (has_children(session) || !has_children(old))
}

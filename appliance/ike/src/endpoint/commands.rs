//! What operators and the data plane ask of the endpoint.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ravelin_types::numbers::{LAST_EPOCH, is_epoch_soft};
use ravelin_types::{ChildId, Numbers, Time};

use super::Endpoint;
use crate::config::{DpdMode, Gateway};
use crate::environment::Environment;
use crate::error::{Fault, Reason, Stage};
use crate::event::{EventKind, IkeId, Outer, SessionId};
use crate::outbox::Ctx;
use crate::sa::liveness::{self, Passage};
use crate::sa::{State, Task, child, established, init, reauth, tasks};
use crate::session::{ChildState, DownReasonStored, IkeSa, Path, Session};
use crate::timers::HALF_OPEN_LIFETIME;

/// Port of IKE without NAT traversal.
const PORT_IKE: u16 = 500;

impl<E: Environment> Endpoint<E> {
    /// Connects to a static gateway, or adds what is missing of one VPN when it is connected. False: no such gateway or VPN, or
    /// no address of ours fits.
    pub fn initiate(&mut self, gateway: &str, vpn: Option<&str>, now: Time) -> bool {
        let Some(id) = self.initiated.get(gateway).copied() else {
            return self.connect(gateway, vpn, now);
        };
        let found = self.config.gateways.named(gateway).cloned();
        let Some(found) = found else { return false };
        self.with_session(now, id, |_, session| {
            for task in first_children(&found, vpn) {
                let exists = |c: &crate::session::Child| {
                    c.state == ChildState::Live
                        && matches!(&task, Task::NewChild { vpn, .. } if *vpn == c.vpn)
                };
                let asked = |r: &child::Requested| {
                    matches!(&task, Task::NewChild { vpn, .. } if *vpn == r.vpn)
                };
                let mut requested = session.ikes.iter().filter_map(IkeSa::requested_child);
                if !session.children.iter().any(exists) && !requested.any(asked) {
                    session.want(task, now);
                }
            }
            Ok(())
        })
    }

    /// Says whether messages can pass between us and any peer: the data plane, which carries them, went away or is back. While it
    /// is away no peer is held to be dead, and at its return what waits for an answer is sent at once and has its time anew.
    pub fn set_passable(&mut self, passable: bool, now: Time) {
        let open = matches!(self.passage, Passage::OpenSince(_));
        if passable == open {
            return;
        }
        self.passage = if passable {
            Passage::OpenSince(now)
        } else {
            Passage::Closed
        };
        let ids: Vec<u64> = self.sessions.keys().copied().collect();
        for id in ids {
            self.with_session(now, id, |ctx, session| {
                if passable {
                    liveness::ask_again(session, ctx.now);
                }
                Ok(())
            });
        }
    }

    /// Starts a session with a static gateway.
    pub(super) fn connect(&mut self, name: &str, vpn: Option<&str>, now: Time) -> bool {
        let Some(gateway) = self.config.gateways.named(name).cloned() else {
            return false;
        };
        let path = self.next_path(&gateway).map(|(path, _)| path);
        let Some((local, remote)) = path.filter(|_| !gateway.proposals.is_empty()) else {
            return false;
        };
        let children = first_children(&gateway, vpn);
        if vpn.is_some() && children.is_empty() {
            return false;
        }
        let id = self.out.new_id();
        self.initiated.insert(gateway.name.clone(), id);
        self.begin(now, id, &gateway, (local, remote), children, None);
        true
    }

    /// Where the next set-up with a static gateway goes: behind the address that failed last, else to the first. True: all of them
    /// have been tried since the first.
    pub(super) fn next_path(&self, gateway: &Gateway) -> Option<((IpAddr, IpAddr), bool)> {
        let paths: Vec<_> = gateway.static_paths().collect();
        let failed = self.failed.get(&gateway.name);
        let failed = failed.and_then(|at| paths.iter().position(|(_, remote)| remote == at));
        let next = failed.map_or(0, |at| at + 1);
        let path = paths.get(next).or(paths.first()).copied()?;
        Some((path, next == paths.len()))
    }

    /// Begins a session with these children, of a gateway with proposals.
    pub(super) fn begin(
        &mut self,
        now: Time,
        id: u64,
        gateway: &Gateway,
        (local, remote): (IpAddr, IpAddr),
        children: Vec<Task>,
        predecessor: Option<u64>,
    ) {
        let Some(proposal) = gateway.proposals.first() else {
            return;
        };
        let ike = self.out.new_id();
        let path = Path {
            vrf: gateway.vrf,
            local: SocketAddr::new(local, PORT_IKE),
            remote: SocketAddr::new(remote, PORT_IKE),
            nat_local: false,
            nat_remote: false,
        };
        let mut session = Box::new(Session::new(id, true, path, now));
        session.gateway = Some(gateway.name.clone());
        let connections = &self.out.connections;
        session.only_contact = match gateway.static_identity(remote) {
            Some(peer) => connections.of_peer(&gateway.name, &peer).is_empty(),
            None => !connections.any(&gateway.name),
        };
        session.predecessor = predecessor;
        if predecessor.is_some() {
            session.volatile.asked.clone_from(&children);
        }
        session.current = ike;
        session.tasks = children
            .into_iter()
            .map(|task| crate::session::Waiting {
                not_before: now,
                task,
            })
            .collect();
        let starting = init::Starting {
            group: proposal.suite.dh().iana(),
            cookie: None,
            rounds: 0,
        };
        let mut sa = IkeSa::new(ike, true, State::Starting(starting), now);
        sa.expires_at = Some(now + HALF_OPEN_LIFETIME);
        session.add_ike(sa);
        let group = proposal.suite.dh();
        self.step(now, session, |ctx, session| {
            session.ike_mut(ike)?.spi_i = ctx.ike_spi()?;
            init::start(ctx, session, group)
        });
    }

    /// Rekeys the IKE SA now.
    pub fn rekey_ike(&mut self, ike: IkeId, now: Time) -> bool {
        let Some(id) = self.session_of_ike(ike) else {
            return false;
        };
        self.with_session(now, id, |_, session| {
            session.want(Task::RekeyIke, now);
            Ok(())
        })
    }

    /// Rekeys the child SA now.
    pub fn rekey_child(&mut self, child: ChildId, now: Time) -> bool {
        self.with_child(child, now, |_, session, child| {
            if session
                .child(child)
                .is_some_and(|c| c.state == ChildState::Live)
            {
                session.want(Task::RekeyChild(child), now);
            }
            Ok(())
        })
    }

    /// Sends the peer to where its gateway redirects to. False: it does not know redirects, or the gateway has none.
    pub fn redirect(&mut self, session: SessionId, now: Time) -> bool {
        let found = self.sessions.get(&session.0);
        let name = found.filter(|s| s.redirectable && s.established_at.is_some());
        let gateway = name.and_then(|s| self.config.gateways.named(s.gateway.as_ref()?));
        gateway.is_some_and(|g| g.redirect.is_some())
            && self.with_session(now, session.0, |_, session| {
                session.want(Task::Redirect, now);
                Ok(())
            })
    }

    /// Deletes the session at both ends.
    pub fn close(&mut self, session: SessionId, now: Time) -> bool {
        self.with_session(now, session.0, |_, session| {
            tasks::close(session, DownReasonStored::Closed, now);
            Ok(())
        })
    }

    /// Deletes the child SA at both ends.
    pub fn close_child(&mut self, child: ChildId, now: Time) -> bool {
        self.with_child(child, now, |_, session, child| {
            tasks::delete_child(session, child, now);
            Ok(())
        })
    }

    /// The data plane has installed the pair (the daemon releases the datagrams that waited for it).
    pub fn install_done(&mut self, child: ChildId, _now: Time) -> bool {
        self.session_of_child(child).is_some()
    }

    /// The data plane cannot install the pair, as `why` says: it is deleted at both ends.
    pub fn install_failed(&mut self, child: ChildId, why: &str, now: Time) -> bool {
        self.with_child(child, now, |ctx, session, child| {
            let refused = session.child(child).map(|c| Reason::Install {
                vpn: c.vpn.clone(),
                local: c.local_ts.clone(),
                remote: c.remote_ts.clone(),
                why: why.to_owned(),
            });
            if let Some(reason) = refused {
                ctx.failure(session, session.path.remote, Stage::Child, reason);
            }
            tasks::delete_child(session, child, now);
            Ok(())
        })
    }

    /// Asks for pairs to be installed again, each under a new epoch: the data plane has lost them. One whose epochs end soon is rekeyed
    /// besides, and one whose epochs are used up is rekeyed instead; those that will not be installed come back. A session is
    /// recorded once, however many children it has.
    pub fn reinstall(&mut self, children: &[ChildId], now: Time) -> Vec<ChildId> {
        let mut unusable = Vec::new();
        for (session, children) in self.by_session(children, |child| *child) {
            let known = session.is_some_and(|id| {
                self.with_session(now, id, |ctx, session| {
                    for child in &children {
                        if !reinstall_child(ctx, session, *child) {
                            unusable.push(*child);
                        }
                    }
                    Ok(())
                })
            });
            if !known {
                unusable.extend(children);
            }
        }
        unusable
    }

    /// The data plane has used these numbers and wants to use more (design decision D17): once the higher ceilings are stored,
    /// [`EventKind::ChildGrant`] grants them.
    pub fn grant(&mut self, asks: &[(ChildId, Numbers)], now: Time) {
        for (session, asks) in self.by_session(asks, |(child, _)| *child) {
            let Some(id) = session else {
                continue;
            };
            self.with_session(now, id, |ctx, session| {
                for (child, used) in asks {
                    grant_child(ctx, session, child, used);
                }
                Ok(())
            });
        }
    }

    /// What concerns children, by their sessions.
    fn by_session<T: Copy>(
        &self,
        all: &[T],
        child: impl Fn(&T) -> ChildId,
    ) -> BTreeMap<Option<u64>, Vec<T>> {
        let mut sessions: BTreeMap<Option<u64>, Vec<T>> = BTreeMap::new();
        for one in all {
            let session = self.session_of_child(child(one));
            sessions.entry(session).or_default().push(*one);
        }
        sessions
    }

    /// The peer was seen using the pair; the data plane has moved outbound traffic to it.
    pub fn child_used(&mut self, child: ChildId, now: Time) -> bool {
        self.with_child(child, now, |ctx, session, id| {
            session.hear(now);
            let Some(found) = session.child_mut(id) else {
                return Ok(());
            };
            let (replaces, stood_by) = (found.replaces, found.stands_by_until.take());
            if !found.active {
                found.active = true;
                session.volatile.dirty = true;
            }
            if let Some(old) = replaces.and_then(|old| session.child_mut(old)) {
                old.active = false;
            }
            if stood_by.is_some() {
                reauth::carries(ctx, session);
            }
            Ok(())
        })
    }

    /// Authenticated traffic came in on these pairs: proof of life.
    pub fn children_alive(&mut self, children: &[ChildId], now: Time) {
        self.note_use(children, now);
        let always: Vec<bool> = children.iter().map(|c| self.probes_always(*c)).collect();
        for (child, _) in children.iter().zip(always).filter(|(_, always)| !always) {
            self.with_child(*child, now, |_, session, _| {
                session.hear(now);
                Ok(())
            });
        }
    }

    /// Traffic went out on these pairs: no keepalive is needed, and liveness detection by `optimized` waits for traffic to
    /// come in.
    pub fn children_sent(&mut self, children: &[ChildId], now: Time) {
        self.note_use(children, now);
        for child in children {
            if self.heeds_sent(*child) {
                self.with_child(*child, now, |_, session, _| {
                    session.spoke(now);
                    Ok(())
                });
            }
        }
    }

    /// The sequence numbers, or a direction's volume, are near their end: rekey.
    pub fn child_lifetime_soft(&mut self, child: ChildId, now: Time) -> bool {
        self.rekey_child(child, now)
    }

    /// A direction's volume has come to its end, and the data plane has stopped it: as when its time is over.
    pub fn child_lifetime_hard(&mut self, child: ChildId, now: Time) -> bool {
        self.with_child(child, now, |ctx, session, child| {
            tasks::expire_child(ctx, session, child);
            Ok(())
        })
    }

    /// Authenticated ESP came from another address or port; taken over when a NAT lies before the peer.
    pub fn peer_moved(&mut self, child: ChildId, outer: Outer, now: Time) -> bool {
        self.with_child(child, now, |ctx, session, _| {
            let (Some((_, port)), true) = (outer.udp, session.follows_peer()) else {
                return Ok(());
            };
            let remote = SocketAddr::new(outer.remote, port);
            if session.path.remote != remote && session.path.remote.is_ipv4() == remote.is_ipv4() {
                session.path.remote = remote;
                established::moved(ctx, session);
            }
            Ok(())
        })
    }

    /// They are not idle.
    fn note_use(&mut self, children: &[ChildId], now: Time) {
        for child in children {
            let id = self.session_of_child(*child);
            let session = id.and_then(|id| self.sessions.get_mut(&id));
            if let Some(found) = session.and_then(|session| session.child_mut(*child)) {
                found.used_at = now;
            }
        }
    }

    fn probes_always(&self, child: ChildId) -> bool {
        self.dpd_mode(child) == Some(DpdMode::AlwaysSend)
    }

    fn heeds_sent(&self, child: ChildId) -> bool {
        let session = self.session_of_child(child);
        let session = session.and_then(|id| self.sessions.get(&id));
        session.is_some_and(|s| s.path.nat_local)
            || self.dpd_mode(child) == Some(DpdMode::Optimized)
    }

    fn dpd_mode(&self, child: ChildId) -> Option<DpdMode> {
        let id = self.session_of_child(child)?;
        let gateway = self.sessions.get(&id)?.gateway.as_ref()?;
        self.config.gateways.named(gateway)?.dpd.map(|d| d.mode)
    }

    fn session_of_ike(&self, ike: IkeId) -> Option<u64> {
        self.sessions
            .values()
            .find(|s| s.ike(ike.0).is_some())
            .map(|s| s.id)
    }

    pub(super) fn session_of_child(&self, child: ChildId) -> Option<u64> {
        self.by_child.get(&child).copied()
    }

    fn with_child(
        &mut self,
        child: ChildId,
        now: Time,
        step: impl FnOnce(&mut crate::outbox::Ctx<'_>, &mut Session, ChildId) -> Result<(), Fault>,
    ) -> bool {
        let Some(id) = self.session_of_child(child) else {
            return false;
        };
        self.with_session(now, id, |ctx, session| step(ctx, session, child))
    }
}

/// False when the child is gone or has no epoch left.
fn reinstall_child(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) -> bool {
    let Some(found) = session.child(id).filter(|c| c.is_installed()) else {
        return false;
    };
    let (epoch, live) = (found.epoch, found.state == ChildState::Live);
    if is_epoch_soft(epoch) && live {
        session.want(Task::RekeyChild(id), ctx.now);
    }
    let usable = epoch < LAST_EPOCH;
    if usable {
        child::install(ctx, session, id);
    }
    usable
}

fn grant_child(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId, used: Numbers) {
    let Some(found) = session.child_mut(id) else {
        return;
    };
    let ceilings = found.ceilings.granted(used, found.suite.extended_sequence);
    let raised = found.ceilings != ceilings;
    found.ceilings = ceilings;
    session.volatile.dirty |= raised;
    ctx.event(EventKind::ChildGrant {
        child: id,
        ceilings,
    });
}

/// The child SAs to begin with: of one VPN, or of all that are to be up by us, or of the first.
pub(super) fn first_children(gateway: &Arc<Gateway>, vpn: Option<&str>) -> Vec<Task> {
    let immediate = gateway.vpns.iter().any(|v| v.establish_immediately);
    let chosen = gateway.vpns.iter().enumerate().filter(|(at, v)| match vpn {
        Some(name) => v.name == name,
        None if immediate => v.establish_immediately,
        None => *at == 0,
    });
    let pairs = chosen.flat_map(|(_, v)| {
        (0..v.selectors.len()).map(|pair| Task::NewChild {
            vpn: v.name.clone(),
            pair,
        })
    });
    pairs.collect()
}

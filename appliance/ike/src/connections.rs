//! Who is connected: established sessions by peer, by gateway and by address, and whether a gateway has room for one more.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use ravelin_types::Identity;

use crate::config::Gateway;
use crate::error::Reason;
use crate::session::Session;

/// The established sessions of an endpoint.
#[derive(Default)]
pub(crate) struct Connections {
    /// Sessions with the addresses that they count for, the oldest first.
    by_peer: HashMap<(String, Identity), Vec<(u64, IpAddr)>>,
    by_gateway: HashMap<String, usize>,
    by_address: HashMap<(String, IpAddr), usize>,
}

impl Connections {
    /// Enters a session that is established, once. It counts for the address that its peer has now, wherever that moves.
    pub(crate) fn enter(&mut self, session: &mut Session) {
        if session.volatile.listed || session.established_at.is_none() {
            return;
        }
        if let (Some(gateway), Some(peer)) = (&session.gateway, &session.peer) {
            let address = session.path.remote.ip();
            let key = (gateway.clone(), peer.clone());
            self.by_peer
                .entry(key)
                .or_default()
                .push((session.id, address));
            *self.by_gateway.entry(gateway.clone()).or_default() += 1;
            *self
                .by_address
                .entry((gateway.clone(), address))
                .or_default() += 1;
            session.volatile.listed = true;
        }
    }

    /// Strikes out a session that is over.
    pub(crate) fn strike(&mut self, session: &Session) {
        let (Some(gateway), Some(peer)) = (&session.gateway, &session.peer) else {
            return;
        };
        let key = (gateway.clone(), peer.clone());
        let Some(list) = self.by_peer.get_mut(&key) else {
            return;
        };
        let Some(at) = list.iter().position(|(id, _)| *id == session.id) else {
            return;
        };
        let (_, address) = list.remove(at);
        if list.is_empty() {
            self.by_peer.remove(&key);
        }
        take_one(&mut self.by_gateway, gateway);
        take_one(&mut self.by_address, &(gateway.clone(), address));
    }

    /// The sessions of a peer, the oldest first.
    pub(crate) fn of_peer(&self, gateway: &str, peer: &Identity) -> &[(u64, IpAddr)] {
        let key = (gateway.to_owned(), peer.clone());
        self.by_peer.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Whether a gateway has sessions.
    pub(crate) fn any(&self, gateway: &str) -> bool {
        self.by_gateway.contains_key(gateway)
    }

    /// Whether a peer may connect. One that is connected already may, since its new session takes the place of the old one.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn admit(
        &self,
        gateway: &Gateway,
        peer: &Identity,
        address: IpAddr,
    ) -> Result<(), Reason> {
        let own = self.of_peer(&gateway.name, peer);
        let here = own.iter().any(|(_, at)| *at == address);
        let (all, at_address) = self.counts(&gateway.name, address);
        let limits = &gateway.connections;
        match (limits.all, limits.per_address) {
            (Some(limit), _) if own.is_empty() && all >= limit => Err(Reason::Connections {
                gateway: gateway.name.clone(),
                limit,
                address: None,
            }),
            (_, Some(limit)) if !here && at_address >= limit => Err(Reason::Connections {
                gateway: gateway.name.clone(),
                limit,
                address: Some(address),
            }),
            _ => Ok(()),
        }
    }

    /// Whether there are more than a gateway allows, so that a peer that has come anew keeps its newest session only.
    pub(crate) fn exceed(&self, gateway: &Gateway, address: IpAddr) -> bool {
        let (all, at_address) = self.counts(&gateway.name, address);
        let limits = &gateway.connections;
        limits.all.is_some_and(|limit| all > limit)
            || limits.per_address.is_some_and(|limit| at_address > limit)
    }

    fn counts(&self, gateway: &str, address: IpAddr) -> (usize, usize) {
        let all = self.by_gateway.get(gateway).copied().unwrap_or_default();
        let key = (gateway.to_owned(), address);
        (all, self.by_address.get(&key).copied().unwrap_or_default())
    }
}

fn take_one<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

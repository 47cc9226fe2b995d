//! Addresses that peers get from pools (RFC 7296 section 2.19).
//!
//! What is leased is in the records of the sessions that hold it; this table only finds free ones quickly. An address comes into use
//! again as late as the pool allows, so that packets of its former holder are gone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ravelin_types::{Identity, Prefix};

use crate::config::AddressPool;

/// Addresses of one pool and family: what a prefix of /16 has. More are not leased from a wider one.
pub const MAX_LEASES: usize = 65_536;

/// The addresses of a prefix that are leased, as numbers.
struct Range {
    ipv6: bool,
    next: u128,
    last: u128,
    released: VecDeque<IpAddr>,
}

impl Range {
    /// Without what is the network's or everybody's: the first address, and in IPv4 the last.
    fn of(prefix: Prefix) -> Range {
        let (first, width) = match prefix.addr() {
            IpAddr::V4(a) => (u128::from(u32::from(a)), 32),
            IpAddr::V6(a) => (u128::from(a), 128),
        };
        let ipv6 = prefix.addr().is_ipv6();
        let bits = u32::from(width - prefix.len());
        let size = 1u128.checked_shl(bits).unwrap_or(u128::MAX);
        let last = first.saturating_add(size - 1);
        let (skipped, kept) = match (ipv6, bits) {
            (_, 0 | 1) => (0, 0),
            (false, _) => (1, 1),
            (true, _) => (1, 0),
        };
        let most = first.saturating_add(MAX_LEASES as u128);
        Range {
            ipv6,
            next: first + skipped,
            last: (last - kept).min(most),
            released: VecDeque::new(),
        }
    }

    fn address(&self, number: u128) -> IpAddr {
        if self.ipv6 {
            Ipv6Addr::from(number).into()
        } else {
            Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()
        }
    }

    /// One that nobody holds.
    fn take(&mut self, held: &HashMap<IpAddr, u64>) -> Option<IpAddr> {
        while self.next <= self.last {
            let address = self.address(self.next);
            self.next += 1;
            if !held.contains_key(&address) {
                return Some(address);
            }
        }
        loop {
            let address = self.released.pop_front()?;
            if !held.contains_key(&address) {
                return Some(address);
            }
        }
    }
}

/// Who leases.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) session: u64,
    pub(crate) peer: &'a Identity,
    /// The peer has no other session (INITIAL_CONTACT): what an older one holds is its own.
    pub(crate) alone: bool,
    /// Its sessions at the same address: what they hold it may keep, as one that authenticates anew does.
    pub(crate) beside: &'a [u64],
}

/// The leases of all pools.
#[derive(Default)]
pub(crate) struct Leases {
    /// By pool: which session holds an address.
    held: HashMap<String, HashMap<IpAddr, u64>>,
    /// By pool, peer and whether it is of IPv6: what the peer got last and still holds.
    last: HashMap<(String, Identity, bool), IpAddr>,
    /// By pool and prefix: what is free.
    ranges: BTreeMap<(String, Prefix), Range>,
}

impl Leases {
    /// An address of this family for the session: the one it wishes, when it is free, or else any.
    pub(crate) fn take(
        &mut self,
        pool: &AddressPool,
        ipv6: bool,
        wish: Option<IpAddr>,
        holder: Holder<'_>,
    ) -> Option<IpAddr> {
        let prefix = if ipv6 { pool.inet6 } else { pool.inet }?;
        let key = (pool.name.clone(), prefix);
        let held = self.held.entry(pool.name.clone()).or_default();
        let range = self.ranges.entry(key).or_insert_with(|| Range::of(prefix));
        let whole = Range::of(prefix);
        let number = |a: IpAddr| match a {
            IpAddr::V4(a) => u128::from(u32::from(a)),
            IpAddr::V6(a) => u128::from(a),
        };
        let leased = |a: &IpAddr| (whole.next..=whole.last).contains(&number(*a));
        let open = |a: &IpAddr| held.get(a).is_none_or(|by| holder.beside.contains(by));
        let wish = wish.filter(|a| a.is_ipv6() == ipv6 && leased(a) && open(a));
        let last = (pool.name.clone(), holder.peer.clone(), ipv6);
        let own = self.last.get(&last).filter(|a| holder.alone && leased(a));
        let address = own.copied().or(wish).or_else(|| range.take(held))?;
        held.insert(address, holder.session);
        self.last.insert(last, address);
        Some(address)
    }

    /// The session of a journal holds this.
    pub(crate) fn restore(&mut self, pool: &str, address: IpAddr, session: u64, peer: &Identity) {
        let held = self.held.entry(pool.to_owned()).or_default();
        // The older of two has lost it to the other, and is about to end.
        let holder = held.entry(address).or_insert(session);
        *holder = session.max(*holder);
        let last = (pool.to_owned(), peer.clone(), address.is_ipv6());
        self.last.insert(last, address);
    }

    /// The session gives this back, unless another one has taken it over.
    pub(crate) fn release(&mut self, pool: &str, address: IpAddr, session: u64, peer: &Identity) {
        let Some(held) = self.held.get_mut(pool) else {
            return;
        };
        if held.get(&address) != Some(&session) {
            return;
        }
        held.remove(&address);
        let last = (pool.to_owned(), peer.clone(), address.is_ipv6());
        if self.last.get(&last) == Some(&address) {
            self.last.remove(&last);
        }
        let ranges = self.ranges.iter_mut().filter(|((name, _), _)| name == pool);
        for ((_, prefix), range) in ranges {
            if prefix.covers(&Prefix::host(address)) {
                range.released.push_back(address);
            }
        }
    }

    /// Forgets what was free in pools that have changed or are gone.
    pub(crate) fn keep(&mut self, pools: &[(&str, Prefix)]) {
        self.ranges
            .retain(|(name, prefix), _| pools.contains(&(name.as_str(), *prefix)));
    }
}

#[cfg(test)]
mod tests;

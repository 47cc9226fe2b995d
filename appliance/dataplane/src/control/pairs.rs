//! SA pairs: install, activate, move, remove, list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::sa::{
    DfBit, Event as SaEvent, InstallError, Outbound, Outer, PairCounters, PairState, SaPair,
    TfcPadding,
};
use ravelin_esp::engine::Service;
use ravelin_esp::{
    DfPolicy, Direction, InboundParams, IvPrefix, KeyId, OutboundParams, OuterAddresses,
};
use ravelin_types::numbers::{self, ASK_LEFT, Remembered, Resumption, Unusable};
use ravelin_types::{IpsecMode, NodeId, Numbers, PairId, Prefix, SPI_MIN, Spi, Time, VrfId};

use super::Controller;
use super::keys::make;
use super::life::Lives;
use super::transport;
use crate::link::Command;
use crate::platform::{Key, Platform};
use crate::sa::{PairFacts, PendingSa, slot_of};
use crate::selector::{Child, MAX_SELECTORS};
use crate::state::{self, StateCells};

/// Pairs of one node.
pub const MAX_PAIRS: usize = 131_072;

/// What is known of a pair.
pub(super) struct Record {
    pub(super) child: Arc<Child>,
    pub(super) inner_vrf: VrfId,
    pub(super) outer: Outer,
    pub(super) inbound: Spi,
    pub(super) outbound: Spi,
    epoch: u32,
    mode: IpsecMode,
    active: bool,
    /// Set when it only lingers.
    remove_at: Option<Time>,
    reported_in: u64,
    reported_out: u64,
    /// Where inbound and outbound packets are worked on, as decided at its installation.
    services: [Service; 2],
}

impl Record {
    /// What it has carried, with the last numbers of the kept record.
    fn counters(&self, pair: PairId, cells: &impl StateCells) -> PairCounters {
        let traffic = &self.child.traffic;
        let kept = state::recall(cells, self.child.slot, self.inbound.0, self.outbound.0);
        let last = kept.map_or(Numbers::default(), |kept| kept.last);
        PairCounters {
            pair: pair.0,
            out_packets: traffic.out_packets.get(),
            out_octets: traffic.out_octets.get(),
            in_packets: traffic.in_packets.get(),
            in_octets: traffic.in_octets.get(),
            replay_drops: traffic.replay_drops.get(),
            auth_drops: traffic.auth_drops.get(),
            selector_drops: traffic.selector_drops.get(),
            out_sequence: last.outbound,
            in_sequence: last.inbound,
        }
    }
}

/// The pairs by identity and by slot.
pub(super) struct Pairs {
    pub(super) records: HashMap<PairId, Box<Record>>,
    pub(super) slots: HashMap<u32, PairId>,
    lingering: Vec<PairId>,
    /// Pairs that wait for higher ceilings, and the numbers they have used.
    asking: BTreeMap<PairId, Numbers>,
    /// To be asked for with the next [`Controller::poll`].
    wanted: BTreeSet<PairId>,
    /// Where peers were heard that iked has not followed there: nobody may have told it.
    moved: BTreeMap<PairId, Outer>,
    /// Resumed at their ceilings; to be told with the next [`Controller::poll`].
    resumed: Vec<PairId>,
    /// Those whose volume is limited.
    pub(super) lives: Lives,
    /// Pairs per worker.
    load: Vec<usize>,
    node: NodeId,
}

impl Pairs {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            records: HashMap::new(),
            slots: HashMap::new(),
            lingering: Vec::new(),
            asking: BTreeMap::new(),
            wanted: BTreeSet::new(),
            moved: BTreeMap::new(),
            resumed: Vec::new(),
            lives: Lives::default(),
            load: vec![0; workers],
            node: NodeId::default(),
        }
    }

    /// Slot and owner of a pair.
    pub(super) fn place(&self, pair: PairId) -> Option<(u32, u8)> {
        let child = &self.records.get(&pair)?.child;
        Some((child.slot, child.owner))
    }

    pub(super) fn epoch(&self, pair: PairId) -> Option<u32> {
        self.records.get(&pair).map(|record| record.epoch)
    }

    /// The peer of a pair was heard at another address or port; the addresses that follow from it.
    pub(super) fn heard_at(&mut self, pair: PairId, remote: IpAddr, port: u16) -> Option<Outer> {
        let mut outer = self.records.get(&pair)?.outer;
        outer.remote = remote;
        outer.udp = outer.udp.map(|(local, _)| (local, port));
        self.moved.insert(pair, outer);
        Some(outer)
    }

    /// A pair wants higher ceilings. One that is gone does not.
    pub(super) fn ask(&mut self, pair: PairId, used: Numbers) {
        if self.records.contains_key(&pair) {
            self.asking.insert(pair, used);
            self.wanted.insert(pair);
        }
    }

    /// Asks again for what was not granted yet: iked may have been away.
    pub(super) fn ask_again(&mut self) {
        self.wanted.extend(self.asking.keys());
    }

    /// What iked should hear about numbers: a frame of each kind, however many pairs there are.
    pub(super) fn number_events(&mut self) -> impl Iterator<Item = SaEvent> {
        let used = |pair: &PairId| Some((*pair, *self.asking.get(pair)?));
        let wanted: Vec<_> = self.wanted.iter().filter_map(used).collect();
        self.wanted.clear();
        let resumed = std::mem::take(&mut self.resumed);
        let wanted = (!wanted.is_empty()).then_some(SaEvent::CeilingWanted(wanted));
        let resumed = (!resumed.is_empty()).then_some(SaEvent::Resumed(resumed));
        resumed.into_iter().chain(wanted)
    }

    /// Pairs that sent, and pairs that received, since the last call.
    pub(super) fn busy(&mut self) -> (Vec<PairId>, Vec<PairId>) {
        let (mut sent, mut alive) = (Vec::new(), Vec::new());
        let changed = |now: u64, reported: &mut u64| std::mem::replace(reported, now) != now;
        for (pair, record) in &mut self.records {
            if changed(
                record.child.traffic.out_packets.get(),
                &mut record.reported_out,
            ) {
                sent.push(*pair);
            }
            if changed(
                record.child.traffic.in_packets.get(),
                &mut record.reported_in,
            ) {
                alive.push(*pair);
            }
        }
        (sent, alive)
    }
}

/// Outer addresses as ESP wants them; `None` when the families differ.
fn outer_addresses(outer: &Outer) -> Option<OuterAddresses> {
    (outer.local.is_ipv4() == outer.remote.is_ipv4()).then_some(OuterAddresses {
        local: outer.local,
        remote: outer.remote,
        udp: outer.udp,
    })
}

impl<P: Platform> Controller<P> {
    /// Sets which node of an HA pair we are; it goes into the explicit IV.
    pub fn set_node(&mut self, node: NodeId) {
        self.pairs.node = node;
    }

    /// Installs a batch of pairs, one result each. Publishes.
    pub fn install(&mut self, batch: &[SaPair]) -> Vec<(PairId, Result<(), InstallError>)> {
        let results = batch
            .iter()
            .map(|pair| (pair.pair, self.install_one(pair)))
            .collect();
        self.publish();
        results
    }

    fn install_one(&mut self, sa: &SaPair) -> Result<(), InstallError> {
        let slot = slot_of(sa.inbound.spi.0);
        if sa.inbound.spi.0 < SPI_MIN || slot as usize >= self.shared.slots() {
            return Err(InstallError::BadSpi);
        }
        if let Some(record) = self.pairs.records.get(&sa.pair) {
            if record.epoch == sa.epoch && record.inbound == sa.inbound.spi {
                return Ok(());
            }
            if record.epoch >= sa.epoch {
                return Err(InstallError::StaleEpoch);
            }
        }
        if self
            .pairs
            .slots
            .get(&slot)
            .is_some_and(|holder| *holder != sa.pair)
        {
            return Err(InstallError::SlotInUse);
        }
        if self.pairs.records.len() >= MAX_PAIRS {
            return Err(InstallError::TableFull);
        }
        transport::check(sa)?;
        let child = self.child_of(sa, slot)?;
        let resumed = self.resumption(sa, slot)?;
        let carried = self.carried(sa, slot, resumed);
        let (pending, services) = self.pending(sa, slot, &child, resumed.last)?;
        if self.pairs.records.contains_key(&sa.pair) {
            self.forget(sa.pair);
        }
        if !state::begin(
            &self.shared.cells,
            slot,
            sa.inbound.spi.0,
            sa.outbound.spi.0,
            Remembered {
                epoch: sa.epoch,
                last: resumed.last,
            },
        ) {
            return Err(InstallError::TableFull);
        }
        self.enter(sa, &child, pending, services)?;
        self.begin_life(sa, carried, &child);
        if resumed.lost {
            log::warn!(
                "pair {} resumes at its ceilings: its numbers are lost",
                sa.pair.0
            );
            self.pairs.resumed.push(sa.pair);
        }
        // No packet need be dropped to find out that the granted numbers end soon.
        if resumed.last.outbound.saturating_add(ASK_LEFT) > sa.ceilings.outbound {
            self.pairs.ask(sa.pair, resumed.last);
        }
        Ok(())
    }

    /// Where the numbers of a pair begin.
    fn resumption(&self, sa: &SaPair, slot: u32) -> Result<Resumption, InstallError> {
        let known = state::recall(
            &self.shared.cells,
            slot,
            sa.inbound.spi.0,
            sa.outbound.spi.0,
        );
        numbers::resume(sa.epoch, known, sa.ceilings).map_err(|error| match error {
            Unusable::Epoch => InstallError::StaleEpoch,
            Unusable::Lost => InstallError::SequenceLost,
        })
    }

    /// Raises the ceilings of a pair.
    pub fn grant(&mut self, pair: PairId, ceilings: Numbers) {
        self.pairs.asking.remove(&pair);
        self.pairs.moved.remove(&pair);
        if let Some(record) = self.pairs.records.get(&pair) {
            let (slot, owner) = (record.child.slot, record.child.owner);
            self.command(owner, Command::Grant { slot, ceilings });
        }
    }

    /// iked is here (again): it hears of what it has not granted.
    pub fn ask_again(&mut self) {
        self.pairs.lives.tell_again();
        self.pairs.ask_again();
    }

    /// The selectors of a pair, with the worker that will own it.
    fn child_of(&self, sa: &SaPair, slot: u32) -> Result<Arc<Child>, InstallError> {
        let tunnel = ravelin_types::UnitName::new("st0", sa.tunnel_unit);
        let index = self
            .index_of(&tunnel)
            .ok_or(InstallError::NoTunnelInterface)?;
        let interface = self
            .working
            .config
            .interface(index)
            .ok_or(InstallError::NoTunnelInterface)?;
        if interface.vrf != sa.inner_vrf {
            return Err(InstallError::NoTunnelInterface);
        }
        let usable = |count: usize| (1..=MAX_SELECTORS).contains(&count);
        if !usable(sa.local_ts.len()) || !usable(sa.remote_ts.len()) {
            return Err(InstallError::BadSelectors);
        }
        let load = &self.pairs.load;
        let owner = (0..load.len())
            .min_by_key(|worker| load[*worker])
            .unwrap_or(0);
        let place = (slot, owner as u8);
        let child = Child::new(sa.pair, place, index, &sa.local_ts, &sa.remote_ts);
        let is_protected =
            |prefix: &Prefix| interface.protected.iter().any(|wide| wide.covers(prefix));
        // Without a protected set the peers may own anything that iked let them have.
        if !interface.protected.is_empty() && !child.prefixes().iter().all(is_protected) {
            return Err(InstallError::NotProtected);
        }
        Ok(Arc::new(child))
    }

    /// Keys, numbers and addresses of a pair whose numbers begin after `last`.
    fn pending(
        &self,
        sa: &SaPair,
        slot: u32,
        child: &Arc<Child>,
        last: Numbers,
    ) -> Result<(PendingSa<Key<P>>, [Service; 2]), InstallError> {
        let outer = outer_addresses(&sa.outer).ok_or(InstallError::BadSelectors)?;
        let make = |direction| make::<P>(&self.maker, sa, direction, child.owner);
        let (inbound_key, inbound_salt, inbound_service) = make(Direction::Decrypt)?;
        let (outbound_key, outbound_salt, outbound_service) = make(Direction::Encrypt)?;
        let iv = IvPrefix::new(self.pairs.node, sa.epoch).ok_or(InstallError::StaleEpoch)?;
        let facts = PairFacts {
            pair: sa.pair,
            epoch: sa.epoch,
            slot,
            child: Arc::clone(child),
            outer,
            outer_vrf: sa.outer.vrf,
            inner_vrf: sa.inner_vrf,
            tunnel_mtu_octets: sa.tunnel_mtu_octets,
            path_mtu_octets: None,
            tfc_octets: match sa.tfc_padding {
                None => 0,
                Some(TfcPadding::Octets(octets)) => octets,
                Some(TfcPadding::Mtu) => u16::MAX,
            },
        };
        let inbound = InboundParams {
            spi: sa.inbound.spi.0,
            transform: sa.transform,
            mode: sa.mode,
            copy_dscp: sa.copy_outer_dscp,
            salt: inbound_salt,
            key: KeyId(0),
            replay_window: sa.replay_window,
            last_sequence: last.inbound,
            ceiling: sa.ceilings.inbound,
            extended: sa.extended_sequence,
        };
        let df = match sa.df_bit {
            DfBit::Copy => DfPolicy::Copy,
            DfBit::Set => DfPolicy::Set,
            DfBit::Clear => DfPolicy::Clear,
        };
        let outbound = OutboundParams {
            spi: sa.outbound.spi.0,
            transform: sa.transform,
            protocol: sa.protocol,
            mode: sa.mode,
            salt: outbound_salt,
            key: KeyId(0),
            iv,
            outer,
            df,
            dscp: sa.outer_dscp,
            last_sequence: last.outbound,
            ceiling: sa.ceilings.outbound,
            extended: sa.extended_sequence,
        };
        let pending = PendingSa {
            facts,
            inbound,
            outbound,
            inbound_key,
            outbound_key,
        };
        Ok((pending, [inbound_service, outbound_service]))
    }

    /// Puts a checked pair into the tables and sends it to its owner. Inbound first, so that nothing the peer answers is refused.
    fn enter(
        &mut self,
        sa: &SaPair,
        child: &Arc<Child>,
        mut pending: PendingSa<Key<P>>,
        services: [Service; 2],
    ) -> Result<(), InstallError> {
        let (slot, owner) = (child.slot, child.owner);
        let active = sa.state == Outbound::Active;
        if active {
            let (_, table) = self.book(sa.inner_vrf).ok_or(InstallError::TableFull)?;
            table
                .selectors
                .activate(child)
                .map_err(|_| InstallError::TableFull)?;
        }
        self.selector_routes(sa.inner_vrf, child, true);
        pending.facts.path_mtu_octets = self.paths.mtu(&sa.outer);
        self.command(owner, Command::Install(Box::new(pending)));
        self.shared.set_owner(slot, Some(owner));
        self.pairs.slots.insert(slot, sa.pair);
        self.paths.enter(sa.outer, sa.outbound.spi, sa.pair);
        if let Some(load) = self.pairs.load.get_mut(usize::from(owner)) {
            *load += 1;
        }
        let record = Record {
            child: Arc::clone(child),
            inner_vrf: sa.inner_vrf,
            outer: sa.outer,
            inbound: sa.inbound.spi,
            outbound: sa.outbound.spi,
            epoch: sa.epoch,
            mode: sa.mode,
            active,
            remove_at: None,
            reported_in: 0,
            reported_out: 0,
            services,
        };
        self.pairs.records.insert(sa.pair, Box::new(record));
        Ok(())
    }

    /// Outbound traffic moves to this pair, if it stands by. Publishes with the next [`Controller::publish`].
    pub fn activate(&mut self, pair: PairId) {
        let Some(record) = self.pairs.records.get_mut(&pair) else {
            return;
        };
        if record.active || record.remove_at.is_some() {
            return;
        }
        record.active = true;
        let (child, vrf) = (Arc::clone(&record.child), record.inner_vrf);
        if let Some((_, table)) = self.book(vrf)
            && table.selectors.activate(&child).is_err()
        {
            log::error!(
                "pair {} not activated: {} others share a remote prefix",
                pair.0,
                crate::selector::MAX_CHILDREN_PER_PREFIX
            );
        }
    }

    /// The peer moved (authenticated by IKE). A pair in transport mode does not: its packets' addresses are its selectors'.
    pub fn relocate(&mut self, pair: PairId, outer: Outer) {
        let Some(addresses) = outer_addresses(&outer) else {
            return;
        };
        let Some(record) = self.pairs.records.get_mut(&pair) else {
            return;
        };
        if record.mode == IpsecMode::Transport {
            return log::warn!("pair {} stays: it is in transport mode", pair.0);
        }
        let (old, spi) = (std::mem::replace(&mut record.outer, outer), record.outbound);
        let (slot, owner) = (record.child.slot, record.child.owner);
        self.pairs.moved.remove(&pair);
        self.command(
            owner,
            Command::Move {
                slot,
                outer: addresses,
            },
        );
        self.paths.enter(outer, spi, pair);
        self.paths.leave(&old, pair);
        self.tell_path(pair, &outer);
    }

    /// Stops outbound at once and inbound after `linger`.
    pub fn remove(&mut self, pair: PairId, linger: Duration, now: Time) {
        let Some(record) = self.pairs.records.get_mut(&pair) else {
            return;
        };
        if linger.is_zero() {
            return self.forget(pair);
        }
        if record.remove_at.is_some() {
            return;
        }
        record.remove_at = Some(now + linger);
        record.active = false;
        let (child, vrf) = (Arc::clone(&record.child), record.inner_vrf);
        self.pairs.lingering.push(pair);
        if let Some((_, table)) = self.book(vrf) {
            table.selectors.deactivate(&child);
        }
        self.command(child.owner, Command::StopOutbound(child.slot));
    }

    pub(super) fn expire_pairs(&mut self, now: Time) {
        let records = &self.pairs.records;
        let remove_at = |pair: &PairId| records.get(pair).and_then(|record| record.remove_at);
        let mut over = Vec::new();
        // One that was installed again meanwhile, or is gone already, does not linger any more.
        self.pairs.lingering.retain(|pair| match remove_at(pair) {
            Some(at) if at <= now => {
                over.push(*pair);
                false
            }
            at => at.is_some(),
        });
        for pair in over {
            self.forget(pair);
        }
    }

    /// Takes a pair out of everything.
    pub(super) fn forget(&mut self, pair: PairId) {
        let Some(record) = self.pairs.records.remove(&pair) else {
            return;
        };
        self.pairs.asking.remove(&pair);
        self.pairs.moved.remove(&pair);
        self.pairs.lives.leave(pair);
        let Record {
            child,
            inner_vrf,
            outer,
            ..
        } = *record;
        self.paths.leave(&outer, pair);
        if let Some((_, table)) = self.book(inner_vrf) {
            table.selectors.deactivate(&child);
        }
        self.selector_routes(inner_vrf, &child, false);
        self.shared.set_owner(child.slot, None);
        self.command(child.owner, Command::Remove(child.slot));
        state::forget(&self.shared.cells, child.slot);
        self.pairs.slots.remove(&child.slot);
        if let Some(load) = self.pairs.load.get_mut(usize::from(child.owner)) {
            *load = load.saturating_sub(1);
        }
    }

    /// Peers that were heard elsewhere, for an iked that was away: a worker reports an address once.
    pub fn moved(&self) -> Vec<SaEvent> {
        let event = |(pair, outer): (&PairId, &Outer)| SaEvent::PeerMoved {
            pair: *pair,
            outer: *outer,
        };
        self.pairs.moved.iter().map(event).collect()
    }

    /// What is installed.
    pub fn list(&self) -> Vec<PairState> {
        let records = self.pairs.records.iter();
        let states = records.map(|(pair, record)| PairState {
            pair: *pair,
            inbound: record.inbound,
            outbound: record.outbound,
            epoch: record.epoch,
            outer: record.outer,
            active: record.active,
        });
        states.collect()
    }

    /// Where the packets of each pair are worked on, inbound and outbound, as it was decided when the pair was installed.
    pub fn services(&self) -> impl Iterator<Item = (PairId, [Service; 2])> {
        let records = self.pairs.records.iter();
        records.map(|(pair, record)| (*pair, record.services))
    }

    /// Counters of these pairs, or of all when empty.
    pub fn pair_counters(&self, pairs: &[PairId]) -> Vec<PairCounters> {
        let of = |pair: &PairId| {
            let record = self.pairs.records.get(pair)?;
            Some(record.counters(*pair, &self.shared.cells))
        };
        if pairs.is_empty() {
            self.pairs.records.keys().filter_map(of).collect()
        } else {
            pairs.iter().filter_map(of).collect()
        }
    }
}

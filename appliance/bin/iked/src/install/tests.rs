//! The plane's state machine against a planed in memory that may die, restart or merely lose its connection.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ravelin_ctl::sa::{DfBit, SaHalf};
use ravelin_types::{EspTransform, SecretBytes, Spi, TrafficSelector, VrfId};

use super::*;

fn outer(last: u8) -> Outer {
    Outer {
        vrf: VrfId::DEFAULT,
        local: [192, 0, 2, 1].into(),
        remote: [192, 0, 2, last].into(),
        udp: None,
    }
}

pub(crate) fn pair(id: u64, epoch: u32) -> SaPair {
    let half = |base| SaHalf {
        spi: Spi(base + id as u32),
        key: SecretBytes::new(vec![1; 20]),
    };
    SaPair {
        pair: PairId(id),
        epoch,
        outer: outer(2),
        transform: EspTransform::AES_128_GCM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: half(0x1000),
        outbound: half(0x2000),
        state: Outbound::Active,
        life: ravelin_types::VolumeLife::default(),
        ceilings: ravelin_types::Numbers::FIRST,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![TrafficSelector::any(false)],
        remote_ts: vec![TrafficSelector::any(false)],
        replay_window: 512,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

/// A planed in memory: it refuses an epoch it has seen, also across its own restarts.
#[derive(Default)]
pub(crate) struct Twin {
    pub(crate) pairs: BTreeMap<PairId, SaPair>,
    epochs: HashMap<PairId, u32>,
    pub(crate) synced: bool,
    refuse: Option<InstallError>,
}

impl Twin {
    pub(crate) fn answer(&mut self, request: Request) -> Option<Reply> {
        match request {
            Request::Install(batch) => Some(Reply::Installed(
                batch
                    .into_iter()
                    .map(|pair| (pair.pair, self.install(pair)))
                    .collect(),
            )),
            Request::List => Some(Reply::Pairs(self.pairs.values().map(state).collect())),
            Request::Remove { pair, .. } => {
                self.pairs.remove(&pair);
                Some(Reply::Done)
            }
            Request::Activate(pair) => {
                if let Some(pair) = self.pairs.get_mut(&pair) {
                    pair.state = Outbound::Active;
                }
                Some(Reply::Done)
            }
            Request::Move { pair, outer } => {
                if let Some(pair) = self.pairs.get_mut(&pair) {
                    pair.outer = outer;
                }
                Some(Reply::Done)
            }
            Request::Grant(grants) => {
                for (pair, ceilings) in grants {
                    if let Some(pair) = self.pairs.get_mut(&pair) {
                        pair.ceilings = ceilings;
                    }
                }
                Some(Reply::Done)
            }
            Request::SyncDone => {
                self.synced = true;
                Some(Reply::Done)
            }
            Request::Counters(_) => {
                let row = |id: &PairId| PairCounters {
                    pair: id.0,
                    ..PairCounters::default()
                };
                Some(Reply::Counters(self.pairs.keys().map(row).collect()))
            }
        }
    }

    fn install(&mut self, pair: SaPair) -> Result<(), InstallError> {
        if let Some(error) = self.refuse {
            return Err(error);
        }
        if self
            .pairs
            .get(&pair.pair)
            .is_some_and(|old| old.epoch == pair.epoch)
        {
            return Ok(());
        }
        let newest = self.epochs.entry(pair.pair).or_default();
        if pair.epoch <= *newest {
            return Err(InstallError::StaleEpoch);
        }
        *newest = pair.epoch;
        self.pairs.insert(pair.pair, pair);
        Ok(())
    }
}

fn state(pair: &SaPair) -> PairState {
    PairState {
        pair: pair.pair,
        inbound: pair.inbound.spi,
        outbound: pair.outbound.spi,
        epoch: pair.epoch,
        outer: pair.outer,
        active: pair.state == Outbound::Active,
    }
}

/// Carries frames both ways until nothing moves; renews what is asked for.
fn settle(plane: &mut Plane, twin: &mut Twin) -> Vec<Notice> {
    let mut notices = Vec::new();
    loop {
        let mut moved = false;
        while let Some(frame) = plane.poll_frame() {
            moved = true;
            if let Some(reply) = twin.answer(frame.body) {
                plane.handle_reply(frame.id, reply);
            }
        }
        while let Some(notice) = plane.poll_notice() {
            moved = true;
            if let Notice::Renew(id) = notice {
                let mut again = plane.pair(id).unwrap().clone();
                again.epoch += 1;
                plane.want(again, false);
            }
            notices.push(notice);
        }
        if !moved {
            return notices;
        }
    }
}

#[test]
fn pairs_wanted_before_the_connection_are_installed_in_one_batch() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    for id in 1..=3 {
        plane.want(pair(id, 1), false);
    }
    assert!(plane.poll_frame().is_none());
    assert!(!plane.settled(PairId(1)) && plane.settled(PairId(9)));
    plane.connected(InstanceId(1));
    let list = plane.poll_frame().unwrap();
    assert_eq!(list.body, Request::List);
    assert!(
        plane.poll_frame().is_none(),
        "nothing before the list is answered"
    );
    plane.handle_reply(list.id, Reply::Pairs(Vec::new()));
    let install = plane.poll_frame().unwrap();
    let Request::Install(batch) = &install.body else {
        panic!("{install:?}")
    };
    assert_eq!(batch.len(), 3);
    let reply = twin.answer(install.body.clone()).unwrap();
    plane.handle_reply(install.id, reply);
    let done = plane.poll_frame().unwrap();
    assert_eq!(done.body, Request::SyncDone);
    assert!(!plane.is_ready() && plane.poll_frame().is_none());
    plane.handle_reply(done.id, Reply::Done);
    assert!(plane.is_ready() && plane.settled(PairId(1)));
}

#[test]
fn strangers_go_and_lost_pairs_come_back_with_a_new_epoch() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.connected(InstanceId(1));
    settle(&mut plane, &mut twin);
    plane.want(pair(1, 1), false);
    plane.want(pair(2, 1), false);
    settle(&mut plane, &mut twin);
    plane.disconnected();
    twin.pairs.remove(&PairId(1));
    twin.install(pair(7, 1)).unwrap();
    twin.synced = false;
    plane.connected(InstanceId(2));
    let notices = settle(&mut plane, &mut twin);
    assert_eq!(
        notices,
        [Notice::Renew(PairId(1)), Notice::Installed(PairId(1))]
    );
    let held: Vec<(u64, u32)> = twin.pairs.values().map(|p| (p.pair.0, p.epoch)).collect();
    assert_eq!(held, [(1, 2), (2, 1)]);
    assert!(twin.synced && plane.is_ready());
}

#[test]
fn a_restarted_iked_finds_its_pairs_and_does_not_touch_them() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    twin.install(pair(1, 4)).unwrap();
    twin.epochs.insert(PairId(2), 3);
    plane.want(pair(1, 4), true);
    plane.want(pair(2, 3), true);
    assert!(!plane.settled(PairId(1)));
    plane.connected(InstanceId(1));
    let notices = settle(&mut plane, &mut twin);
    assert!(notices.contains(&Notice::Installed(PairId(1))));
    assert!(notices.contains(&Notice::Renew(PairId(2))));
    assert_eq!(twin.pairs[&PairId(1)].epoch, 4);
    assert_eq!(twin.pairs[&PairId(2)].epoch, 4);
}

#[test]
fn refusals_are_told_and_forgotten() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.connected(InstanceId(1));
    settle(&mut plane, &mut twin);
    twin.refuse = Some(InstallError::NotProtected);
    plane.want(pair(1, 1), false);
    let notices = settle(&mut plane, &mut twin);
    assert_eq!(
        notices,
        [Notice::Failed(PairId(1), InstallError::NotProtected)]
    );
    twin.refuse = Some(InstallError::SequenceLost);
    plane.want(pair(2, 1), false);
    assert_eq!(settle(&mut plane, &mut twin), [Notice::Rekey(PairId(2))]);
    assert!(plane.is_empty() && plane.settled(PairId(1)));
}

#[test]
fn a_planed_without_its_configuration_is_asked_until_it_has_one() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.want(pair(1, 1), false);
    twin.refuse = Some(InstallError::NotConfigured);
    plane.connected(InstanceId(1));
    assert!(settle(&mut plane, &mut twin).is_empty());
    assert!(plane.has_deferred() && !plane.settled(PairId(1)) && !plane.is_ready());
    for _ in 0..2 * MAX_DEFERRALS {
        plane.retry();
        assert!(settle(&mut plane, &mut twin).is_empty());
    }
    // The connection breaks and comes back: the epoch was never used, so it is asked for as it was.
    plane.connected(InstanceId(1));
    assert!(settle(&mut plane, &mut twin).is_empty() && !twin.synced);
    twin.refuse = None;
    plane.retry();
    assert_eq!(
        settle(&mut plane, &mut twin),
        [Notice::Installed(PairId(1))]
    );
    assert!(plane.is_ready() && twin.synced && !plane.has_deferred());
}

#[test]
fn a_missing_tunnel_interface_is_asked_for_again_but_not_for_ever() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    twin.refuse = Some(InstallError::NoTunnelInterface);
    plane.want(pair(2, 1), false);
    plane.connected(InstanceId(1));
    let mut notices = settle(&mut plane, &mut twin);
    assert!(plane.is_ready(), "the others need not wait");
    while plane.has_deferred() {
        assert!(notices.is_empty());
        plane.retry();
        notices = settle(&mut plane, &mut twin);
    }
    assert_eq!(
        notices,
        [Notice::Failed(PairId(2), InstallError::NoTunnelInterface)]
    );
}

#[test]
fn equal_lists_change_nothing() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.connected(InstanceId(1));
    (1..=3).for_each(|id| plane.want(pair(id, 1), false));
    settle(&mut plane, &mut twin);
    plane.connected(InstanceId(1));
    let list = plane.poll_frame().unwrap();
    let reply = twin.answer(list.body).unwrap();
    plane.handle_reply(list.id, reply);
    assert_eq!(plane.poll_frame().unwrap().body, Request::SyncDone);
    assert_eq!(plane.poll_notice(), None);
}

#[test]
fn the_difference_of_lists_and_nothing_else_is_told() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.connected(InstanceId(1));
    (1..=4).for_each(|id| plane.want(pair(id, 1), false));
    settle(&mut plane, &mut twin);
    plane.disconnected();
    // Lost with the connection: 1 has moved, 2 is not wanted any more; planed has 3 of another epoch, and the stranger 9.
    plane.move_outer(PairId(1), outer(8));
    plane.remove(PairId(2), 0);
    twin.pairs.get_mut(&PairId(3)).unwrap().epoch = 7;
    twin.install(pair(9, 1)).unwrap();
    plane.connected(InstanceId(1));
    let list = plane.poll_frame().unwrap();
    let reply = twin.answer(list.body).unwrap();
    plane.handle_reply(list.id, reply);
    assert_eq!(plane.poll_notice(), Some(Notice::Renew(PairId(3))));
    let mut renewed = plane.pair(PairId(3)).unwrap().clone();
    renewed.epoch = 8;
    plane.want(renewed, false);
    let (mut removed, mut moved, mut installed) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(frame) = plane.poll_frame() {
        match &frame.body {
            Request::Remove { pair, linger_ms: 0 } => removed.push(pair.0),
            Request::Move { pair, .. } => moved.push(pair.0),
            Request::Install(batch) => installed.extend(batch.iter().map(|pair| pair.pair.0)),
            Request::SyncDone => {}
            other => panic!("{other:?}"),
        }
        let reply = twin.answer(frame.body).unwrap();
        plane.handle_reply(frame.id, reply);
    }
    removed.sort_unstable();
    removed.dedup();
    assert_eq!(
        (removed, moved, installed),
        (vec![2, 3, 9], vec![1], vec![3])
    );
    assert!(plane.is_ready() && twin.synced);
}

#[test]
fn a_refusal_by_the_worker_ends_the_pair_that_was_meant() {
    let (mut plane, mut twin) = (Plane::new(), Twin::default());
    plane.connected(InstanceId(1));
    plane.want(pair(1, 4), false);
    settle(&mut plane, &mut twin);
    let full = InstallError::TableFull;
    plane.refused_late(PairId(1), 3, full);
    plane.refused_late(PairId(2), 4, full);
    assert_eq!(
        plane.poll_notice(),
        None,
        "another installation, another pair"
    );
    plane.refused_late(PairId(1), 4, full);
    assert_eq!(plane.poll_notice(), Some(Notice::Failed(PairId(1), full)));
    assert!(plane.is_empty() && plane.settled(PairId(1)));
}

#[test]
fn questions_are_answered_also_when_planed_goes_away() {
    let mut plane = Plane::new();
    plane.ask_counters(1);
    assert_eq!(plane.poll_notice(), Some(Notice::Counters(1, None)));
    plane.connected(InstanceId(1));
    plane.ask_counters(2);
    plane.disconnected();
    assert_eq!(plane.poll_notice(), Some(Notice::Counters(2, None)));
}

#[derive(Debug, Clone)]
enum Step {
    Want(u64),
    Remove(u64),
    Activate(u64),
    Move(u64, u8),
    Exchange(usize),
    Break,
    PlanedRestart,
    IkedReconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1..6u64;
    prop::collection::vec(
        prop_oneof![
            4 => id.clone().prop_map(Step::Want),
            2 => id.clone().prop_map(Step::Remove),
            1 => id.clone().prop_map(Step::Activate),
            1 => (id, 2..9u8).prop_map(|(id, last)| Step::Move(id, last)),
            3 => (1..4usize).prop_map(Step::Exchange),
            1 => Just(Step::Break),
            1 => Just(Step::PlanedRestart),
            2 => Just(Step::IkedReconnect),
        ],
        0..60,
    )
}

proptest! {
    /// Whatever happens on the way, in the end planed holds exactly what is wanted, and no epoch was used twice.
    #[test]
    fn planed_ends_with_what_is_wanted(steps in steps()) {
        let (mut plane, mut twin) = (Plane::new(), Twin::default());
        let mut next = 10;
        let mut ids = BTreeMap::new();
        for step in steps {
            match step {
                // A pair's identity is never used again.
                Step::Want(slot) => {
                    let id = *ids.entry(slot).or_insert_with(|| { next += 1; next });
                    if plane.pair(PairId(id)).is_none() {
                        plane.want(pair(id, 1), false);
                    }
                }
                Step::Remove(slot) => if let Some(id) = ids.remove(&slot) { plane.remove(PairId(id), 0) },
                Step::Activate(slot) => if let Some(id) = ids.get(&slot) { plane.activate(PairId(*id)) },
                Step::Move(slot, last) => {
                    if let Some(id) = ids.get(&slot) { plane.move_outer(PairId(*id), outer(last)) }
                }
                Step::Exchange(frames) => {
                    for _ in 0..frames {
                        let Some(frame) = plane.poll_frame() else { break };
                        if let Some(reply) = twin.answer(frame.body) {
                            plane.handle_reply(frame.id, reply);
                        }
                    }
                }
                Step::Break => plane.disconnected(),
                Step::PlanedRestart => {
                    plane.disconnected();
                    twin.pairs.clear();
                }
                Step::IkedReconnect => plane.connected(InstanceId(1)),
            }
        }
        plane.connected(InstanceId(2));
        settle(&mut plane, &mut twin);
        prop_assert!(plane.is_ready());
        let wanted: BTreeMap<PairId, SaPair> =
            plane.wanted.iter().map(|(id, wanted)| (*id, SaPair::clone(&wanted.pair))).collect();
        prop_assert_eq!(&twin.pairs, &wanted);
        prop_assert_eq!(wanted.len(), ids.values().filter(|id| plane.pair(PairId(**id)).is_some()).count());
    }
}

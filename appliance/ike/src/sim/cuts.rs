//! iked is cut at every moment of every exchange: before each record, each event, each datagram and each computation, and after
//! the last of each turn. It comes back from the records that were written by then, while its data plane lives on and whatever
//! was on the wire arrives. Then: no message is made twice in two forms, no IV repeats, no SA that stood is lost, both ends agree.
//!
//! The records of a turn are written one by one here, so a cut between them is also a torn tail of the vault, of which iked's
//! own tests show that a whole prefix of the turn's records is what is left.

use std::time::Duration;

use ravelin_types::DhGroup;

use super::world::Side;
use super::*;
use crate::DownReason;

const MINUTE: Duration = Duration::from_secs(60);
/// After so long every request is answered or given up, and what lingers is gone.
const SETTLED: Duration = Duration::from_secs(100);

/// One exchange, or several that meet.
struct Scenario {
    name: &'static str,
    /// The world before; established when `up`.
    world: fn() -> World,
    up: bool,
    /// Starts the exchange.
    act: fn(&mut World),
    /// How long it goes on; moments after that are not cut.
    span: Duration,
    /// Moments of A and of B at least: so that none gets lost unnoticed.
    floor: (u64, u64),
    /// The session is meant to end.
    ends: bool,
    /// The child is meant to go, unless the order to delete it was lost.
    childless: bool,
    /// By another one in its place.
    anew: bool,
    /// A responder that forgets its cookie secret twice makes the initiator start over.
    starts_over: bool,
}

impl Scenario {
    fn begin(&self) -> World {
        let mut w = (self.world)();
        if self.up {
            w.establish();
        }
        w
    }

    /// Runs it with these cuts; returns the moments of A and of B.
    fn run(&self, cuts: &[(Side, &[u64])]) -> (u64, u64) {
        let mut w = self.begin();
        w.case = format!("{} cut at {cuts:?}", self.name);
        let before = sessions(&w);
        (w.a.boundaries, w.b.boundaries) = (0, 0);
        for (side, moments) in cuts {
            w.node(*side).cuts.extend(*moments);
        }
        (self.act)(&mut w);
        w.pump();
        w.run_for(self.span);
        let moments = (w.a.boundaries, w.b.boundaries);
        w.filter = None;
        w.a.cuts.clear();
        w.b.cuts.clear();
        w.check_no_divergence();
        w.check_nonces();
        let childless = |w: &World| w.a.plane.is_empty() && w.b.plane.is_empty();
        let done = |w: &World| w.is_up() || self.childless && childless(w);
        assert!(w.run_until(MINUTE * 3, done), "{}", w.explain());
        // What is still repeated, deleted or lingering comes to its end.
        w.run_for(SETTLED);
        w.check_agreement();
        w.check_no_divergence();
        let meant = |reason: &DownReason| match reason {
            DownReason::Closed | DownReason::PeerDeleted => self.ends,
            DownReason::InitialContact => self.ends && !self.anew,
            DownReason::Reauthenticated => self.anew,
            DownReason::SetupFailed => self.starts_over,
            _ => false,
        };
        for node in [&w.a, &w.b] {
            let lost = node.all_downs.iter().find(|reason| !meant(reason));
            assert_eq!(lost, None, "{} lost it: {}", node.name, w.explain());
        }
        if self.up && !self.ends {
            assert_eq!(sessions(&w), before, "{}", w.explain());
        }
        moments
    }

    /// Every moment of each side, once; then with a second cut soon after, and with one of the other side.
    fn cut_everywhere(&self) {
        let (a, b) = self.run(&[]);
        assert!(
            a >= self.floor.0 && b >= self.floor.1,
            "{}: {a} and {b} moments, expected {:?} at least",
            self.name,
            self.floor
        );
        for (side, count, other, others) in [(Side::A, a, Side::B, b), (Side::B, b, Side::A, a)] {
            for at in 1..=count {
                self.run(&[(side, &[at])]);
                // The life after the first cut begins with moments of its own.
                self.run(&[(side, &[at, at + 1 + at % 4])]);
                if at % 2 == 0 {
                    self.run(&[(side, &[at]), (other, &[1 + at * others / (count + 1)])]);
                }
            }
        }
        println!("{}: {a} and {b} moments", self.name);
    }
}

fn sessions(w: &World) -> Vec<crate::SessionId> {
    let both = w.a.up().into_iter().chain(w.b.up());
    both.map(|s| s.session).collect()
}

/// A world of these two, who probe each other seldom: nothing but the exchange itself is to be cut.
fn calm(seed: u64, mut a: Gateway, mut b: Gateway, cookies: bool) -> World {
    for dpd in [&mut a.dpd, &mut b.dpd].into_iter().flatten() {
        (dpd.interval, dpd.threshold) = (Duration::from_secs(30), 3);
    }
    let mut b = config(b);
    if cookies {
        Arc::get_mut(&mut b).unwrap().limits.cookie_threshold = 0;
    }
    World::new(seed, config(a), b)
}

fn plain() -> World {
    calm(1, peer(), gateway(), false)
}

/// The responder has the key of the initiator as its second.
fn with_ppks() -> World {
    let (mut a, mut b) = (peer(), gateway());
    a.ppks = super::ppk::ppks(&["one"], false);
    b.ppks = super::ppk::ppks(&["two", "one"], true);
    calm(4, a, b, false)
}

fn with_ppks_and_certificates() -> World {
    let (mut a, mut b) = super::certificates::pair();
    a.ppks = super::ppk::ppks(&["one"], false);
    b.ppks = super::ppk::ppks(&["one"], false);
    calm(5, a, b, false)
}

fn with_pfs() -> World {
    let (mut a, mut b) = (peer(), gateway());
    a.vpns[0].pfs = Some(DhGroup::Curve25519);
    b.vpns[0].pfs = Some(DhGroup::Curve25519);
    calm(2, a, b, false)
}

fn with_more_key_exchanges() -> World {
    let (a, b) = super::hybrid::pair(&[DhGroup::MlKem768, DhGroup::Ecp256]);
    calm(10, a, b, false)
}

fn with_cookies() -> World {
    calm(3, peer(), gateway(), true)
}

/// The first proposal of A is not to B's taste.
fn other_groups() -> (Gateway, Gateway) {
    let (mut a, mut b) = (peer(), gateway());
    a.proposals = vec![
        ike_proposal(DhGroup::Curve25519),
        ike_proposal(DhGroup::Ecp256),
    ];
    b.proposals = vec![ike_proposal(DhGroup::Ecp256)];
    (a, b)
}

fn with_another_group() -> World {
    let (a, b) = other_groups();
    calm(4, a, b, false)
}

fn with_cookies_and_another_group() -> World {
    let (a, b) = other_groups();
    calm(5, a, b, true)
}

fn with_certificates() -> World {
    let (a, b) = super::certificates::pair();
    calm(7, a, b, false)
}

fn with_a_certificate_of_a() -> World {
    let (a, b) = super::certificates::mixed(true);
    calm(8, a, b, false)
}

fn with_a_certificate_of_b() -> World {
    let (a, b) = super::certificates::mixed(false);
    calm(9, a, b, true)
}

/// Two selectors: the second child comes by an exchange of its own.
fn with_two_children() -> World {
    let mut a = peer();
    a.vpns[0].selectors.push(SelectorPair {
        local: ts("172.16.2.0/24"),
        remote: ts("10.0.0.0/8"),
    });
    a.vpns[0].pfs = Some(DhGroup::Curve25519);
    let mut b = gateway();
    b.vpns[0].pfs = Some(DhGroup::Curve25519);
    calm(6, a, b, false)
}

/// The first copy of each message gets lost, so that everything is retransmitted once.
fn lossy(mut w: World) -> World {
    let mut seen = std::collections::BTreeSet::new();
    w.filter = Some(Box::new(move |side, m| {
        let h = m.header;
        seen.insert((
            side == Side::A,
            h.spi_i,
            h.spi_r,
            h.initiator,
            h.response,
            h.message_id,
        ))
    }));
    w
}

fn rekey_child(w: &mut World, side: Side) {
    let now = w.now;
    let node = w.node(side);
    let live = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
    assert!(node.endpoint.rekey_child(live, now));
}

fn rekey_ike(w: &mut World, side: Side) {
    let now = w.now;
    let node = w.node(side);
    let ike = node.up()[0].ike;
    assert!(node.endpoint.rekey_ike(ike, now));
}

fn both_children(w: &mut World) {
    rekey_child(w, Side::A);
    rekey_child(w, Side::B);
}

fn both_ikes(w: &mut World) {
    rekey_ike(w, Side::A);
    rekey_ike(w, Side::B);
}

fn delete_child(w: &mut World, side: Side) {
    let now = w.now;
    let node = w.node(side);
    let live = node.endpoint.child_sas().find(|c| c.live).unwrap().child;
    assert!(node.endpoint.close_child(live, now));
}

fn delete_ike(w: &mut World, side: Side) {
    let now = w.now;
    let node = w.node(side);
    let session = node.up()[0].session;
    assert!(node.endpoint.close(session, now));
}

const SHORT: Duration = Duration::from_secs(4);
/// Long enough for everything to be sent twice, with back-off.
const LONG: Duration = Duration::from_secs(9);

fn all(scenarios: &[Scenario]) {
    scenarios.iter().for_each(Scenario::cut_everywhere);
}

fn set_up(name: &'static str, world: fn() -> World, floor: (u64, u64)) -> Scenario {
    Scenario {
        name,
        world,
        up: false,
        act: |_| {},
        span: SHORT,
        floor,
        ends: false,
        childless: false,
        anew: false,
        starts_over: false,
    }
}

fn exchange(
    name: &'static str,
    world: fn() -> World,
    act: fn(&mut World),
    floor: (u64, u64),
) -> Scenario {
    Scenario {
        name,
        world,
        up: true,
        act,
        span: SHORT,
        floor,
        ends: false,
        childless: false,
        anew: false,
        starts_over: false,
    }
}

#[test]
fn set_ups_survive_a_cut_at_every_moment() {
    all(&[
        set_up("IKE_SA_INIT and IKE_AUTH", plain, (13, 10)),
        set_up("COOKIE", with_cookies, (16, 12)),
        set_up("INVALID_KE_PAYLOAD", with_another_group, (18, 12)),
        Scenario {
            starts_over: true,
            ..set_up(
                "COOKIE and INVALID_KE_PAYLOAD",
                with_cookies_and_another_group,
                (24, 16),
            )
        },
        set_up("CREATE_CHILD_SA, a new child", with_two_children, (20, 15)),
    ]);
}

#[test]
fn set_ups_with_certificates_survive_a_cut_at_every_moment() {
    all(&[
        set_up("certificates", with_certificates, (15, 12)),
        set_up("certificate of A", with_a_certificate_of_a, (14, 11)),
        set_up("certificate of B", with_a_certificate_of_b, (17, 13)),
        Scenario {
            span: LONG,
            ..set_up("with losses", || lossy(with_certificates()), (20, 16))
        },
    ]);
}

#[test]
fn more_keys_survive_a_cut_at_every_moment() {
    let hybrid = with_more_key_exchanges;
    all(&[
        set_up("IKE_INTERMEDIATE", hybrid, (10, 10)),
        set_up("PPK", with_ppks, (13, 10)),
        set_up("PPK and certificates", with_ppks_and_certificates, (16, 12)),
        exchange("child by A", hybrid, |w| rekey_child(w, Side::A), (13, 10)),
        exchange("IKE SA by B", hybrid, |w| rekey_ike(w, Side::B), (10, 13)),
        exchange("two children", hybrid, both_children, (15, 15)),
        exchange("two IKE SAs", hybrid, both_ikes, (15, 15)),
    ]);
}

#[test]
fn child_rekeys_survive_a_cut_at_every_moment() {
    all(&[
        exchange("by A", plain, |w| rekey_child(w, Side::A), (10, 9)),
        exchange("by B", plain, |w| rekey_child(w, Side::B), (9, 10)),
        exchange("by A, PFS", with_pfs, |w| rekey_child(w, Side::A), (13, 10)),
        exchange("by B, PFS", with_pfs, |w| rekey_child(w, Side::B), (10, 13)),
    ]);
}

#[test]
fn ike_rekeys_survive_a_cut_at_every_moment() {
    all(&[
        exchange("by A", plain, |w| rekey_ike(w, Side::A), (12, 8)),
        exchange("by B", plain, |w| rekey_ike(w, Side::B), (8, 12)),
    ]);
}

#[test]
fn reauthentications_survive_a_cut_at_every_moment() {
    let reauthenticating = || {
        let mut a = peer();
        a.reauth_frequency = 1;
        calm(11, a, gateway(), false)
    };
    let anew = |name, act, floor| Scenario {
        ends: true,
        anew: true,
        ..exchange(name, reauthenticating, act, floor)
    };
    let both = |w: &mut World| {
        rekey_ike(w, Side::A);
        rekey_ike(w, Side::B);
    };
    let beside_a_child = |w: &mut World| {
        rekey_ike(w, Side::A);
        rekey_child(w, Side::B);
    };
    all(&[
        anew("alone", |w| rekey_ike(w, Side::A), (20, 15)),
        anew("and a rekey of the IKE SA", both, (25, 20)),
        anew("and a rekey of the child", beside_a_child, (25, 20)),
    ]);
}

#[test]
fn collisions_survive_a_cut_at_every_moment() {
    let ike_and_child = |w: &mut World| {
        rekey_ike(w, Side::A);
        rekey_child(w, Side::B);
    };
    let delete_and_rekey = |w: &mut World| {
        delete_child(w, Side::B);
        rekey_child(w, Side::A);
    };
    all(&[
        exchange("two child rekeys", plain, both_children, (17, 17)),
        exchange("two child rekeys, PFS", with_pfs, both_children, (21, 21)),
        exchange("two IKE rekeys", plain, both_ikes, (19, 19)),
        exchange("IKE and child rekey", plain, ike_and_child, (30, 26)),
        exchange("deletion and rekey", plain, delete_and_rekey, (15, 13)),
    ]);
}

#[test]
fn informational_exchanges_survive_a_cut_at_every_moment() {
    let quiet = |name, floor| Scenario {
        span: Duration::from_secs(25),
        ..exchange(name, || world(1), |_| {}, floor)
    };
    let ending = |name, act, floor| Scenario {
        ends: true,
        ..exchange(name, plain, act, floor)
    };
    all(&[
        quiet("liveness", (8, 8)),
        // So many probes that the session is written as a whole again in between.
        Scenario {
            span: Duration::from_secs(110),
            ..exchange("liveness for long", || world(1), |_| {}, (40, 30))
        },
        // What the initiator's operator closed stays closed.
        Scenario {
            childless: true,
            ..exchange(
                "child deleted by A",
                plain,
                |w| delete_child(w, Side::A),
                (6, 4),
            )
        },
        exchange(
            "child deleted by B",
            plain,
            |w| delete_child(w, Side::B),
            (10, 10),
        ),
        ending("IKE SA deleted by A", |w| delete_ike(w, Side::A), (19, 14)),
        ending("IKE SA deleted by B", |w| delete_ike(w, Side::B), (17, 16)),
    ]);
}

#[test]
fn retransmissions_survive_a_cut_at_every_moment() {
    let lost = |name, act, floor| Scenario {
        span: LONG,
        ..exchange(name, plain, act, floor)
    };
    let first = Scenario {
        span: LONG,
        ..set_up("set-up", || lossy(with_cookies()), (26, 18))
    };
    let rekey = |w: &mut World| {
        losses(w);
        rekey_child(w, Side::A);
    };
    let rekey_back = |w: &mut World| {
        losses(w);
        rekey_ike(w, Side::B);
    };
    let delete = |w: &mut World| {
        losses(w);
        delete_child(w, Side::B);
    };
    all(&[
        first,
        lost("child rekey", rekey, (18, 13)),
        lost("IKE rekey", rekey_back, (12, 20)),
        lost("deletion", delete, (16, 16)),
    ]);
}

/// From now on the first copy of each message gets lost.
fn losses(w: &mut World) {
    let empty = world(9);
    let taken = std::mem::replace(w, empty);
    *w = lossy(taken);
}

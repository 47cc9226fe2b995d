//! Order of taking down, the default selector, and a kernel that does not answer.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ravelin_routing::TABLE_MAIN;
use ravelin_types::{Prefix, TrafficSelector};

use super::*;
use crate::install::tests::pair;

#[derive(Default)]
struct Twin {
    wanted: BTreeSet<(PairId, String)>,
    stuck: bool,
    device_changed: bool,
    broken: bool,
    compared: u32,
}

#[derive(Clone, Default)]
struct Kernel(Rc<RefCell<Twin>>);

impl RouteKernel for Kernel {
    fn add(&mut self, owner: PairId, route: &AriRoute) -> Result<(), RoutingError> {
        self.0
            .borrow_mut()
            .wanted
            .insert((owner, format!("{} {}", route.prefix, route.device)));
        Ok(())
    }

    fn remove(&mut self, owner: PairId, route: &AriRoute) {
        self.0
            .borrow_mut()
            .wanted
            .remove(&(owner, format!("{} {}", route.prefix, route.device)));
    }

    fn devices_changed(&mut self) -> Result<bool, RoutingError> {
        Ok(std::mem::take(&mut self.0.borrow_mut().device_changed))
    }

    fn reconcile(&mut self) -> Result<(), RoutingError> {
        self.0.borrow_mut().compared += 1;
        if self.0.borrow().broken {
            return Err(RoutingError::Full {
                table: "routes",
                bound: 0,
            });
        }
        Ok(())
    }

    fn step(&mut self, now: Time) -> Result<AriProgress, RoutingError> {
        let twin = self.0.borrow_mut();
        let next = twin.stuck.then_some(now + Duration::from_millis(6));
        Ok(AriProgress {
            next,
            ..AriProgress::default()
        })
    }
}

fn ms(ms: u64) -> Time {
    Time(ms * 1000)
}

/// Routes of a planed that forwards, compared at 0.
fn live(kernel: &Kernel) -> Routes<Kernel> {
    let mut routes = Routes::new(kernel.clone());
    routes.restore(ms(0));
    routes.step(ms(0));
    routes
}

fn with_remote(id: u64, prefixes: &[&str]) -> SaPair {
    let mut pair = pair(id, 1);
    pair.remote_ts = prefixes
        .iter()
        .map(|p| TrafficSelector::from_prefix(p.parse::<Prefix>().unwrap()))
        .collect();
    pair
}

#[test]
fn routes_follow_the_selectors_but_never_the_default() {
    let kernel = Kernel::default();
    let mut routes = live(&kernel);
    let pair = with_remote(1, &["10.1.0.0/16", "2001:db8:1::/48", "0.0.0.0/0", "::/0"]);
    routes.up(&pair, TABLE_MAIN, ms(1));
    let wanted: Vec<String> = kernel
        .0
        .borrow()
        .wanted
        .iter()
        .map(|(_, r)| r.clone())
        .collect();
    assert_eq!(wanted, ["10.1.0.0/16 st0-0", "2001:db8:1::/48 st0-0"]);
    assert_eq!(routes.next(), ms(1));
    assert!(routes.step(ms(1)).is_empty());
    assert_eq!(routes.next(), ms(1_000), "the next look at the devices");
}

#[test]
fn the_sa_leaves_after_its_route_or_when_the_kernel_is_stuck() {
    let kernel = Kernel::default();
    let mut routes = live(&kernel);
    routes.up(&with_remote(1, &["10.1.0.0/16"]), TABLE_MAIN, ms(0));
    routes.step(ms(0));
    kernel.0.borrow_mut().stuck = true;
    routes.down(PairId(1), 7, ms(10));
    assert!(kernel.0.borrow().wanted.is_empty());
    assert!(routes.step(ms(10)).is_empty());
    kernel.0.borrow_mut().stuck = false;
    assert_eq!(routes.step(ms(20)), [(PairId(1), 7)]);

    kernel.0.borrow_mut().stuck = true;
    routes.down(PairId(2), 0, ms(30));
    assert!(routes.step(ms(30)).is_empty());
    assert!(routes.step(ms(1029)).is_empty());
    assert_eq!(routes.step(ms(1030)), [(PairId(2), 0)]);
}

#[test]
fn the_kernel_is_compared_when_devices_change_and_now_and_then() {
    let kernel = Kernel::default();
    let mut routes = Routes::new(kernel.clone());
    routes.devices_may_have_changed(ms(1));
    assert_eq!(
        routes.next(),
        Time::MAX,
        "not before it is known what is wanted"
    );
    routes.restore(ms(5));
    assert_eq!(routes.next(), ms(5));
    routes.step(ms(5));
    let compared = || kernel.0.borrow().compared;
    assert_eq!((compared(), routes.next()), (1, ms(1_005)));
    for at in 1..590 {
        routes.step(ms(at * 1000 + 5));
    }
    assert_eq!((compared(), routes.next()), (1, ms(590_005)));
    kernel.0.borrow_mut().device_changed = true;
    routes.step(ms(590_005));
    assert_eq!(compared(), 2);
    routes.devices_may_have_changed(ms(590_100));
    assert_eq!(routes.next(), ms(590_100));
    kernel.0.borrow_mut().broken = true;
    routes.step(ms(590_100));
    kernel.0.borrow_mut().broken = false;
    routes.step(ms(600_099));
    assert_eq!(compared(), 3);
    routes.step(ms(600_100));
    assert_eq!(compared(), 4, "what failed is tried again");
    routes.step(ms(1_200_099));
    assert_eq!(compared(), 4);
    routes.step(ms(1_200_100));
    assert_eq!(compared(), 5);
}

#[test]
fn nothing_is_told_to_the_kernel_before_the_first_comparison() {
    let kernel = Kernel::default();
    let mut routes = Routes::new(kernel.clone());
    routes.up(&with_remote(1, &["10.1.0.0/16"]), TABLE_MAIN, ms(0));
    routes.up(&with_remote(2, &["10.2.0.0/16"]), TABLE_MAIN, ms(0));
    routes.down(PairId(2), 0, ms(1));
    assert_eq!(routes.step(ms(1)), [(PairId(2), 0)], "the SA does not wait");
    assert!(kernel.0.borrow().wanted.is_empty());
    routes.restore(ms(2));
    assert_eq!(kernel.0.borrow().wanted.len(), 1);
    routes.step(ms(2));
    assert_eq!(kernel.0.borrow().compared, 1);
}

#[test]
fn withdrawn_routes_return_for_the_pairs_that_are_left() {
    let kernel = Kernel::default();
    let mut routes = live(&kernel);
    for (id, prefix) in [(1, "10.1.0.0/16"), (2, "10.2.0.0/16")] {
        routes.up(&with_remote(id, &[prefix]), TABLE_MAIN, ms(1));
    }
    routes.withdraw(ms(2));
    assert!(kernel.0.borrow().wanted.is_empty());
    routes.step(ms(2));
    assert_eq!(
        kernel.0.borrow().compared,
        2,
        "routes of a former life go too"
    );
    routes.down(PairId(1), 0, ms(3));
    routes.up(&with_remote(3, &["10.3.0.0/16"]), TABLE_MAIN, ms(3));
    assert!(kernel.0.borrow().wanted.is_empty());
    routes.restore(ms(4));
    let owners: Vec<u64> = kernel.0.borrow().wanted.iter().map(|(o, _)| o.0).collect();
    assert_eq!(owners, [2, 3]);
}

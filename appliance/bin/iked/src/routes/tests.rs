//! Order of taking down, the default selector, and a kernel that does not answer.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ravelin_types::{Prefix, TrafficSelector};

use super::*;
use crate::install::tests::pair;

#[derive(Default)]
struct Twin {
    wanted: BTreeSet<(PairId, String)>,
    stuck: bool,
    steps: u32,
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

    fn reconcile(&mut self) -> Result<(), RoutingError> {
        Ok(())
    }

    fn step(&mut self, now: Time) -> Result<AriProgress, RoutingError> {
        let mut twin = self.0.borrow_mut();
        twin.steps += 1;
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
    let mut routes = Routes::new(kernel.clone(), Time::MAX);
    let pair = with_remote(1, &["10.1.0.0/16", "2001:db8:1::/48", "0.0.0.0/0", "::/0"]);
    routes.up(&pair, ms(1));
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
    assert_eq!(routes.next(), Time::MAX);
}

#[test]
fn the_sa_leaves_after_its_route_or_when_the_kernel_is_stuck() {
    let kernel = Kernel::default();
    let mut routes = Routes::new(kernel.clone(), Time::MAX);
    routes.up(&with_remote(1, &["10.1.0.0/16"]), ms(0));
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
fn the_kernel_is_compared_now_and_then() {
    let kernel = Kernel::default();
    let mut routes = Routes::new(kernel.clone(), ms(5));
    assert_eq!(routes.next(), ms(5));
    routes.step(ms(5));
    assert_eq!(kernel.0.borrow().steps, 1);
    assert_eq!(routes.next(), ms(10_005));
    routes.suspect(ms(100));
    assert_eq!(routes.next(), ms(100));
}

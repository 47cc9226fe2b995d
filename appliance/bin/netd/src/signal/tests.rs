use super::*;
use ravelin_routing::RoutingError;

/// A kernel that may refuse.
#[derive(Default)]
struct Table {
    routes: BTreeSet<IpAddr>,
    changes: usize,
    refuses: bool,
}

impl Table {
    fn verdict(&self) -> Result<(), RoutingError> {
        match self.refuses {
            true => Err(RoutingError::NoSuchDevice("x".to_owned())),
            false => Ok(()),
        }
    }
}

impl RouteTable for Table {
    fn add(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        self.verdict()?;
        let fresh = self.routes.insert(address);
        self.changes += usize::from(fresh);
        Ok(fresh)
    }

    fn remove(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        self.verdict()?;
        let there = self.routes.remove(&address);
        self.changes += usize::from(there);
        Ok(there)
    }
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn signals(found: &[u8]) -> Signals<Table> {
    let found: Vec<IpAddr> = found.iter().map(|last| address(*last)).collect();
    let table = Table {
        routes: found.iter().copied().collect(),
        ..Table::default()
    };
    Signals::new(table, found)
}

fn standing(signals: &Signals<Table>) -> Vec<IpAddr> {
    signals.table.routes.iter().copied().collect()
}

#[test]
fn a_route_stands_while_anyone_claims_it() {
    let mut signals = signals(&[]);
    signals.claim(1, &[address(1), address(2)]).unwrap();
    signals.claim(2, &[address(2)]).unwrap();
    assert_eq!(standing(&signals), [address(1), address(2)]);
    signals.claim(1, &[address(1)]).unwrap();
    assert_eq!(standing(&signals), [address(1), address(2)]);
    assert!(signals.release(2));
    assert_eq!(standing(&signals), [address(1)]);
    assert!(signals.release(1) && !signals.release(1));
    assert!(standing(&signals).is_empty());
}

#[test]
fn routes_of_a_former_netd_are_claimed_without_a_flap_or_go() {
    let mut signals = signals(&[1, 2, 3]);
    signals.claim(1, &[address(1), address(3)]).unwrap();
    assert_eq!(signals.table.changes, 0, "all three still wait");
    // Claimed and let go again: that one waits for nobody.
    signals.claim(1, &[address(1)]).unwrap();
    assert_eq!(standing(&signals), [address(1), address(2)]);
    signals.end_adoption();
    assert_eq!(standing(&signals), [address(1)]);
}

#[test]
fn what_the_kernel_refused_is_tried_again() {
    let mut signals = signals(&[]);
    signals.table.refuses = true;
    assert!(signals.claim(1, &[address(1)]).is_err());
    signals.table.refuses = false;
    signals.settle().unwrap();
    assert_eq!(standing(&signals), [address(1)]);
    signals.table.refuses = true;
    signals.release(1);
    assert_eq!(standing(&signals), [address(1)]);
    signals.table.refuses = false;
    signals.settle().unwrap();
    assert!(standing(&signals).is_empty());
}

#[test]
fn a_route_removed_by_hand_comes_back() {
    let mut signals = signals(&[]);
    signals.claim(1, &[address(1)]).unwrap();
    signals.table.routes.clear();
    signals.settle().unwrap();
    assert_eq!(standing(&signals), [address(1)]);
}

#[test]
fn too_many_are_refused() {
    let mut signals = signals(&[]);
    let many = vec![address(1); MAX_SIGNAL_ROUTES + 1];
    assert!(matches!(
        signals.claim(1, &many),
        Err(Error::TooManySignals(_))
    ));
}

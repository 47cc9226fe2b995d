//! Many sessions between the two daemons.

use std::net::Ipv4Addr;
use std::time::Duration;

use ravelin_ctl::daemon as mgmt;
use ravelin_ctl::ike::{LocalIdentity, RemotePeer};
use ravelin_types::{Identity, Prefix};

use super::{Bench, LEFT, RIGHT, config};

impl Bench {
    /// So many sessions of so many child SAs each, all up.
    pub fn with_many(sessions: usize, children: usize) -> Self {
        let mut bench = Self::new();
        let any = || "0.0.0.0/0".parse().unwrap();
        let mut right = config(RIGHT);
        right.gateways[0].remote_addresses = None;
        right.gateways[0].remote = RemotePeer::HostnameSuffix("example".to_owned());
        right.gateways[0].vpns[0].selectors[0].local = any();
        right.gateways[0].vpns[0].selectors[0].remote = any();
        right.gateways[0].vpns[0].pfs = None;
        let mut left = config(LEFT);
        let gateway = left.gateways.remove(0);
        for session in 0..sessions {
            let mut gateway = gateway.clone();
            gateway.name = format!("peer{session}");
            gateway.local_identity =
                LocalIdentity::Stated(Identity::Fqdn(format!("n{session}.example")));
            let vpn = &mut gateway.vpns[0];
            vpn.name = format!("tunnel{session}");
            vpn.pfs = None;
            let pair = vpn.selectors.remove(0);
            for child in 0..children {
                let mut pair = pair.clone();
                let host = (session * children + child) as u32 + (10 << 24);
                pair.local = Prefix::host(Ipv4Addr::from_bits(host).into());
                vpn.selectors.push(pair);
            }
            left.gateways.push(gateway);
        }
        assert!(matches!(
            bench.apply(RIGHT, right),
            mgmt::Reply::Applied(Ok(_))
        ));
        assert!(matches!(
            bench.apply(LEFT, left),
            mgmt::Reply::Applied(Ok(_))
        ));
        bench.connect_planes();
        bench.run(Duration::from_secs(60));
        assert_eq!(bench.right().pairs().len(), sessions * children);
        bench
    }
}

//! A peer dies without a word and comes back, with INITIAL_CONTACT and without: the new tunnel takes the traffic at once, what is
//! left of the old one goes (at once, or when it is found dead), and nothing piles up however often the peer does it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Connection, StrongSwan};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);
/// Sessions of one peer at most (`MAX_SESSIONS_PER_PEER`).
const MOST: usize = 4;

/// strongSwan dies by SIGKILL with its kernel state and starts anew; its new tunnel is up.
fn reboot(site: &Site, peer: &mut StrongSwan, connection: &Connection) {
    peer.process().kill().unwrap();
    site.enb
        .sh("ip link del ipsec0 2>/dev/null || true; ip route flush table 220 2>/dev/null || true")
        .unwrap();
    *peer = StrongSwan::start(&site.enb, site.folder(), std::slice::from_ref(connection)).unwrap();
    peer.initiate("ipv4-s1").unwrap();
}

fn sas(gateway: &Gateway, kind: &str) -> usize {
    let command = format!("show security {kind} security-associations | display json");
    let report: serde_json::Value = serde_json::from_str(&gateway.cli(&command).unwrap()).unwrap();
    report[format!("{kind}_security_associations")]
        .as_array()
        .unwrap()
        .len()
}

/// Traffic goes both ways through the new tunnel, and the gateway lost none of it: nothing is sent into a tunnel that has no other
/// end. (The peer may need a moment: its tunnel is up before its userspace ESP is.)
fn assert_crosses(site: &Site, gateway: &Gateway) {
    wait_until("traffic both ways", LIMIT, || {
        let down = ping(&site.core, V4.core, V4.enb_inner, 3, 56)?;
        let up = ping(&site.enb, V4.enb_inner, V4.core, 3, 56)?;
        Ok(((down, up) == (3, 3)).then_some(()))
    })
    .unwrap();
    for reason in ["no-sa", "unknown-spi", "sa-mismatch", "selector-mismatch"] {
        assert_eq!(gateway.drops(reason).unwrap(), 0, "{reason}");
    }
}

fn routes(site: &Site) -> usize {
    let text = site.gw.sh("ip route show").unwrap();
    text.lines().filter(|l| l.starts_with("10.45.0.1 ")).count()
}

fn scene(name: &str, option: Option<&str>) -> (Site, Gateway, StrongSwan, Connection) {
    let site = Site::new(name).unwrap();
    let configuration = CONFIGURATION
        .replace("interval 10;", "interval 5;")
        .replace("threshold 3;", "threshold 2;");
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.options.extend(option.map(str::to_owned));
    let peer =
        StrongSwan::start(&site.enb, site.folder(), std::slice::from_ref(&connection)).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_crosses(&site, &gateway);
    (site, gateway, peer, connection)
}

#[test]
fn with_initial_contact_the_old_one_goes_at_once() {
    let (site, gateway, mut peer, connection) = scene("reboot_initial_contact", None);
    for _ in 0..2 {
        reboot(&site, &mut peer, &connection);
        assert_crosses(&site, &gateway);
        assert_eq!((sas(&gateway, "ike"), sas(&gateway, "ipsec")), (1, 1));
        assert_eq!(routes(&site), 1);
    }
}

#[test]
fn without_it_the_newest_owns_the_traffic_and_the_rest_is_bounded_and_ends() {
    // strongSwan sends no INITIAL_CONTACT with this policy.
    let (site, gateway, mut peer, connection) = scene("reboot_silent", Some("unique = never"));
    for reboots in 1..=MOST {
        reboot(&site, &mut peer, &connection);
        assert_crosses(&site, &gateway);
        let (ike, ipsec) = (sas(&gateway, "ike"), sas(&gateway, "ipsec"));
        assert!(
            ike == ipsec && (1..=MOST.min(reboots + 1)).contains(&ike),
            "{ike} {ipsec}"
        );
        assert_eq!(routes(&site), 1);
    }
    assert!(!peer.log().contains("INIT_CONTACT"));
    // Those left behind answer no probe; the living one stays, with its route and its traffic.
    wait_until("the dead sessions to be found", LIMIT, || {
        Ok((sas(&gateway, "ike") == 1 && sas(&gateway, "ipsec") == 1).then_some(()))
    })
    .unwrap();
    assert_crosses(&site, &gateway);
    assert_eq!(routes(&site), 1);
}

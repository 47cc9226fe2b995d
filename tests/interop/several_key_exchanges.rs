//! SAs whose keys come from several key exchanges (RFC 9370): with strongSwan by groups of today; between two
//! Ravelin gateways with ML-KEM. Set-ups and rekeys of both kinds by either end, with traffic after each.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::pair::{HOSTS, Pair, configuration};
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until the SAs of the gateway are others than before.
fn rekeyed(gateway: &Gateway, kind: &str, by: impl FnOnce()) {
    let spis = || -> ravelin_tests::Result<Vec<String>> {
        let all = gateway.cli(&format!(
            "show security {kind} security-associations detail | display json"
        ))?;
        let lines = all.lines().filter(|line| line.contains("spi"));
        Ok(lines.map(str::to_owned).collect())
    };
    let before = spis().unwrap();
    assert!(!before.is_empty());
    by();
    wait_until("the rekeyed SAs", PATIENCE, || {
        let now = spis()?;
        let gone = before.iter().all(|line| !now.contains(line));
        Ok((gone && now.len() == before.len()).then_some(()))
    })
    .unwrap();
}

fn request(gateway: &Gateway, what: &str) {
    gateway
        .cli(&format!("request security {what} rekey all"))
        .unwrap();
}

#[test]
fn strongswan_and_the_gateway_do_several_key_exchanges() {
    let site = Site::new("several_exchanges").unwrap();
    let configuration = CONFIGURATION
        .replacen(
            "dh-group group19;",
            "dh-group group31; additional-key-exchange [ group20 group18 ];",
            1,
        )
        .replacen(
            "proposals esp-gcm;",
            "proposals esp-gcm; perfect-forward-secrecy \
             { keys group31; additional-key-exchange [ group15 group19 ]; }",
            1,
        );
    assert!(configuration.contains("group18") && configuration.contains("group15"));
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.proposals = "aes256gcm16-prfsha256-x25519-ke1_ecp384-ke2_modp8192".into();
    connection.children[0].proposals = "aes256gcm16-x25519-ke1_modp3072-ke2_ecp256".into();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    let crosses = |when: &str| {
        let answered = ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap();
        assert_eq!(answered, 2, "{when}");
    };
    crosses("set-up");
    let ours = gateway
        .cli("show security ike security-associations detail")
        .unwrap();
    assert!(ours.contains("group31+group20+group18"), "{ours}");
    rekeyed(&gateway, "ipsec", || {
        peer.rekey("--child", "ipv4-s1").unwrap();
    });
    crosses("child rekeyed by the peer");
    rekeyed(&gateway, "ipsec", || request(&gateway, "ipsec"));
    crosses("child rekeyed by the gateway");
    rekeyed(&gateway, "ike", || {
        peer.rekey("--ike", "ipv4").unwrap();
    });
    crosses("IKE SA rekeyed by the peer");
    rekeyed(&gateway, "ike", || request(&gateway, "ike"));
    rekeyed(&gateway, "ipsec", || request(&gateway, "ipsec"));
    crosses("both rekeyed by the gateway");
    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 1)
    );
}

#[test]
fn two_gateways_are_safe_from_quantum_computers() {
    let folder = ravelin_tests::artifacts("post_quantum").unwrap();
    let pair = Pair::new().unwrap();
    let gateways = pair
        .start_as(&folder, |at| {
            let text = configuration(at, "");
            let set = text.replace("proposals ike-gcm;", "proposal-set post-quantum;");
            let pfs = "proposals esp-gcm; perfect-forward-secrecy \
                       { keys group31; additional-key-exchange ml-kem-1024; }";
            set.replace("proposals esp-gcm;", pfs)
        })
        .unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    for gateway in &gateways {
        let sas = gateway
            .cli("show security ike security-associations detail")
            .unwrap();
        assert!(sas.contains("group31+ml-kem-768"), "{sas}");
    }
    let [left, right] = &pair.hosts;
    for gateway in &gateways {
        for what in ["ipsec", "ike"] {
            rekeyed(gateway, what, || request(gateway, what));
            assert_eq!(ping(left, HOSTS[0], HOSTS[1], 2, 56).unwrap(), 2);
            assert_eq!(ping(right, HOSTS[1], HOSTS[0], 2, 56).unwrap(), 2);
        }
    }
}

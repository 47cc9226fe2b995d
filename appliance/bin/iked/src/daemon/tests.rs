//! Two daemons against each other in virtual time, each with a planed, a kernel and a network in memory and a real vault.

mod bench;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ravelin_ctl::daemon as mgmt;
use ravelin_ctl::failure::FailureOrder;
use ravelin_ctl::ike::{Authentication, Establish, PeerAddress};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply};
use ravelin_ctl::sa::{self, Event, Request, ToPlaned};
use ravelin_types::numbers::GRANT;
use ravelin_types::{Generation, Numbers, PairId, SecretBytes};

use bench::{Bench, LEFT, RIGHT};

fn up() -> Bench {
    let mut bench = Bench::new();
    bench.configure_both();
    bench.connect_planes();
    bench.run(Duration::from_secs(5));
    bench.assert_tunnel();
    bench
}

#[test]
fn a_tunnel_comes_up_in_both_planes_and_kernels() {
    let mut bench = up();
    assert_eq!(bench.left().routes(), ["10.2.0.0/16 st0-0"]);
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    // No answer may be lost between two calm ends: one exchange each, and nothing retransmitted.
    assert_eq!(bench.delivered, 4);
}

#[test]
fn traffic_establishes_a_tunnel_and_a_refusal_is_not_asked_for_at_once() {
    let mut bench = Bench::new();
    bench.configure(RIGHT);
    let mut config = bench::config(LEFT);
    config.gateways[0].vpns[0].establish = Establish::OnTraffic;
    let reply = bench.apply(LEFT, config.clone());
    assert!(matches!(reply, mgmt::Reply::Applied(Ok(_))), "{reply:?}");
    bench.connect_planes();
    bench.run(Duration::from_secs(5));
    let wanted = |tunnel_unit, source: &str, destination: &str| Event::Wanted {
        tunnel_unit,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    };
    for other in [
        wanted(1, "10.1.0.1", "10.2.0.1"),
        wanted(0, "10.3.0.1", "10.2.0.1"),
        wanted(0, "10.1.0.1", "10.3.0.1"),
        wanted(0, "2001:db8::1", "2001:db8::2"),
    ] {
        bench.left().plane_says(other);
    }
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.delivered, 0, "that is not its traffic");
    let own = wanted(0, "10.1.0.1", "10.2.0.1");
    bench.left().plane_says(own.clone());
    bench.run(Duration::from_secs(5));
    bench.assert_tunnel();
    assert_eq!(bench.delivered, 4);
    bench.left().plane_says(own.clone());
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.delivered, 4, "it is there");

    // The peer takes nobody any more.
    bench.query(LEFT, DaemonQuery::ClearIke(None));
    bench.run(Duration::from_secs(5));
    let mut refusing = bench::config(RIGHT);
    refusing.gateways[0].authentication = Authentication::pre_shared(SecretBytes::new(vec![1]));
    bench.apply(RIGHT, refusing);
    let before = bench.delivered;
    for _ in 0..40 {
        bench.left().plane_says(own.clone());
        bench.run(Duration::from_millis(100));
    }
    assert_eq!(bench.delivered - before, 4, "one attempt in 4 s");
}

#[test]
fn a_tunnel_waits_for_the_address_of_its_peers_name_at_either_end() {
    let named = |node, name: &str| {
        let mut config = bench::config(node);
        let name = PeerAddress::Name(name.to_owned());
        config.gateways[0].remote_addresses = Some(vec![name]);
        config
    };
    let mut bench = Bench::new();
    bench.connect_planes();
    assert_eq!(
        bench.apply(LEFT, named(LEFT, "right.example")),
        mgmt::Reply::Applied(Ok(Generation(1)))
    );
    bench.apply(RIGHT, named(RIGHT, "left.example"));
    bench.left().resolves(Err("no such host"));
    bench.right().resolves(Err("no such host"));
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.delivered, 0);
    let DaemonReply::Alarms(alarms) = bench.query(LEFT, DaemonQuery::Alarms) else {
        panic!("alarms were asked for");
    };
    let text = "gateway peer: host right.example: no such host; it has no address";
    assert_eq!(alarms[0].text, text);
    // The initiator knows, the responder does not, and says for whom it waits.
    bench.run(Duration::from_secs(2));
    bench.left().resolves(Ok("192.0.2.2"));
    bench.run(Duration::from_millis(500));
    let failures = DaemonQuery::IkeFailures(FailureOrder::Show(None));
    let DaemonReply::IkeFailures(failures) = bench.query(RIGHT, failures) else {
        panic!("failures were asked for");
    };
    let accepted = failures.entries[0].accepted.as_deref();
    let text = "gateway peer: host left.example: no such host; it has no address";
    assert_eq!(accepted, Some(text));
    bench.right().resolves(Ok("192.0.2.1"));
    bench.run(Duration::from_secs(20));
    bench.assert_tunnel();
    // Each is at another address now, which is for tunnels to come.
    let before = (bench.right().pairs(), bench.delivered);
    bench.run(Duration::from_secs(60));
    bench.left().resolves(Ok("192.0.2.77"));
    bench.right().resolves(Ok("192.0.2.78"));
    bench.run(Duration::from_secs(5));
    assert_eq!((bench.right().pairs(), bench.delivered), before);
    bench.assert_tunnel();
}

#[test]
fn the_answer_that_opens_the_tunnel_waits_for_planed() {
    let mut bench = Bench::new();
    bench.configure_both();
    bench.left().connect_plane();
    bench.run(Duration::from_millis(200));
    assert_eq!(bench.delivered, 3, "IKE_AUTH is asked, not answered");
    assert!(bench.left().pairs().is_empty());
    bench.right().connect_plane();
    bench.run(Duration::from_secs(10));
    bench.assert_tunnel();
}

#[test]
fn nothing_is_installed_before_the_configuration_is_known() {
    let mut bench = Bench::new();
    bench.connect_planes();
    bench.run(Duration::from_secs(1));
    assert!(
        bench.right().frames().is_empty(),
        "planed was not even asked for its list"
    );
    bench.configure_both();
    bench.run(Duration::from_secs(5));
    bench.assert_tunnel();
}

#[test]
fn a_restarted_daemon_goes_on_with_its_tunnel() {
    let mut bench = up();
    let before = bench.right().pairs();
    bench.restart(RIGHT);
    bench.configure(RIGHT);
    bench.right().connect_plane();
    bench.run(Duration::from_secs(1));
    assert_eq!(
        bench.right().pairs(),
        before,
        "planed's pair was left alone"
    );
    bench.assert_tunnel();
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    // The IKE SA lives on: a deletion by the other end is understood and answered.
    let cleared = bench.query(LEFT, DaemonQuery::ClearIke(None));
    assert_eq!(cleared, DaemonReply::Done(1));
    bench.run(Duration::from_millis(500));
    assert!(bench.right().pairs().is_empty() && bench.right().routes().is_empty());
}

#[test]
fn a_planed_that_lost_its_pairs_gets_them_with_a_new_epoch() {
    let mut bench = up();
    let before = bench.right().pairs();
    bench.right().plane_restarts();
    bench.right().connect_plane();
    bench.run(Duration::from_secs(1));
    let after = bench.right().pairs();
    assert_eq!(before[0].pair, after[0].pair);
    assert_eq!(before[0].inbound, after[0].inbound);
    assert!(after[0].epoch > before[0].epoch);
    bench.assert_tunnel();
}

#[test]
fn many_lost_pairs_return_each_with_a_new_epoch() {
    lose_and_return(4, 16);
}

#[test]
#[ignore = "soak: minutes until so many are up"]
fn sixty_five_thousand_lost_pairs_return() {
    lose_and_return(1024, 64);
}

/// planed loses the child SAs of so many sessions, and iked brings all of them back; the time is printed.
fn lose_and_return(sessions: usize, children: usize) {
    let mut bench = Bench::with_many(sessions, children);
    let epochs = |bench: &Bench| -> BTreeMap<PairId, u32> {
        let pairs = bench.node(RIGHT).pairs();
        pairs.iter().map(|pair| (pair.pair, pair.epoch)).collect()
    };
    let before = epochs(&bench);
    bench.right().plane_restarts();
    let start = Instant::now();
    bench.right().connect_plane();
    println!("{} pairs in {:?}", before.len(), start.elapsed());
    let wanted = before.into_iter().map(|(pair, epoch)| (pair, epoch + 1));
    assert_eq!(epochs(&bench), wanted.collect());
}

#[test]
fn ceilings_are_granted_when_planed_asks_and_outlive_both_daemons() {
    let mut bench = up();
    let first = bench.right().pairs()[0].clone();
    assert_eq!(first.ceilings, Numbers::FIRST);
    let used = Numbers {
        outbound: GRANT - 5,
        inbound: 3,
    };
    let wanted = Numbers::FIRST.granted(used, false);
    let ask = Event::CeilingWanted(vec![(first.pair, used), (PairId(999), used)]);
    bench.right().plane_says(ask);
    assert_eq!(bench.right().pairs()[0].ceilings, wanted);
    let grants = |bench: &Bench| {
        let grant = |frame: &&ToPlaned| matches!(&frame.body, Request::Grant(grants) if *grants == [(first.pair, wanted)]);
        bench.node(RIGHT).frames().iter().filter(grant).count()
    };
    assert_eq!(grants(&bench), 1);
    // Asked again, because the answer was lost: the same answer, and nothing more is granted.
    let again = Event::CeilingWanted(vec![(first.pair, used)]);
    bench.right().plane_says(again);
    assert_eq!(grants(&bench), 2);

    bench.restart(RIGHT);
    bench.configure(RIGHT);
    bench.right().plane_restarts();
    bench.right().connect_plane();
    bench.run(Duration::from_secs(1));
    let later = bench.right().pairs()[0].clone();
    assert!(later.pair == first.pair && later.epoch > first.epoch);
    assert_eq!(later.ceilings, wanted);
}

#[test]
fn a_pair_that_resumed_at_its_ceilings_is_rekeyed() {
    let mut bench = up();
    let old = bench.right().pairs()[0].pair;
    bench.right().plane_says(Event::Resumed(vec![old]));
    bench.run(Duration::from_secs(20));
    bench.assert_tunnel();
    assert_ne!(bench.right().pairs()[0].pair, old);
}

#[test]
fn an_append_torn_anywhere_brings_the_tunnel_back() {
    let mut torn = 0;
    for node in [LEFT, RIGHT] {
        for turn in 1.. {
            let mut lives = false;
            for percent in [0, 1, 50, 99, 100] {
                let mut bench = Bench::new();
                bench.configure_both();
                bench.connect_planes();
                bench.dies_in_append(node, turn, percent);
                bench.run(Duration::from_secs(20));
                bench.assert_tunnel();
                let old = bench.left().pairs()[0].pair;
                // The order itself may be what is torn.
                for _ in 0..2 {
                    if bench.left().pairs()[0].pair == old {
                        let rekey = DaemonQuery::RekeyChild(Some(old));
                        assert_eq!(bench.query(LEFT, rekey), DaemonReply::Done(1));
                    }
                    // Longer than a request is repeated.
                    bench.run(Duration::from_secs(80));
                    bench.assert_tunnel();
                }
                let new = bench.left().pairs()[0].pair;
                assert_ne!(new, old, "{node} {turn} {percent}");
                lives = bench.node(node).lives();
                torn += usize::from(!lives);
            }
            if lives {
                break;
            }
        }
    }
    assert!(torn >= 5 * 10, "only {torn} torn appends");
}

#[test]
fn routes_outlive_planed_for_the_hold_time_and_return_with_it() {
    let mut bench = up();
    bench.right().plane_restarts();
    bench.run(Duration::from_millis(9_900));
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    bench.run(Duration::from_millis(200));
    assert!(bench.right().routes().is_empty());
    bench.right().connect_plane();
    bench.run(Duration::from_millis(500));
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    bench.assert_tunnel();
}

#[test]
fn a_planed_that_hangs_loses_its_routes_and_gets_them_back() {
    let mut bench = up();
    bench.right().plane_hangs();
    bench.run(Duration::from_secs(15));
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    bench.run(Duration::from_secs(2));
    assert!(bench.right().routes().is_empty());
    bench
        .right()
        .plane_says(sa::Event::State { forwarding: true });
    bench.run(Duration::from_millis(500));
    assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
}

#[test]
fn a_pair_that_a_worker_refuses_is_deleted_at_both_ends() {
    let mut bench = up();
    let pair = bench.right().pairs()[0].clone();
    bench.right().worker_refuses(&pair);
    bench.run(Duration::from_millis(100));
    assert!(bench.right().routes().is_empty() && bench.left().routes().is_empty());
    assert!(bench.left().pairs().is_empty());
    bench.run(Duration::from_secs(60));
    bench.assert_tunnel();
    assert_ne!(bench.right().pairs()[0].pair, pair.pair);
}

#[test]
fn a_cleared_tunnel_takes_its_routes_along_and_comes_back() {
    let mut bench = up();
    let old = bench.left().pairs()[0].pair;
    let cleared = bench.query(RIGHT, DaemonQuery::ClearIpsec(None));
    assert_eq!(cleared, DaemonReply::Done(1));
    bench.run(Duration::from_millis(100));
    for node in [LEFT, RIGHT] {
        assert!(bench.node(node).pairs().is_empty() && bench.node(node).routes().is_empty());
    }
    let elsewhere = Some("198.51.100.1".parse().unwrap());
    assert_eq!(
        bench.query(LEFT, DaemonQuery::ClearIke(elsewhere)),
        DaemonReply::Done(0)
    );
    assert_eq!(
        bench.query(LEFT, DaemonQuery::ClearIke(None)),
        DaemonReply::Done(1)
    );
    bench.run(Duration::from_secs(60));
    bench.assert_tunnel();
    assert_ne!(bench.left().pairs()[0].pair, old);
}

#[test]
fn both_kinds_of_rekey_replace_the_pair_without_a_gap() {
    let mut bench = up();
    let old = bench.left().pairs()[0].clone();
    let DaemonReply::Done(1) = bench.query(LEFT, DaemonQuery::RekeyChild(Some(old.pair))) else {
        panic!("not done")
    };
    bench.run(Duration::from_secs(20));
    bench.assert_tunnel();
    let new = bench.left().pairs()[0].clone();
    assert_ne!(new.pair, old.pair);
    assert_ne!(new.inbound.spi.slot(), old.inbound.spi.slot());

    let DaemonReply::IkeSas(sas) = bench.query(RIGHT, DaemonQuery::IkeSas) else {
        panic!()
    };
    let DaemonReply::Done(1) = bench.query(RIGHT, DaemonQuery::RekeyIke(Some(sas[0].index))) else {
        panic!("not done")
    };
    bench.run(Duration::from_secs(20));
    bench.assert_tunnel();
    let DaemonReply::IkeSas(new) = bench.query(RIGHT, DaemonQuery::IkeSas) else {
        panic!()
    };
    assert_eq!(new.len(), 1);
    assert_ne!(new[0].responder_spi, sas[0].responder_spi);
    assert_eq!(bench.left().routes(), ["10.2.0.0/16 st0-0"]);
}

#[test]
fn operators_see_what_is_there() {
    let mut bench = up();
    let DaemonReply::IkeSas(ike) = bench.query(RIGHT, DaemonQuery::IkeSas) else {
        panic!()
    };
    assert_eq!(ike.len(), 1);
    assert_eq!(
        (ike[0].state.as_str(), ike[0].initiator, ike[0].children),
        ("UP", false, 1)
    );
    assert_eq!(ike[0].gateway.as_deref(), Some("peer"));
    let DaemonReply::IpsecSas(ipsec) = bench.query(RIGHT, DaemonQuery::IpsecSas) else {
        panic!()
    };
    assert_eq!(ipsec.len(), 1);
    assert_eq!(ipsec[0].inbound_spi, bench.right().pairs()[0].inbound.spi);
    assert!(ipsec[0].outbound_active && ipsec[0].counters.is_some());
    let DaemonReply::IkeStatistics(rows) = bench.query(RIGHT, DaemonQuery::IkeStatistics) else {
        panic!()
    };
    assert!(
        rows.iter()
            .any(|(name, value)| name == "IKE SAs established" && *value == 1)
    );
    // A planed that hangs does not keep the operator waiting for ever.
    bench.right().plane_hangs();
    let DaemonReply::IpsecSas(ipsec) = bench.query(RIGHT, DaemonQuery::IpsecSas) else {
        panic!()
    };
    assert!(ipsec[0].counters.is_none());
    // Without planed the answer comes all the same, without counters.
    bench.right().plane_restarts();
    let DaemonReply::IpsecSas(ipsec) = bench.query(RIGHT, DaemonQuery::IpsecSas) else {
        panic!()
    };
    assert!(ipsec[0].counters.is_none());
}

#[test]
fn a_configuration_without_the_gateway_ends_its_tunnel() {
    let mut bench = up();
    let reply = bench.apply(RIGHT, ravelin_ctl::ike::IkeConfig::default());
    assert!(matches!(reply, mgmt::Reply::Applied(Ok(_))));
    bench.run(Duration::from_secs(5));
    assert!(bench.right().pairs().is_empty() && bench.right().routes().is_empty());
}

#[test]
fn a_commit_that_narrows_the_selectors_replaces_the_tunnel() {
    for node in [LEFT, RIGHT] {
        let mut bench = up();
        assert_eq!(bench.left().routes(), ["10.2.0.0/16 st0-0"]);
        let mut narrow = bench::config(node);
        let selectors = &mut narrow.gateways[0].vpns[0].selectors[0];
        let far = if node == LEFT {
            &mut selectors.remote
        } else {
            &mut selectors.local
        };
        *far = "10.2.3.0/24".parse().unwrap();
        let reply = bench.apply(node, narrow);
        assert!(matches!(reply, mgmt::Reply::Applied(Ok(_))), "{reply:?}");
        bench.run(Duration::from_secs(5));
        bench.assert_tunnel();
        assert_eq!(
            bench.left().pairs()[0].remote_ts[0].to_string(),
            "10.2.3.0/24"
        );
        assert_eq!(bench.left().routes(), ["10.2.3.0/24 st0-0"]);
        assert_eq!(bench.right().routes(), ["10.1.0.0/16 st0-0"]);
    }
}

#[test]
fn junk_changes_nothing() {
    let mut bench = up();
    bench.inject(RIGHT, &[0; 28]);
    bench.inject(RIGHT, &[0xff; 2000]);
    bench.inject(RIGHT, b"");
    bench.run(Duration::from_secs(1));
    bench.assert_tunnel();
}

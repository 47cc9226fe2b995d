use super::*;
use proptest::prelude::*;
use ravelin_types::Prefix;

fn ts(text: &str) -> TrafficSelector {
    TrafficSelector::from_prefix(text.parse::<Prefix>().unwrap())
}

fn pair(local: &str, remote: &str) -> SelectorPair {
    SelectorPair {
        local: ts(local),
        remote: ts(remote),
    }
}

fn narrow(
    local: &[TrafficSelector],
    remote: &[TrafficSelector],
    pairs: &[SelectorPair],
) -> Option<Narrowed> {
    super::narrow(local, remote, pairs, Wanted::first_of(local, remote))
}

#[test]
fn the_peer_narrows_a_wide_configuration() {
    let any = [pair("0.0.0.0/0", "0.0.0.0/0"), pair("::/0", "::/0")];
    let got = narrow(&[ts("10.0.0.0/8")], &[ts("172.16.1.1/32")], &any).unwrap();
    assert_eq!(
        got,
        Narrowed {
            local: vec![ts("10.0.0.0/8")],
            remote: vec![ts("172.16.1.1/32")]
        }
    );
}

#[test]
fn the_configuration_narrows_a_wide_offer() {
    let got = narrow(
        &[ts("0.0.0.0/0")],
        &[ts("0.0.0.0/0")],
        &[pair("10.0.0.0/8", "172.16.0.0/16")],
    )
    .unwrap();
    assert_eq!(
        got,
        Narrowed {
            local: vec![ts("10.0.0.0/8")],
            remote: vec![ts("172.16.0.0/16")]
        }
    );
}

#[test]
fn both_families_fit_into_one_child() {
    let any = [pair("0.0.0.0/0", "0.0.0.0/0"), pair("::/0", "::/0")];
    let offer = [ts("10.1.0.0/16"), ts("2001:db8::/32")];
    let got = narrow(&offer, &[ts("10.2.0.0/16"), ts("2001:db9::/32")], &any).unwrap();
    assert_eq!(got.local.len(), 2);
    assert_eq!(got.remote.len(), 2);
}

#[test]
fn pairs_are_not_mixed() {
    let pairs = [
        pair("10.1.0.0/16", "172.16.1.0/24"),
        pair("10.2.0.0/16", "172.16.2.0/24"),
    ];
    assert_eq!(
        narrow(&[ts("10.1.0.0/16")], &[ts("172.16.2.0/24")], &pairs),
        None
    );
    let second = narrow(&[ts("10.2.3.0/24")], &[ts("172.16.2.0/24")], &pairs).unwrap();
    assert_eq!(second.local, vec![ts("10.2.3.0/24")]);
    let wide = narrow(&[ts("10.0.0.0/8")], &[ts("172.16.0.0/16")], &pairs).unwrap();
    assert_eq!(wide.remote, vec![ts("172.16.1.0/24")]);
}

#[test]
fn the_answer_holds_what_the_offer_begins_with() {
    let pairs = [
        pair("10.1.0.0/16", "172.16.1.0/24"),
        pair("10.2.0.0/16", "172.16.2.0/24"),
    ];
    let (local, remote) = (
        [ts("10.2.0.7/32"), ts("10.0.0.0/8")],
        [ts("172.16.2.9/32"), ts("172.16.0.0/16")],
    );
    let got = narrow(&local, &remote, &pairs).unwrap();
    assert_eq!(got.local, vec![ts("10.2.0.0/16")]);
    assert_eq!(got.remote, vec![ts("172.16.2.0/24")]);
    assert!(Wanted::first_of(&local, &remote).begins_within(&pairs));
    // A first choice that no pair allows whole decides nothing.
    let got = narrow(&local[1..], &remote[1..], &pairs).unwrap();
    assert_eq!(got.local, vec![ts("10.1.0.0/16")]);
    assert!(!Wanted::first_of(&local[1..], &remote).begins_within(&pairs));
}

#[test]
fn what_is_in_use_is_kept_as_far_as_it_is_offered() {
    let (used, wide) = ([ts("10.2.0.0/16")], [ts("10.0.0.0/8")]);
    assert!(keeps(&wide, &wide, &used) && keeps(&used, &wide, &used));
    assert!(!keeps(&[ts("10.2.0.0/24")], &wide, &used));
    assert!(!keeps(&[ts("10.1.0.0/16")], &wide, &used));
    // The peer itself gives up the rest.
    assert!(keeps(&[ts("10.2.0.0/24")], &[ts("10.2.0.0/24")], &used));
}

#[test]
fn nothing_in_common_is_none_and_covered_parts_are_left_out() {
    let pairs = [pair("10.0.0.0/8", "0.0.0.0/0")];
    assert_eq!(
        narrow(&[ts("192.168.0.0/16")], &[ts("172.16.2.0/24")], &pairs),
        None
    );
    let got = narrow(
        &[ts("10.1.1.1/32"), ts("10.1.0.0/16")],
        &[ts("172.16.2.0/24")],
        &pairs,
    )
    .unwrap();
    assert_eq!(got.local, vec![ts("10.1.0.0/16")]);
}

#[test]
fn nonsense_from_the_wire_is_dropped() {
    let mut wire = to_wire(&[ts("10.0.0.0/8")]);
    if let Some(Selector::Range(r)) = wire.selectors.first_mut() {
        (r.start, r.end) = (r.end, r.start);
    }
    assert!(from_wire(&wire).is_empty());
}

fn any_ts() -> impl Strategy<Value = TrafficSelector> {
    let addresses = (any::<bool>(), any::<u32>(), any::<u32>());
    (addresses, 0u8..3, any::<u16>(), any::<u16>()).prop_map(|((v6, a, b), protocol, p, q)| {
        let address = |n: u32| -> std::net::IpAddr {
            if v6 {
                std::net::Ipv6Addr::from(u128::from(n) << 64).into()
            } else {
                std::net::Ipv4Addr::from(n).into()
            }
        };
        TrafficSelector {
            first: address(a.min(b)),
            last: address(a.max(b)),
            protocol,
            port_first: p.min(q),
            port_last: p.max(q),
        }
    })
}

proptest! {
    #[test]
    fn the_answer_is_within_offer_and_configuration(
        local in proptest::collection::vec(any_ts(), 1..4),
        remote in proptest::collection::vec(any_ts(), 1..4),
        ours in any_ts(), theirs in any_ts(),
    ) {
        let pairs = [SelectorPair { local: ours, remote: theirs }];
        if let Some(n) = narrow(&local, &remote, &pairs) {
            prop_assert!(is_within(&n.local, &local) && is_within(&n.local, &[ours]));
            prop_assert!(is_within(&n.remote, &remote) && is_within(&n.remote, &[theirs]));
        }
    }

    #[test]
    fn the_wire_form_is_faithful(list in proptest::collection::vec(any_ts(), 1..5)) {
        prop_assert_eq!(from_wire(&to_wire(&list)), list);
    }
}

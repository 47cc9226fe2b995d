use super::*;

fn peer() -> Identity {
    Identity::Fqdn("enb.example".into())
}

fn take(
    leases: &mut Leases,
    pool: &AddressPool,
    ipv6: bool,
    wish: Option<IpAddr>,
    session: u64,
) -> Option<IpAddr> {
    let (peer, alone) = (&peer(), false);
    let holder = Holder {
        session,
        peer,
        alone,
        beside: &[],
    };
    leases.take(pool, ipv6, wish, holder)
}

fn pool(inet: &str, inet6: &str) -> AddressPool {
    AddressPool {
        name: "p".into(),
        inet: inet.parse().ok(),
        inet6: inet6.parse().ok(),
        dns: Vec::new(),
    }
}

#[test]
fn each_address_has_one_holder_and_comes_back_last() {
    let pool = pool("10.9.0.0/29", "2001:db8::/126");
    let mut leases = Leases::default();
    for (ipv6, expected) in [(false, 6), (true, 3)] {
        let all: Vec<_> = (0..8)
            .filter_map(|n| take(&mut leases, &pool, ipv6, None, n))
            .collect();
        assert_eq!(
            all.len(),
            expected,
            "without network, broadcast and router anycast"
        );
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), expected);
        assert!(take(&mut leases, &pool, ipv6, Some(all[0]), 9).is_none());
        // Only the holder gives back.
        leases.release("p", all[1], 7, &peer());
        assert!(take(&mut leases, &pool, ipv6, None, 9).is_none());
        leases.release("p", all[2], 2, &peer());
        leases.release("p", all[1], 1, &peer());
        assert_eq!(
            take(&mut leases, &pool, ipv6, None, 9),
            Some(all[2]),
            "the first to be free"
        );
        assert_eq!(
            take(&mut leases, &pool, ipv6, Some(all[1]), 9),
            Some(all[1])
        );
    }
}

#[test]
fn wishes_are_heard_within_the_pool() {
    let pool = pool("10.9.0.0/24", "");
    let mut leases = Leases::default();
    let wish = |text: &str| Some(text.parse().unwrap());
    assert_eq!(
        take(&mut leases, &pool, false, wish("10.9.0.77"), 1),
        wish("10.9.0.77")
    );
    for other in ["10.9.0.77", "10.9.0.0", "10.9.0.255", "10.8.0.1", "::1"] {
        let got = take(&mut leases, &pool, false, wish(other), 2).unwrap();
        assert_ne!(Some(got), wish(other), "{other}");
    }
    assert_eq!(
        take(&mut leases, &pool, true, None, 2),
        None,
        "no such family"
    );
}

#[test]
fn what_a_journal_holds_is_not_leased_again() {
    let pool = pool("10.9.0.0/30", "");
    let mut leases = Leases::default();
    leases.restore("p", "10.9.0.1".parse().unwrap(), 5, &peer());
    let second = take(&mut leases, &pool, false, None, 6).unwrap();
    assert_eq!(second, "10.9.0.2".parse::<IpAddr>().unwrap());
    assert_eq!(take(&mut leases, &pool, false, None, 7), None);
    // A pool that is made anew finds what is free by looking.
    leases.keep(&[]);
    leases.release("p", second, 6, &peer());
    assert_eq!(take(&mut leases, &pool, false, None, 7), Some(second));
}

#[test]
fn a_peer_that_comes_anew_has_its_own_address_again() {
    let pool = pool("10.9.0.0/30", "");
    let mut leases = Leases::default();
    let own = take(&mut leases, &pool, false, None, 1).unwrap();
    let other = take(&mut leases, &pool, false, None, 2).unwrap();
    let (peer, alone) = (&peer(), true);
    let anew = |session| Holder {
        session,
        peer,
        alone,
        beside: &[],
    };
    assert_eq!(
        leases.take(&pool, false, None, anew(3)),
        Some(other),
        "what it got last"
    );
    // The sessions that it has lost end: what was taken over stays.
    leases.release("p", other, 2, peer);
    leases.release("p", own, 1, peer);
    assert_eq!(take(&mut leases, &pool, false, None, 4), Some(own));
    assert_eq!(take(&mut leases, &pool, false, None, 5), None);
    // In a journal of the moment between, the younger session has it.
    let mut restored = Leases::default();
    for session in [3, 2] {
        restored.restore("p", other, session, peer);
    }
    restored.release("p", other, 2, peer);
    assert_eq!(take(&mut restored, &pool, false, Some(other), 6), Some(own));
}

#[test]
fn a_wide_pool_is_bounded_and_a_single_address_is_one() {
    for (inet6, count) in [("2001:db8::/64", MAX_LEASES), ("2001:db8::7/128", 1)] {
        let pool = pool("", inet6);
        let mut leases = Leases::default();
        let got =
            (0..=MAX_LEASES as u64).filter(|n| take(&mut leases, &pool, true, None, *n).is_some());
        assert_eq!(got.count(), count);
    }
}

#[test]
fn a_peer_beside_its_other_session_has_the_same_address_if_it_wishes() {
    let pool = pool("10.9.0.0/29", "");
    let mut leases = Leases::default();
    let own = take(&mut leases, &pool, false, None, 1).unwrap();
    let others = take(&mut leases, &pool, false, None, 2);
    let (peer, alone) = (&peer(), false);
    let beside = |wish| Holder {
        session: 3,
        peer,
        alone,
        beside: wish,
    };
    let foreign = leases.take(&pool, false, others, beside(&[1]));
    assert_ne!(foreign, others, "another peer's");
    assert_eq!(
        leases.take(&pool, false, Some(own), beside(&[1])),
        Some(own)
    );
    leases.release("p", own, 1, peer);
    assert_ne!(take(&mut leases, &pool, false, Some(own), 4), Some(own));
}

//! Round trips and refusals of every group.

use super::*;

/// All but the two whose key pairs cost a second in an unoptimised run.
fn groups() -> impl Iterator<Item = DhGroup> {
    let slow = [DhGroup::Modp6144, DhGroup::Modp8192];
    let all = DhGroup::ALL.iter().copied();
    all.filter(move |group| !slow.contains(group))
}

#[test]
fn both_ends_agree_and_survive_the_journal() {
    for group in groups() {
        let a = DhPrivate::generate(group).unwrap();
        assert_eq!(a.public().len(), group.public_octets(), "{group}");
        let (public, shared) = DhPrivate::answer(group, a.public()).unwrap();
        assert_eq!(public.len(), group.answer_octets(), "{group}");
        assert_eq!(shared.len(), group.shared_octets(), "{group}");
        assert!(
            shared.ct_eq(a.agree(&public).unwrap().as_bytes()),
            "{group}"
        );
        let a = DhPrivate::from_bytes(a.to_bytes().as_bytes()).unwrap();
        assert!(
            shared.ct_eq(a.agree(&public).unwrap().as_bytes()),
            "{group}"
        );
    }
}

#[test]
fn public_value_is_a_function_of_the_private_value() {
    for group in groups() {
        let a = DhPrivate::generate(group).unwrap();
        let again = DhPrivate::from_private(group, a.private.as_bytes()).unwrap();
        assert_eq!(a.public(), again.public(), "{group}");
    }
}

#[test]
fn wrong_length_of_the_peer_value_is_refused() {
    for group in groups() {
        let a = DhPrivate::generate(group).unwrap();
        let (good, _) = DhPrivate::answer(group, a.public()).unwrap();
        let refused = |bad: &[u8], expected| Error::PeerPublicLength {
            group,
            got: bad.len(),
            expected,
        };
        for (good, expected) in [
            (good.as_slice(), group.answer_octets()),
            (a.public(), group.public_octets()),
        ] {
            let longer = [&[0], good].concat();
            for bad in [&[][..], &good[1..], &good[..good.len() - 1], &longer] {
                if expected == group.answer_octets() {
                    assert_eq!(a.agree(bad).unwrap_err(), refused(bad, expected));
                }
                if expected == group.public_octets() {
                    let answered = DhPrivate::answer(group, bad);
                    assert_eq!(answered.unwrap_err(), refused(bad, expected));
                }
            }
        }
    }
}

#[test]
fn degenerate_peer_values_are_refused() {
    let p = openssl::bn::BigNum::get_rfc3526_prime_2048().unwrap();
    let offset = |minus: u32| {
        let mut y = p.to_owned().unwrap();
        y.sub_word(minus).unwrap();
        y.to_vec_padded(256).unwrap()
    };
    let group = DhGroup::Modp2048;
    let a = DhPrivate::generate(group).unwrap();
    let mut one = vec![0; 256];
    one[255] = 1;
    for bad in [
        vec![0; 256],
        one.clone(),
        offset(1),
        offset(0),
        vec![0xff; 256],
    ] {
        assert_eq!(
            a.agree(&bad).unwrap_err(),
            Error::PeerPublicInvalid { group }
        );
    }
    let mut two = one;
    two[255] = 2;
    assert!(a.agree(&two).is_ok());
    assert!(a.agree(&offset(2)).is_ok());

    for group in groups().filter(|group| matches!(group.kind(), DhKind::Ecp { .. })) {
        let a = DhPrivate::generate(group).unwrap();
        let mut off_curve = DhPrivate::generate(group).unwrap().public().to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        for bad in [
            off_curve,
            vec![0; group.public_octets()],
            vec![0xff; group.public_octets()],
        ] {
            assert_eq!(
                a.agree(&bad).unwrap_err(),
                Error::PeerPublicInvalid { group }
            );
        }
    }

    let group = DhGroup::Curve25519;
    let a = DhPrivate::generate(group).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    for bad in [[0; 32], one] {
        assert_eq!(a.agree(&bad).unwrap_err(), Error::PeerResult { group });
    }
}

/// RFC 6989 section 2.2: in the groups of RFC 5114 an element outside the subgroup would tell about our private value.
#[test]
fn elements_outside_the_subgroup_are_refused() {
    for group in [
        DhGroup::Modp1024s160,
        DhGroup::Modp2048s224,
        DhGroup::Modp2048s256,
    ] {
        let a = DhPrivate::generate(group).unwrap();
        let mut two = vec![0; group.public_octets()];
        *two.last_mut().unwrap() = 2;
        assert_eq!(
            a.agree(&two).unwrap_err(),
            Error::PeerPublicInvalid { group }
        );
    }
}

/// FIPS 203 section 7.2, modulus check: a coefficient of 3329 or more is no encapsulation key.
#[test]
fn encapsulation_keys_above_the_modulus_are_refused() {
    for group in [DhGroup::MlKem512, DhGroup::MlKem768, DhGroup::MlKem1024] {
        let a = DhPrivate::generate(group).unwrap();
        let mut bad = a.public().to_vec();
        bad[..3].fill(0xff);
        assert_eq!(
            DhPrivate::answer(group, &bad).unwrap_err(),
            Error::PeerPublicInvalid { group }
        );
    }
}

/// FIPS 203 section 6.3: another ciphertext gives another secret and no error, so that nobody learns from the refusal.
#[test]
fn a_changed_ciphertext_gives_another_secret() {
    for group in [DhGroup::MlKem512, DhGroup::MlKem768, DhGroup::MlKem1024] {
        let a = DhPrivate::generate(group).unwrap();
        let (mut ciphertext, shared) = DhPrivate::answer(group, a.public()).unwrap();
        ciphertext[0] ^= 1;
        let other = a.agree(&ciphertext).unwrap();
        assert!(!shared.ct_eq(other.as_bytes()), "{group}");
    }
}

#[test]
fn private_values_out_of_range_are_refused() {
    for (group, bad) in [
        (DhGroup::Modp2048, vec![0]),
        (DhGroup::Modp2048, vec![1]),
        (DhGroup::Modp2048, vec![0xff; 256]),
        (DhGroup::Ecp256, vec![0; 32]),
        (DhGroup::Ecp256, vec![0xff; 32]),
        (DhGroup::Ecp384, vec![0xff; 48]),
        (DhGroup::Curve25519, vec![1; 31]),
        (DhGroup::MlKem768, vec![1; 63]),
    ] {
        assert_eq!(
            DhPrivate::from_private(group, &bad).unwrap_err(),
            Error::PrivateInvalid { group }
        );
    }
}

#[test]
fn malformed_journal_values_are_refused() {
    let good = DhPrivate::generate(DhGroup::Ecp256).unwrap().to_bytes();
    for cut in 0..=2 + DhGroup::Ecp256.public_octets() {
        assert_eq!(
            DhPrivate::from_bytes(&good.as_bytes()[..cut]).unwrap_err(),
            Error::Stored
        );
    }
    let mut unknown = good.as_bytes().to_vec();
    unknown[1] = 99;
    assert_eq!(DhPrivate::from_bytes(&unknown).unwrap_err(), Error::Stored);
}

#[test]
fn debug_shows_no_secret() {
    let a = DhPrivate::from_private(DhGroup::Ecp256, &[0xab; 32]).unwrap();
    let text = format!("{a:?} {:?}", a.to_bytes());
    assert_eq!(text, "DhPrivate { group: Ecp256, .. } Secret(..)");
}

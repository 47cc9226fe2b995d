use super::*;
use crate::msg::sa::Attribute;
use ravelin_types::{IkeEncr, Prf};

const GCM256: IkeEncr = IkeEncr::Aes256Gcm;
const GCM128: IkeEncr = IkeEncr::Aes128Gcm;
const CBC256: IkeEncr = IkeEncr::Aes256Cbc;

fn ike(encr: IkeEncr, integ: Option<IkeInteg>, dh: DhGroup) -> IkeProposal {
    IkeProposal {
        suite: IkeSuite::new(encr, integ, Prf::HmacSha256, dh).unwrap(),
        lifetime_s: 28800,
    }
}

fn esp(encr: EspEncr) -> EspProposal {
    let integ = (!encr.is_aead()).then_some(EspInteg::HmacSha256_128);
    EspProposal {
        protocol: ravelin_types::IpsecProtocol::Esp,
        transform: EspTransform::new(encr, integ).unwrap(),
        extended_sequence: false,
        lifetime_s: 3600,
        volume: ravelin_types::Volume::UNLIMITED,
    }
}

#[test]
fn our_preference_decides() {
    let theirs = [
        ike(GCM128, None, DhGroup::Ecp256),
        ike(GCM256, None, DhGroup::Curve25519),
    ];
    let ours = [
        ike(GCM256, None, DhGroup::Curve25519),
        ike(GCM128, None, DhGroup::Ecp256),
    ];
    let choice = select_ike(&offer_ike(&theirs, &[]), &ours, 0).unwrap();
    assert_eq!(
        (choice.number, choice.ours, choice.suite),
        (2, 0, ours[0].suite)
    );
}

#[test]
fn the_failed_transform_is_named() {
    let theirs = [ike(GCM256, None, DhGroup::Modp2048)];
    let ours = [
        ike(GCM256, None, DhGroup::Ecp256),
        ike(GCM256, None, DhGroup::Curve25519),
    ];
    let error = select_ike(&offer_ike(&theirs, &[]), &ours, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "key exchange group: offered MODP_2048; accepted ECP_256, CURVE_25519"
    );
    let mut offer = offer_ike(&theirs, &[]);
    offer.proposals[0].transforms[0] = Transform::plain(transform::ENCR, 3);
    let error = select_ike(&offer, &ours, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "encryption: offered 3DES; accepted AES_GCM_16_256"
    );
}

#[test]
fn a_missing_combination_is_named_whole() {
    let theirs = [
        ike(GCM128, None, DhGroup::Ecp256),
        ike(GCM256, None, DhGroup::Modp2048),
    ];
    let ours = [ike(GCM256, None, DhGroup::Ecp256)];
    let error = select_ike(&offer_ike(&theirs, &[]), &ours, 0).unwrap_err();
    assert_eq!(error.what, "combination");
}

#[test]
fn ciphers_that_need_integrity_get_it_and_aead_does_not() {
    let cbc = ike(CBC256, Some(IkeInteg::HmacSha256_128), DhGroup::Ecp256);
    assert!(select_ike(&offer_ike(&[cbc], &[]), &[cbc], 0).is_ok());
    let mut offer = offer_ike(&[cbc], &[]);
    offer.proposals[0]
        .transforms
        .retain(|t| t.kind != transform::INTEG);
    assert_eq!(select_ike(&offer, &[cbc], 0).unwrap_err().what, "integrity");
    let gcm = ike(GCM256, None, DhGroup::Ecp256);
    let mut offer = offer_ike(&[gcm], &[]);
    offer.proposals[0]
        .transforms
        .push(Transform::plain(transform::INTEG, 0));
    assert!(select_ike(&offer, &[gcm], 0).is_ok());
    offer.proposals[0].transforms.pop();
    offer.proposals[0]
        .transforms
        .push(Transform::plain(transform::INTEG, 12));
    assert!(select_ike(&offer, &[gcm], 0).is_err());
}

#[test]
fn unknown_attributes_and_types_are_passed_over() {
    let gcm = ike(GCM256, None, DhGroup::Ecp256);
    let mut offer = offer_ike(&[gcm], &[]);
    offer.proposals[0].transforms[0]
        .attributes
        .push(Attribute::Short(99, 1));
    assert!(select_ike(&offer, &[gcm], 0).is_err());
    let mut offer = offer_ike(&[gcm], &[]);
    offer.proposals[0].transforms.push(Transform::plain(77, 1));
    assert!(select_ike(&offer, &[gcm], 0).is_err());
}

#[test]
fn what_is_not_understood_does_not_hide_what_is() {
    let gcm = ike(GCM256, None, DhGroup::Ecp256);
    let mut offer = offer_ike(&[gcm, gcm], &[]);
    offer.proposals[0].transforms.push(Transform::plain(77, 1));
    assert_eq!(select_ike(&offer, &[gcm], 0).unwrap().number, 2);
    // A transform with a strange attribute, beside one without.
    let mut offer = offer_ike(&[gcm], &[]);
    let mut strange = offer.proposals[0].transforms[0].clone();
    strange.attributes.push(Attribute::Long(98, vec![1; 9]));
    offer.proposals[0].transforms.insert(0, strange);
    assert!(select_ike(&offer, &[gcm], 0).is_ok());
    // A mandatory type is missing.
    let mut offer = offer_ike(&[gcm, gcm], &[]);
    offer.proposals[0]
        .transforms
        .retain(|t| t.kind != transform::PRF);
    assert_eq!(select_ike(&offer, &[gcm], 0).unwrap().number, 2);
}

#[test]
fn a_key_length_is_there_once_where_it_belongs_and_nowhere_else() {
    let cbc = ike(CBC256, Some(IkeInteg::HmacSha256_128), DhGroup::Ecp256);
    let bits = Attribute::KeyBits(256);
    for (at, attributes, fits) in [
        (0, vec![bits.clone()], true),
        (0, vec![], false),
        (0, vec![bits.clone(), bits.clone()], false),
        (0, vec![Attribute::Long(14, vec![1, 0])], false),
        (1, vec![bits.clone()], false),
        (2, vec![bits.clone()], false),
        (3, vec![bits], false),
    ] {
        let mut offer = offer_ike(&[cbc], &[]);
        offer.proposals[0].transforms[at].attributes = attributes;
        assert_eq!(select_ike(&offer, &[cbc], 0).is_ok(), fits);
    }
}

#[test]
fn an_ike_sa_has_a_key_exchange() {
    let gcm = ike(GCM256, None, DhGroup::Ecp256);
    let mut offer = offer_ike(&[gcm], &[0; 8]);
    offer.proposals[0].transforms[2] = Transform::plain(transform::DH, NONE);
    assert!(select_ike(&offer, &[gcm], 8).is_err());
    offer.proposals[0].transforms.pop();
    assert!(select_ike(&offer, &[gcm], 8).is_err());
}

/// RFC 7296 section 5: no PRF below 128 bits, and "MUST NOT negotiate NONE as the IKE integrity protection algorithm or ENCR_NULL as the
/// IKE encryption algorithm".
#[test]
fn no_ike_suite_is_without_protection() {
    const ENCR_NULL: u16 = 11;
    assert!(Prf::ALL.iter().all(|prf| prf.output_octets() >= 16));
    assert!(IkeEncr::ALL.iter().all(|e| e.iana().0 != ENCR_NULL));
    assert!(IkeInteg::ALL.iter().all(|i| i.iana() != NONE));
    for encr in IkeEncr::ALL {
        let alone = IkeSuite::new(*encr, None, Prf::HmacSha256, DhGroup::Ecp256);
        assert_eq!(alone.is_ok(), encr.is_aead());
    }
}

#[test]
fn offers_follow_our_preference_and_answers_are_one_suite_as_it_was_offered() {
    let ours = [esp(EspEncr::Aes256Gcm), esp(EspEncr::Aes128Cbc)];
    let p256 = KeMethods::new(DhGroup::Ecp256, AdditionalKe::NONE);
    let offer = offer_esp(&ours, Some(p256), Spi(0x1234));
    let suites = ours.map(|p| esp_transforms(p.suite(), Some(p256)));
    let offered = offer.proposals.iter().map(|p| p.transforms.clone());
    assert_eq!(offered.collect::<Vec<_>>(), suites);
    assert!(!is_one_suite(&offer));
    let choice = select_esp(&offer, &ours[1..], ChildDh::Optional).unwrap();
    assert_eq!((choice.number, choice.dh), (2, Some(p256)));
    let transforms = choice.transforms();
    let mut sa = answer(choice.number, protocol::ESP, &[0, 0, 9, 9], transforms);
    assert!(is_one_suite(&sa));
    assert_eq!(sa.proposals[0].transforms, offer.proposals[1].transforms);
    let twice = Transform::keyed(transform::ENCR, 12, 256);
    sa.proposals[0].transforms.push(twice);
    assert!(!is_one_suite(&sa));
}

#[test]
fn an_answer_says_none_where_the_proposal_does_and_nothing_was_chosen() {
    let kinds = |transforms: &[Transform]| -> Vec<_> {
        transforms.iter().map(|t| (t.kind, t.id)).collect()
    };
    let gcm = ike(GCM256, None, DhGroup::Ecp256);
    for none in [false, true] {
        let mut offer = offer_ike(&[gcm], &[]);
        let said = [transform::INTEG, transform::ADDKE1].map(|kind| Transform::plain(kind, NONE));
        let said = said.into_iter().filter(|_| none);
        offer.proposals[0].transforms.extend(said);
        let choice = select_ike(&offer, &[gcm], 0).unwrap();
        let answer = choice.transforms();
        assert_eq!(kinds(&answer), kinds(&offer.proposals[0].transforms));
    }
    let ours = [esp(EspEncr::Aes256Gcm)];
    let p256 = KeMethods::new(DhGroup::Ecp256, AdditionalKe::NONE);
    let mut offer = offer_esp(&ours, Some(p256), Spi(0x1234));
    let none = Transform::plain(transform::DH, NONE);
    offer.proposals[0].transforms.push(none);
    for (policy, group) in [
        (ChildDh::Optional, 0),
        (ChildDh::Ignore, 0),
        (ChildDh::Require(DhGroup::Ecp256, AdditionalKe::NONE), 19),
    ] {
        let choice = select_esp(&offer, &ours, policy).unwrap();
        let answer = choice.transforms();
        let groups = kinds(&answer).into_iter().filter(|t| t.0 == transform::DH);
        assert_eq!(groups.collect::<Vec<_>>(), [(transform::DH, group)]);
    }
}

#[test]
fn child_key_exchange_follows_the_policy() {
    let spi = Spi(0x1234_5678);
    let plain = offer_esp(&[esp(EspEncr::Aes256Gcm)], None, spi);
    let pfs = offer_esp(
        &[esp(EspEncr::Aes256Gcm)],
        Some(KeMethods::new(DhGroup::Ecp256, AdditionalKe::NONE)),
        spi,
    );
    let ours = [esp(EspEncr::Aes256Gcm)];
    let dh = |offer: &Sa, policy| select_esp(offer, &ours, policy).map(|c| c.dh);
    let p256 = KeMethods::new(DhGroup::Ecp256, AdditionalKe::NONE);
    let require = ChildDh::Require(DhGroup::Ecp256, AdditionalKe::NONE);
    assert_eq!(dh(&plain, ChildDh::Optional), Ok(None));
    assert_eq!(dh(&pfs, ChildDh::Optional), Ok(Some(p256)));
    assert_eq!(dh(&pfs, ChildDh::Ignore), Ok(None));
    assert_eq!(dh(&pfs, require), Ok(Some(p256)));
    let error = dh(&plain, require).unwrap_err();
    assert_eq!(
        error.to_string(),
        "key exchange group: offered none; accepted ECP_256"
    );
}

#[test]
fn extended_sequence_numbers_and_reserved_spis_are_refused() {
    let mut offer = offer_esp(&[esp(EspEncr::Aes256Gcm)], None, Spi(0x1000));
    for t in offer.proposals[0]
        .transforms
        .iter_mut()
        .filter(|t| t.kind == transform::ESN)
    {
        t.id = 1;
    }
    let error = select_esp(&offer, &[esp(EspEncr::Aes256Gcm)], ChildDh::Ignore).unwrap_err();
    assert_eq!(
        error.to_string(),
        "extended sequence numbers: offered ESN; accepted no ESN"
    );
    let offer = offer_esp(&[esp(EspEncr::Aes256Gcm)], None, Spi(255));
    assert!(select_esp(&offer, &[esp(EspEncr::Aes256Gcm)], ChildDh::Ignore).is_err());
}

#[test]
fn suites_survive_their_stored_form() {
    let suite = ike(CBC256, Some(IkeInteg::HmacSha384_192), DhGroup::Ecp384).suite;
    let bytes = postcard::to_stdvec(&suite).unwrap();
    assert_eq!(postcard::from_bytes::<IkeSuite>(&bytes).unwrap(), suite);
}

#[test]
fn every_esp_transform_is_offered_chosen_and_stored() {
    for transform in EspTransform::all() {
        let proposal = EspProposal {
            protocol: ravelin_types::IpsecProtocol::Esp,
            transform,
            extended_sequence: false,
            lifetime_s: 3600,
            volume: ravelin_types::Volume::UNLIMITED,
        };
        let offer = offer_esp(&[proposal], None, Spi(0x1234));
        let encr = of(&offer.proposals[0], transform::ENCR).next().unwrap();
        // RFC 7296 section 3.3.5: the Key Length attribute goes with ciphers of several lengths, and with no other.
        assert_eq!(encr.key_bits().unwrap(), transform.encr().iana().1);
        let chosen = select_esp(&offer, &[proposal], ChildDh::Ignore).unwrap();
        assert_eq!(chosen.suite.transform, transform);
        let stored = postcard::to_stdvec(&chosen.suite).unwrap();
        let read: EspSuite = postcard::from_bytes(&stored).unwrap();
        assert_eq!(read, chosen.suite);
        for other in EspTransform::all().filter(|other| *other != transform) {
            let other = EspProposal {
                protocol: ravelin_types::IpsecProtocol::Esp,
                transform: other,
                extended_sequence: false,
                lifetime_s: 3600,
                volume: ravelin_types::Volume::UNLIMITED,
            };
            assert!(select_esp(&offer, &[other], ChildDh::Ignore).is_err());
        }
    }
}

/// Records of releases that had AES-GCM alone are read as they were.
#[test]
fn a_stored_suite_keeps_its_numbers() {
    let suite = EspSuite {
        protocol: ravelin_types::IpsecProtocol::Esp,
        transform: EspTransform::AES_256_GCM,
        extended_sequence: false,
    };
    let SuiteIds(ids) = suite.into();
    assert_eq!(ids, [20, 256, 0, 0, 0]);
    assert!(EspSuite::try_from(SuiteIds([12, 256, 0, 0, 0])).is_err());
}

#[test]
fn extended_sequence_numbers_are_agreed_or_refused() {
    let proposal = |extended_sequence| EspProposal {
        protocol: ravelin_types::IpsecProtocol::Esp,
        extended_sequence,
        ..esp(EspEncr::Aes256Gcm)
    };
    for (theirs, ours) in [(false, false), (true, true), (true, false), (false, true)] {
        let offer = offer_esp(&[proposal(theirs)], None, Spi(0x1234));
        let chosen = select_esp(&offer, &[proposal(ours)], ChildDh::Ignore);
        assert_eq!(chosen.is_ok(), theirs == ours);
    }
    // Who accepts both is asked for what we prefer.
    let offer = offer_esp(&[proposal(false), proposal(true)], None, Spi(0x1234));
    let chosen = select_esp(&offer, &[proposal(true), proposal(false)], ChildDh::Ignore).unwrap();
    assert!(chosen.suite.extended_sequence);
    let stored = postcard::to_stdvec(&chosen.suite).unwrap();
    let read: EspSuite = postcard::from_bytes(&stored).unwrap();
    assert_eq!(read, chosen.suite);
}

fn hybrid(additional: &[DhGroup]) -> IkeProposal {
    let mut proposal = ike(GCM256, None, DhGroup::Curve25519);
    let additional = AdditionalKe::new(additional).unwrap();
    proposal.suite = proposal.suite.with_additional(additional).unwrap();
    proposal
}

/// RFC 9370 section 2.2.2: one of each offered transform type is chosen, NONE among them, none twice, in the order of the types.
#[test]
fn additional_key_exchanges_are_chosen_one_of_each_type() {
    let (kem, p384) = (DhGroup::MlKem768, DhGroup::Ecp384);
    let offer = |types: &[(u8, &[u16])]| {
        let mut sa = offer_ike(&[ike(GCM256, None, DhGroup::Curve25519)], &[]);
        for (kind, ids) in types {
            let more = ids.iter().map(|id| Transform::plain(*kind, *id));
            sa.proposals[0].transforms.extend(more);
        }
        sa
    };
    let chosen = |types: &[(u8, &[u16])], want: &[DhGroup]| {
        let choice = select_ike(&offer(types), &[hybrid(want)], 0).ok()?;
        Some(choice.places[..want.len()].to_vec())
    };
    assert_eq!(chosen(&[(6, &[36])], &[kem]), Some(vec![6]));
    assert_eq!(chosen(&[(9, &[37, 36])], &[kem]), Some(vec![9]));
    assert_eq!(
        chosen(&[(6, &[20]), (7, &[36])], &[p384, kem]),
        Some(vec![6, 7])
    );
    // The first could be either; the second is needed and has no NONE.
    let either: &[(u8, &[u16])] = &[(6, &[36, 0]), (7, &[36])];
    assert_eq!(chosen(either, &[kem]), Some(vec![7]));
    assert_eq!(chosen(&[(6, &[36, 0])], &[]), Some(vec![]));
    assert_eq!(chosen(&[(6, &[36])], &[]), None);
    assert_eq!(chosen(&[], &[kem]), None);
    assert_eq!(chosen(&[(6, &[36]), (7, &[20])], &[p384, kem]), None);
    assert_eq!(chosen(&[(6, &[36]), (7, &[36])], &[kem]), None);
    // The answer has the types of the offer.
    let choice = select_ike(&offer(&[(9, &[36])]), &[hybrid(&[kem])], 0).unwrap();
    let last = choice.transforms().pop().unwrap();
    assert_eq!((last.kind, last.id), (9, 36));
}

#[test]
fn a_child_gets_the_additional_key_exchanges_that_the_peer_insists_on() {
    let ours = [esp(EspEncr::Aes256Gcm)];
    let with = |first, additional: &[DhGroup]| {
        Some(KeMethods::new(
            first,
            AdditionalKe::new(additional).unwrap(),
        ))
    };
    let chosen = |offered: Option<KeMethods>, policy| {
        let offer = offer_esp(&ours, offered, Spi(0x1234_5678));
        select_esp(&offer, &ours, policy).ok().map(|c| c.dh)
    };
    let p256 = DhGroup::Ecp256;
    let both = with(p256, &[DhGroup::MlKem512, DhGroup::Ecp384]);
    assert_eq!(chosen(both, ChildDh::Optional), Some(both));
    assert_eq!(chosen(both, ChildDh::Ignore), Some(None));
    let same = ChildDh::Require(p256, both.unwrap().additional);
    assert_eq!(chosen(both, same), Some(both));
    assert_eq!(
        chosen(both, ChildDh::Require(p256, AdditionalKe::NONE)),
        None
    );
    assert_eq!(chosen(with(p256, &[]), same), None);
}

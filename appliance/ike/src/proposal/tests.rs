use super::*;
use crate::msg::sa::Attribute;

const GCM256: EncrAlg = EncrAlg::AesGcm16 { key_bits: 256 };
const GCM128: EncrAlg = EncrAlg::AesGcm16 { key_bits: 128 };
const CBC256: EncrAlg = EncrAlg::AesCbc { key_bits: 256 };

fn ike(encr: EncrAlg, integ: Option<IntegAlg>, dh: DhGroup) -> IkeProposal {
    IkeProposal {
        encr,
        integ,
        prf: PrfAlg::HmacSha256,
        dh,
        lifetime_s: 28800,
    }
}

fn esp(encr: EncrAlg) -> EspProposal {
    EspProposal {
        encr,
        integ: None,
        lifetime_s: 3600,
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
        (2, 0, ours[0].suite())
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
    let cbc = ike(CBC256, Some(IntegAlg::HmacSha256_128), DhGroup::Ecp256);
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
fn child_key_exchange_follows_the_policy() {
    let spi = Spi(0x1234_5678);
    let plain = offer_esp(&[esp(GCM256)], None, spi);
    let pfs = offer_esp(&[esp(GCM256)], Some(DhGroup::Ecp256), spi);
    let ours = [esp(GCM256)];
    let dh = |offer: &Sa, policy| select_esp(offer, &ours, policy).map(|c| c.dh);
    assert_eq!(dh(&plain, ChildDh::Optional), Ok(None));
    assert_eq!(dh(&pfs, ChildDh::Optional), Ok(Some(DhGroup::Ecp256)));
    assert_eq!(dh(&pfs, ChildDh::Ignore), Ok(None));
    assert_eq!(
        dh(&pfs, ChildDh::Require(DhGroup::Ecp256)),
        Ok(Some(DhGroup::Ecp256))
    );
    let error = dh(&plain, ChildDh::Require(DhGroup::Ecp256)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "key exchange group: offered none; accepted ECP_256"
    );
}

#[test]
fn extended_sequence_numbers_and_reserved_spis_are_refused() {
    let mut offer = offer_esp(&[esp(GCM256)], None, Spi(0x1000));
    for t in offer.proposals[0]
        .transforms
        .iter_mut()
        .filter(|t| t.kind == transform::ESN)
    {
        t.id = 1;
    }
    let error = select_esp(&offer, &[esp(GCM256)], ChildDh::Ignore).unwrap_err();
    assert_eq!(
        error.to_string(),
        "extended sequence numbers: offered ESN; accepted no ESN"
    );
    let offer = offer_esp(&[esp(GCM256)], None, Spi(255));
    assert!(select_esp(&offer, &[esp(GCM256)], ChildDh::Ignore).is_err());
}

#[test]
fn suites_survive_their_stored_form() {
    let suite = ike(CBC256, Some(IntegAlg::HmacSha384_192), DhGroup::Ecp384).suite();
    let bytes = postcard::to_stdvec(&suite).unwrap();
    assert_eq!(postcard::from_bytes::<IkeSuite>(&bytes).unwrap(), suite);
}

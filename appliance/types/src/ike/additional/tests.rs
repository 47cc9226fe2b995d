use super::*;

#[test]
fn order_is_kept_and_stored() {
    let methods = [DhGroup::MlKem768, DhGroup::Ecp384];
    let additional = AdditionalKe::new(&methods).unwrap();
    assert_eq!(additional.iter().collect::<Vec<_>>(), methods);
    assert_eq!(additional.len(), 2);
    assert_eq!(additional.get(1), Some(DhGroup::Ecp384));
    assert_eq!(additional.get(2), None);
    assert_eq!(additional.to_string(), "+ml-kem-768+group20");
    let numbers: [u16; MAX_ADDITIONAL_KE] = additional.into();
    assert_eq!(numbers, [36, 20, 0, 0, 0, 0, 0]);
    assert_eq!(AdditionalKe::try_from(numbers), Ok(additional));
}

#[test]
fn repeated_and_too_many_are_refused() {
    let twice = [DhGroup::MlKem768, DhGroup::Ecp256, DhGroup::MlKem768];
    let repeated = AdditionalKeError::Repeated(DhGroup::MlKem768);
    assert_eq!(AdditionalKe::new(&twice), Err(repeated));
    let eight: Vec<_> = DhGroup::ALL.iter().copied().take(8).collect();
    assert_eq!(
        AdditionalKe::new(&eight),
        Err(AdditionalKeError::TooMany(8))
    );
    let unknown = AdditionalKe::try_from([99, 0, 0, 0, 0, 0, 0]);
    assert_eq!(unknown, Err(AdditionalKeError::Unknown(99)));
}

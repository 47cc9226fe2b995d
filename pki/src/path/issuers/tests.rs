use super::*;
use crate::testca::{Hierarchy, KeyKind};

const NOW: WallTime = WallTime(1_800_000_000);

fn certificates(ca: &Hierarchy) -> [Certificate; 3] {
    let enb = ca.issue("enb", &[]).unwrap().certificate;
    [&enb[..], ca.access(), ca.root()].map(|der| Certificate::from_der(der).unwrap())
}

fn hierarchy() -> Hierarchy {
    Hierarchy::new(KeyKind::P256, NOW, "example.net").unwrap()
}

#[test]
fn an_issuer_extends_its_path_by_what_it_has_issued_only() {
    let [enb, access, root] = certificates(&hierarchy());
    let issuer = Issuer::new(&[access.clone(), root.clone()], "operator").unwrap();
    let path = issuer.extend(&enb, NOW).unwrap();
    assert_eq!(path.certificates, [enb, access, root.clone()]);
    assert_eq!(path.profile, "operator");
    let [other, ..] = certificates(&hierarchy());
    assert_eq!(issuer.extend(&other, NOW), None);
    assert_eq!(issuer.extend(&root, NOW), None);
}

#[test]
fn each_certificate_above_has_to_be_valid_still() {
    let [enb, access, _] = certificates(&hierarchy());
    // A root that ends before what is below it.
    let then = WallTime(NOW.0 - 3650 * 86_400);
    let old = Hierarchy::new(KeyKind::P256, then, "example.net").unwrap();
    let [_, _, old] = certificates(&old);
    let issuer = Issuer::new(&[access, old.clone()], "operator").unwrap();
    let last = WallTime(old.not_after().0 - 1);
    assert!(enb.not_before() <= last && last < enb.not_after());
    assert!(issuer.extend(&enb, last).is_some());
    assert_eq!(issuer.extend(&enb, old.not_after()), None);
}

#[test]
fn names_that_are_constrained_above_the_issuer_are_compared_each_time() {
    let [enb, access, root] = certificates(&hierarchy());
    assert!(access.constrains_names() && !root.constrains_names());
    assert!(Issuer::new(&[access.clone(), root.clone()], "operator").is_some());
    assert!(Issuer::new(&[root, access.clone()], "operator").is_none());
    assert!(Issuer::new(&[enb, access], "operator").is_none());
}

#[test]
fn the_number_of_issuers_is_bounded() {
    let issuers = Issuers::default();
    let mut last = vec![];
    for _ in 0..=MAX_ISSUERS {
        let [enb, access, root] = certificates(&hierarchy());
        last = access.der().to_vec();
        issuers.learn(&Path {
            certificates: vec![enb, access, root],
            profile: "operator".into(),
        });
        assert!(issuers.find(&last).is_some());
        assert!(issuers.0.read().unwrap().len() <= MAX_ISSUERS);
    }
    assert_eq!(issuers.0.read().unwrap().len(), 1, "{} octets", last.len());
}

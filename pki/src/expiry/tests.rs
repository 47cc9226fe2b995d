use super::*;
use crate::testca::{Fault, Hierarchy, KeyKind};

#[test]
fn those_that_end_soon_are_told_in_order() {
    let now = WallTime(1_800_000_000);
    let ca = Hierarchy::new(KeyKind::P256, now, "example.net").unwrap();
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    let certificates = [
        read(ca.root()),
        read(&ca.issue("gw1", &[]).unwrap().certificate),
        read(&ca.faulty("gw2", Fault::NotYetValid).unwrap().certificate),
        read(&ca.faulty("gw3", Fault::Expired).unwrap().certificate),
    ];
    let told = |days| {
        let soon = expiring(&certificates, now, days);
        let texts = soon.iter().map(|e| (e.certificate.clone(), e.days_left));
        texts.collect::<Vec<_>>()
    };
    let subject = |name: &str| format!("CN={name},O=Ravelin Test");
    assert_eq!(told(0), [(subject("gw3"), -1)]);
    assert_eq!(told(30), [(subject("gw3"), -1)]);
    assert_eq!(told(31), [(subject("gw3"), -1), (subject("gw2"), 30)]);
    assert_eq!(told(366).len(), 3);
    assert_eq!(
        expiring(&certificates, now, 31)[1].at,
        WallTime(now.0 + 30 * 86_400)
    );
}

use super::*;

fn heard(manager: &UnixDatagram) -> Vec<u8> {
    let mut text = [0; 32];
    let octets = manager.recv(&mut text).unwrap();
    text[..octets].to_vec()
}

#[test]
fn the_manager_hears_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let notifier = Notifier::new(Some(path.into()), Some("3000000".to_owned()));
    assert_eq!(notifier.interval(), Some(Duration::from_millis(1_500)));
    notifier.ready();
    notifier.alive();
    notifier.stopping();
    assert_eq!(heard(&manager), b"READY=1");
    assert_eq!(heard(&manager), b"WATCHDOG=1");
    assert_eq!(heard(&manager), b"STOPPING=1");
}

#[test]
fn without_a_manager_there_is_no_watchdog() {
    let notifier = Notifier::new(None, Some("3000000".to_owned()));
    assert_eq!(notifier.interval(), None);
    notifier.ready();
}

#[test]
fn a_watchdog_period_that_is_no_number_is_none() {
    let notifier = Notifier::new(Some("/nowhere".into()), Some("soon".to_owned()));
    assert_eq!(notifier.interval(), None);
}

#[test]
fn a_manager_that_is_gone_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    Notifier::new(Some(dir.path().join("gone").into()), None).ready();
}

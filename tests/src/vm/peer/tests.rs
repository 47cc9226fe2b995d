use super::{complete, host_script};

#[test]
fn an_answer_ends_with_its_status() {
    assert_eq!(complete(b"one\ntwo\n"), None);
    assert_eq!(complete(b"one\n\x01end 0"), None);
    assert_eq!(complete(b"one\n\x01end 0\n"), Some((0, "one\n".to_owned())));
    assert_eq!(complete(b"\x01end 127\n"), Some((127, String::new())));
    assert_eq!(complete(b"\x01\x01end 2\n"), Some((2, "\x01".to_owned())));
}

#[test]
fn a_host_gets_its_addresses_and_routes() {
    let script = host_script(
        &["192.0.2.10/24".to_owned()],
        &["2001:db8:45::1/128".to_owned()],
        &["10.0.0.0/8 via 192.0.2.1".to_owned()],
    );
    let lines: Vec<&str> = script.lines().collect();
    assert!(lines.contains(&"ip addr add 192.0.2.10/24 dev eth0"));
    assert!(lines.contains(&"ip addr add 2001:db8:45::1/128 dev lo nodad"));
    assert!(lines.contains(&"ip route add 10.0.0.0/8 via 192.0.2.1"));
}

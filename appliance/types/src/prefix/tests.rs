//! Prefix arithmetic at the edges of both families.

use super::*;

#[test]
fn canonical_form_and_bounds() {
    let p = Prefix::new("10.1.2.3".parse().unwrap(), 8).unwrap();
    assert_eq!(p.to_string(), "10.0.0.0/8");
    assert_eq!(p.last().to_string(), "10.255.255.255");
    assert!(p.contains("10.9.9.9".parse().unwrap()));
    assert!(!p.contains("11.0.0.0".parse().unwrap()));
    assert!(!p.contains("::a00:1".parse().unwrap()));
    assert_eq!(Prefix::new("10.0.0.0".parse().unwrap(), 33), None);
}

#[test]
fn default_and_host() {
    let all: Prefix = "::/0".parse().unwrap();
    assert!(all.is_default() && all.contains("2001:db8::1".parse().unwrap()));
    assert_eq!(
        all.last().to_string(),
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    );
    let host: Prefix = "192.0.2.1".parse().unwrap();
    assert_eq!((host.len(), host.last()), (32, host.addr()));
    assert!("0.0.0.0/0".parse::<Prefix>().unwrap().covers(&host));
    assert!(!host.covers(&"0.0.0.0/0".parse().unwrap()));
}

#[test]
fn errors_name_the_text() {
    for bad in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "x/8", "1/2/3"] {
        let error = bad.parse::<Prefix>().unwrap_err();
        assert_eq!(error.text, bad);
    }
}

//! Where peers are, by what is known of their host names.

use super::*;
use crate::names::{Answer, Answers};
use ravelin_ctl::ike::PeerAddress;
use std::net::IpAddr;

fn answer(addresses: &[&str], error: Option<&str>) -> Answer {
    Answer {
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        error: error.map(str::to_owned),
    }
}

/// One gateway whose peer is at `enb.example`, at an address, and at `backup.example`.
fn with_names(names: &[(&str, Answer)], previous: Option<&Compiled>) -> Compiled {
    let mut config = config();
    config.gateways[0].remote_addresses = Some(vec![
        PeerAddress::Name("enb.example".to_owned()),
        PeerAddress::Address("192.0.2.7".parse().unwrap()),
        PeerAddress::Name("backup.example".to_owned()),
    ]);
    let names = names
        .iter()
        .map(|(name, answer)| ((*name).to_owned(), answer.clone()));
    let names: Answers = names.collect();
    compile(
        &Arc::new(config),
        &Arc::default(),
        &Arc::new(names),
        previous,
    )
    .unwrap()
}

fn addresses(compiled: &Compiled) -> Vec<String> {
    let all = compiled.ike.gateways[0].remote_addresses.as_ref().unwrap();
    all.iter().map(IpAddr::to_string).collect()
}

#[test]
fn names_stand_for_their_addresses_in_the_order_of_the_configuration() {
    let first = with_names(&[], None);
    assert_eq!(addresses(&first), ["192.0.2.7"]);
    let hosts: Vec<_> = first.hosts_of("enb").collect();
    assert_eq!(hosts, ["enb.example", "backup.example"]);
    assert_eq!((first.hosts.len(), first.hosts_of("other").count()), (2, 0));
    assert!(first.unresolved.is_empty(), "nobody has been asked yet");

    let known = [
        ("enb.example", answer(&["2001:db8::9", "192.0.2.9"], None)),
        ("backup.example", answer(&["192.0.2.7", "192.0.2.8"], None)),
    ];
    let second = with_names(&known, Some(&first));
    let expected = ["2001:db8::9", "192.0.2.9", "192.0.2.7", "192.0.2.8"];
    assert_eq!(addresses(&second), expected);
    assert!(second.unresolved.is_empty());
    let same = with_names(&known, Some(&second));
    let [a, b] = [&second, &same].map(|c| &c.ike.gateways[0]);
    assert!(Arc::ptr_eq(a, b), "negotiations go on");
}

#[test]
fn names_without_addresses_are_told_with_the_reason() {
    let known = [
        ("enb.example", answer(&["192.0.2.9"], Some("no answer"))),
        ("backup.example", answer(&[], Some("no such host"))),
    ];
    let compiled = with_names(&known, None);
    assert_eq!(addresses(&compiled), ["192.0.2.9", "192.0.2.7"]);
    let expected = [
        "gateway enb: host enb.example: no answer; it stays at 192.0.2.9",
        "gateway enb: host backup.example: no such host; it has no address",
    ];
    assert_eq!(compiled.unresolved, expected);
    let [shown] = &compiled.gateways()[..] else {
        panic!("one gateway has one peer");
    };
    let places: Vec<_> = shown
        .peer
        .iter()
        .map(|p| (p.address.as_str(), p.known.len()))
        .collect();
    let expected = [("enb.example", 1), ("192.0.2.7", 0), ("backup.example", 0)];
    assert_eq!(places, expected);
    assert_eq!(shown.peer[2].error.as_deref(), Some("no such host"));
}

#[test]
fn addresses_of_a_family_that_we_have_not_are_left_out() {
    let mut config = config();
    let gateway = &mut config.gateways[0];
    gateway.local_addresses.truncate(1);
    gateway.remote_addresses = Some(vec![PeerAddress::Name("enb.example".to_owned())]);
    let names = [("enb.example".to_owned(), answer(&["2001:db8::9"], None))];
    let names = Arc::new(Answers::from(names));
    let compiled = compile(&Arc::new(config), &Arc::default(), &names, None).unwrap();
    assert!(addresses(&compiled).is_empty());
    let fault = "gateway enb: host enb.example: no address of ours is of the family of 2001:db8::9";
    assert_eq!(compiled.unresolved, [fault]);
}

#[test]
fn there_may_be_only_so_many_names() {
    let mut config = config();
    let name = |n| PeerAddress::Name(format!("enb{n}.example"));
    config.gateways[0].remote_addresses = Some((0..=MAX_NAMES).map(name).collect());
    let error = without_certificates(config).unwrap_err().to_string();
    assert!(error.contains("4097 host names"), "{error}");
}

use super::*;
use Step::{And, Not, Or, Test as Ask};

fn steps(text: &str) -> Vec<Step> {
    let word = Word {
        text: text.to_owned(),
        at: 10,
    };
    parse(&word).unwrap().0
}

fn fails(text: &str) -> (usize, String) {
    let word = Word {
        text: text.to_owned(),
        at: 10,
    };
    let error = parse(&word).unwrap_err();
    (error.at(), error.to_string())
}

fn net(end: End, text: &str) -> Step {
    Ask(Test::Net(end, text.parse().unwrap()))
}

#[test]
fn tests_are_read() {
    for (text, step) in [
        ("host 10.0.0.1", net(End::Either, "10.0.0.1/32")),
        ("src host 10.0.0.1", net(End::Source, "10.0.0.1/32")),
        ("dst 2001:db8::1", net(End::Destination, "2001:db8::1/128")),
        ("net 10.0.0.0/8", net(End::Either, "10.0.0.0/8")),
        ("src net 2001:db8::/32", net(End::Source, "2001:db8::/32")),
        ("port 53", Ask(Test::Port(End::Either, 53))),
        ("dst port 53", Ask(Test::Port(End::Destination, 53))),
        ("proto 89", Ask(Test::Protocol(89))),
        ("proto udp", Ask(Test::Protocol(17))),
        ("proto esp", Ask(Test::Esp)),
        ("esp", Ask(Test::Esp)),
        ("icmp6", Ask(Test::Protocol(58))),
        ("arp", Ask(Test::Arp)),
        ("ip", Ask(Test::Ipv4)),
        ("ip6", Ask(Test::Ipv6)),
        ("spi 0xC0000001", Ask(Test::Spi(Spi(0xc000_0001)))),
        ("esp spi 4096", Ask(Test::Spi(Spi(4096)))),
    ] {
        assert_eq!(steps(text), [step], "{text}");
    }
}

#[test]
fn operators_bind_as_in_pcap() {
    let (a, b, c) = (Ask(Test::Ipv4), Ask(Test::Esp), Ask(Test::Arp));
    assert_eq!(steps("ip or esp and arp"), [a, b, Or, c, And]);
    assert_eq!(steps("ip or (esp and arp)"), [a, b, c, And, Or]);
    assert_eq!(steps("not ip and !esp"), [a, Not, b, Not, And]);
    assert_eq!(steps("not(ip||esp)&&arp"), [a, b, Or, Not, c, And]);
    assert_eq!(steps("not not ip"), [a]);
    let port = Ask(Test::Port(End::Destination, 53));
    let udp = Ask(Test::Protocol(17));
    assert_eq!(steps("udp dst port 53 or esp"), [udp, port, And, b, Or]);
    assert_eq!(steps("not udp dst port 53"), [udp, port, And, Not]);
}

#[test]
fn errors_name_the_word_and_its_place() {
    let (at, text) = fails("host 10.0.0.1 and hots 10.0.0.2");
    assert_eq!(at, 10 + 1 + 18);
    assert!(
        text.starts_with("unknown word `hots`, expected host, net,"),
        "{text}"
    );
    assert_eq!(
        fails("host 10.0.0"),
        (16, "`10.0.0` is not an IP address".to_owned())
    );
    assert_eq!(fails("port 70000").1, "`70000` is not a port");
    assert_eq!(fails("spi 0xzz").1, "`0xzz` is not an SPI, like 0xc0000001");
    assert_eq!(fails("ip esp").1, "unknown word `esp`, expected and or or");
    assert_eq!(fails("(ip or esp").1, "incomplete command, expected )");
    assert_eq!(
        fails("(ip esp)").1,
        "unknown word `esp`, expected and, or or )"
    );
    assert_eq!(
        fails("ip and").1.split(',').next(),
        Some("incomplete command")
    );
    assert_eq!(fails("src port").1, "incomplete command, expected a port");
    assert!(fails("src proto 6").1.contains("`proto`"));
    assert!(fails("").1.starts_with("incomplete command"));
}

#[test]
fn length_and_depth_are_bounded() {
    let long = vec!["ip"; 33].join(" or ");
    assert_eq!(fails(&long).1, "`ip` is not read: the filter is too long");
    assert!(steps(&vec!["ip"; 32].join(" or ")).len() <= MAX_FILTER_STEPS);
    let deep = format!("{}ip{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(fails(&deep).1, "`(` is not read: the filter is too long");
}

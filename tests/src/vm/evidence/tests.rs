use super::{Carried, KernelSa, Refused, kernel_sas, native_esp};
use std::net::IpAddr;

const STATE: &str = "src 192.0.2.1 dst 192.0.2.2
	proto esp spi 0xc8f75eb1(3371654833) reqid 1(0x00000001) mode tunnel
	replay-window 0 seq 0x00000000 flag af-unspec esn (0x10100000)
	aead rfc4106(gcm(aes)) 0x15b7 (288 bits) 128
	dir out
	lifetime config:
	  limit: soft (INF)(bytes), hard (INF)(bytes)
	  limit: soft (INF)(packets), hard (INF)(packets)
	lifetime current:
	  2125336(bytes), 1484(packets)
	  add 2026-11-22 05:14:04 use 2026-11-22 05:14:04
	stats:
	  replay-window 0 replay 0 failed 0
src 2001:db8::2 dst 2001:db8::1
	proto esp spi 0x00000101(257) reqid 1(0x00000001) mode tunnel
	encap type espinudp sport 4500 dport 4500 addr ::
	lifetime current:
	  11000(bytes), 207(packets)
src 192.0.2.1 dst 192.0.2.2
	proto ah spi 0x00000102(258) reqid 1(0x00000001) mode tunnel
	lifetime current:
	  1(bytes), 2(packets)
	stats:
	  replay-window 3 replay 4 failed 5
";

fn sa(source: &str, destination: &str, spi: u32, packets: u64) -> KernelSa {
    KernelSa {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: "esp".to_owned(),
        spi,
        mode: "tunnel".to_owned(),
        in_udp: false,
        packets,
        refused: Refused::default(),
    }
}

#[test]
fn the_kernels_list_is_read() {
    let mut second = sa("2001:db8::2", "2001:db8::1", 257, 207);
    second.in_udp = true;
    let first = sa("192.0.2.1", "192.0.2.2", 0xc8f7_5eb1, 1484);
    let mut third = sa("192.0.2.1", "192.0.2.2", 258, 2);
    third.protocol = "ah".to_owned();
    third.refused = Refused {
        late: 3,
        replayed: 4,
        forged: 5,
    };
    assert_eq!(kernel_sas(STATE), [first, second, third]);
    assert_eq!(kernel_sas(""), []);
}

#[test]
fn only_protocol_50_under_the_kernels_numbers_is_native_esp() {
    let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let sas = [
        sa("192.0.2.1", "192.0.2.2", 300, 10),
        sa("192.0.2.2", "192.0.2.1", 301, 9),
    ];
    let esp = [((a, b, 300), 10), ((b, a, 301), 9)].into_iter().collect();
    let good = Carried {
        esp,
        ..Carried::default()
    };
    assert!(native_esp(&good, &sas, 9).is_ok());
    assert!(native_esp(&good, &sas, 10).is_err(), "too few back");
    assert!(native_esp(&good, &sas[..1], 1).is_err(), "one way only");
    let mut others = sas.clone();
    others[0].spi = 302;
    assert!(native_esp(&good, &others, 9).is_err(), "another SPI");
    others = sas.clone();
    others[1].in_udp = true;
    assert!(native_esp(&good, &others, 9).is_err(), "in UDP");
    others = sas.clone();
    others[0].protocol = "ah".to_owned();
    assert!(native_esp(&good, &others, 9).is_err(), "AH");
    let bad = Carried { in_udp: 1, ..good };
    assert!(native_esp(&bad, &sas, 9).is_err(), "in UDP on the link");
    let bad = Carried {
        in_udp: 0,
        clear: 1,
        ..bad
    };
    assert!(native_esp(&bad, &sas, 9).is_err(), "in clear");
}

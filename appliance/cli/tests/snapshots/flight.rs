//! What a flight recorder may hold.

use ravelin_ctl::capture::EspLink;
use ravelin_ctl::flight::{Flight, FlightRecord, Outcome};
use ravelin_ctl::operator::{DaemonReply, Reply};
use ravelin_ctl::sa::Outer;
use ravelin_types::{PairId, Spi, VrfId};
use std::net::IpAddr;

fn record(
    time_us: u64,
    (stage, outcome): (&str, Outcome),
    interface: &str,
    (source, destination): (&str, &str),
    esp: Option<(Option<u64>, u32, u32)>,
) -> FlightRecord {
    let end = |text: &str| -> (IpAddr, Option<u16>) {
        match text.split_once(' ') {
            Some((address, port)) => (address.parse().unwrap(), Some(port.parse().unwrap())),
            None => (text.parse().unwrap(), None),
        }
    };
    let (source, destination) = (end(source), end(destination));
    FlightRecord {
        time_us: 1_700_000_000_000_000 + time_us,
        stage: stage.to_owned(),
        outcome,
        interface: interface.to_owned(),
        octets: 1_356,
        protocol: if source.1.is_some() { 17 } else { 50 },
        source,
        destination,
        esp: esp.map(|(pair, spi, sequence)| EspLink {
            pair: pair.map(PairId),
            spi: Spi(spi),
            sequence,
        }),
    }
}

pub fn recorded() -> Reply {
    let dropped = |reason: &str| Outcome::Dropped(reason.to_owned());
    let long = "2001:db8:1234:5678:9abc:def0:1234:5678";
    let esp = Some((Some(4_294_967_295), 0xffff_fffe, u32::MAX));
    Reply::Daemon(DaemonReply::Flight(Flight {
        recording: true,
        tunnel: Some(Outer {
            vrf: VrfId::DEFAULT,
            local: "192.0.2.1".parse().unwrap(),
            remote: "192.0.2.10".parse().unwrap(),
            udp: None,
        }),
        pairs: vec![PairId(7), PairId(9)],
        records: vec![
            record(
                1,
                ("esp-output", Outcome::Encrypted),
                "st0.3",
                ("198.51.100.10 40000", "10.45.0.1 2152"),
                Some((Some(9), 0xc000_0001, 42)),
            ),
            record(
                1,
                ("egress", Outcome::Sent),
                "ge-0/0/0.0",
                ("192.0.2.1", "192.0.2.10"),
                Some((Some(9), 0xc000_0001, 42)),
            ),
            record(
                2,
                ("esp-input", dropped("replay-duplicate")),
                "ge-0/0/0.0",
                ("192.0.2.10", "192.0.2.1"),
                Some((None, 0x1001_0001, 17)),
            ),
            record(
                900_000,
                ("crypto", dropped("neighbour-unresolved")),
                "ge-0/0/10.4094",
                (&format!("{long} 65535"), &format!("{long} 65535")),
                esp,
            ),
            record(
                900_001,
                ("esp-output", dropped("no-sa")),
                "ge-0/0/1.0",
                ("198.51.100.10 5", "10.45.0.1 6"),
                None,
            ),
        ],
    }))
}

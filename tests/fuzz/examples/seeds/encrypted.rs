//! Messages of an authenticated peer: exchange, flags, first payload, length, payloads.

use super::Seed;
use super::peer::{child_request, ike_request};
use ravelin_ike::msg::Payload;
use ravelin_ike::msg::delete::Delete;
use ravelin_ike::msg::ke::Ke;
use ravelin_ike::msg::nonce::Nonce;
use ravelin_ike::msg::notify::Notify;
use ravelin_ike::msg::opaque::Unknown;
use ravelin_ike::msg::payload::emit_chain;

const CREATE_CHILD_SA: u8 = 36;
const INFORMATIONAL: u8 = 37;
const REKEY_SA: u16 = 16_393;
const SA_RESOURCE_INFO: u16 = 16_444;
/// The peer's SPI of the child SA of the handshake.
const CHILD_SPI: u32 = 0xc0de_0001;

fn message(exchange: u8, flags: u8, payloads: &[Payload]) -> Vec<u8> {
    let (first, chain) = emit_chain(payloads);
    let octets = u8::try_from(chain.len()).unwrap();
    [&[exchange, flags, first, octets], chain.as_slice()].concat()
}

pub fn seeds() -> Vec<Seed> {
    let nonce = || Payload::Nonce(Nonce(vec![3; 32]));
    let ke = Payload::Ke(Ke {
        group: 31,
        // The base point: a public value that every implementation takes.
        public: [vec![9], vec![0; 31]].concat(),
    });
    let [sa, tsi, tsr] = child_request(0xc0de_0002);
    let child = vec![sa, nonce(), tsi, tsr];
    let resource = Payload::Notify(Notify::new(SA_RESOURCE_INFO, b"cpu-1"));
    let for_resource = [child.clone(), vec![resource]].concat();
    let rekeys = Payload::Notify(Notify::about_child(REKEY_SA, 3, CHILD_SPI));
    let rekey_child = [vec![rekeys], child.clone()].concat();
    let rekey_ike = [ike_request(0x1122_3344_5566_7788), nonce(), ke];
    let spis = |spi| {
        Payload::Delete(Delete::Children {
            protocol: 3,
            spis: vec![spi],
        })
    };
    let critical = Payload::Unknown(Unknown {
        kind: 200,
        critical: true,
        data: vec![1, 2, 3],
    });
    let alive = message(INFORMATIONAL, 0, &[]);
    let replaced = [
        message(CREATE_CHILD_SA, 0, &rekey_child),
        message(INFORMATIONAL, 0, &[spis(CHILD_SPI)]),
    ];
    vec![
        ("alive", alive.clone()),
        (
            "alive-twice",
            [alive, message(INFORMATIONAL, 2, &[])].concat(),
        ),
        ("child", message(CREATE_CHILD_SA, 0, &child)),
        ("child-resource", message(CREATE_CHILD_SA, 0, &for_resource)),
        ("critical", message(INFORMATIONAL, 0, &[critical])),
        (
            "delete-child",
            message(INFORMATIONAL, 0, &[spis(CHILD_SPI)]),
        ),
        (
            "delete-ike",
            message(INFORMATIONAL, 0, &[Payload::Delete(Delete::Ike)]),
        ),
        (
            "fragments",
            message(INFORMATIONAL, 0xb8, &[spis(CHILD_SPI)]),
        ),
        ("rekey-child", replaced.concat()),
        ("rekey-ike", message(CREATE_CHILD_SA, 0, &rekey_ike)),
        ("response", message(INFORMATIONAL, 7, &[])),
    ]
}

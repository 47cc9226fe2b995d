//! IKE messages of every exchange, in clear, and decrypted chains (first octet: type of the first payload).

use super::Seed;
use ravelin_ike::msg::auth::Auth;
use ravelin_ike::msg::cert::{Cert, encoding};
use ravelin_ike::msg::certreq::CertReq;
use ravelin_ike::msg::delete::Delete;
use ravelin_ike::msg::id::Id;
use ravelin_ike::msg::ke::Ke;
use ravelin_ike::msg::nonce::Nonce;
use ravelin_ike::msg::notify::Notify;
use ravelin_ike::msg::payload::emit_chain;
use ravelin_ike::msg::sa::{Proposal, Sa, Transform};
use ravelin_ike::msg::sk::Sk;
use ravelin_ike::msg::ts::{Range, Selector, Ts};
use ravelin_ike::msg::vendor::Vendor;
use ravelin_ike::msg::{ExchangeType, Header, Message, Payload};

const IKE_SA_INIT: u8 = 34;
const IKE_AUTH: u8 = 35;
const NAT_DETECTION_SOURCE_IP: u16 = 16_388;
const COOKIE: u16 = 16_390;
const USE_PPK: u16 = 16_435;
const PPK_IDENTITY: u16 = 16_436;
const NO_PPK_AUTH: u16 = 16_437;
const INITIAL_CONTACT: u16 = 16_384;
const NO_PROPOSAL_CHOSEN: u16 = 14;

fn message(exchange: u8, payloads: Vec<Payload>) -> Vec<u8> {
    let header = Header {
        spi_i: 0x0102_0304_0506_0708,
        spi_r: 0,
        exchange: ExchangeType::from_id(exchange),
        initiator: true,
        response: false,
        message_id: 0,
    };
    Message { header, payloads }.emit()
}

fn proposal(protocol: u8, spi: Vec<u8>, transforms: Vec<Transform>) -> Payload {
    let proposal = Proposal {
        number: 1,
        protocol,
        spi,
        transforms,
    };
    Payload::Sa(Sa {
        proposals: vec![proposal],
    })
}

fn init() -> Vec<Payload> {
    let transforms = vec![
        Transform::keyed(1, 20, 256),
        Transform::plain(2, 5),
        Transform::plain(4, 19),
    ];
    vec![
        proposal(1, Vec::new(), transforms),
        Payload::Ke(Ke {
            group: 19,
            public: vec![7; 64],
        }),
        Payload::Nonce(Nonce(vec![9; 32])),
        Payload::Notify(Notify::new(NAT_DETECTION_SOURCE_IP, &[3; 20])),
        Payload::Vendor(Vendor(b"seed".to_vec())),
    ]
}

fn auth() -> Vec<Payload> {
    let ts = |start: &str, end: &str| {
        let range = Range {
            protocol: 17,
            port_start: 0,
            port_end: 65_535,
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        };
        Ts {
            selectors: vec![Selector::Range(range)],
        }
    };
    vec![
        Payload::IdI(Id {
            kind: 2,
            reserved: [0; 3],
            data: b"enb1.ran.example".to_vec(),
        }),
        Payload::Auth(Auth {
            method: 2,
            data: vec![5; 32],
        }),
        Payload::Notify(Notify::new(INITIAL_CONTACT, &[])),
        proposal(
            3,
            vec![1, 2, 3, 4],
            vec![Transform::keyed(1, 20, 256), Transform::plain(5, 0)],
        ),
        Payload::TsI(ts("10.45.0.1", "10.45.0.1")),
        Payload::TsR(ts("2001:db8::", "2001:db8::ffff")),
    ]
}

/// With a post-quantum pre-shared key (RFC 8784).
fn mixed() -> Vec<Payload> {
    let proof = Payload::Notify(Notify::new(NO_PPK_AUTH, &[4; 32]));
    let identity = Payload::Notify(Notify::new(PPK_IDENTITY, b"\x02enb-1"));
    [auth(), vec![identity, proof]].concat()
}

fn certified() -> Vec<Payload> {
    let certificates = vec![
        Payload::Cert(Cert::x509(vec![0x30, 0])),
        Payload::Cert(Cert {
            encoding: encoding::OCSP_CONTENT,
            data: vec![0x30, 3, 0x0a, 1, 0],
        }),
        Payload::CertReq(CertReq::x509(&[[6; 20]])),
        Payload::CertReq(CertReq::ocsp()),
        Payload::Notify(Notify::hash_algorithms(&[2, 3, 4, 5])),
    ];
    [certificates, auth()].concat()
}

fn chain(payloads: &[Payload]) -> Vec<u8> {
    let (first, body) = emit_chain(payloads);
    [vec![first], body, vec![0]].concat()
}

pub fn seeds() -> Vec<Seed> {
    let cookie = Payload::Notify(Notify::new(COOKIE, &[8; 16]));
    let with_cookie = [vec![cookie], init()].concat();
    let with_ppk = [init(), vec![Payload::Notify(Notify::new(USE_PPK, &[]))]].concat();
    let refusal = vec![Payload::Notify(Notify::new(NO_PROPOSAL_CHOSEN, &[]))];
    let sealed = vec![Payload::Sk(Sk {
        first: 35,
        body: vec![1; 40],
    })];
    let children = Delete::Children {
        protocol: 3,
        spis: vec![0x1001, 0x1002],
    };
    vec![
        ("init", message(IKE_SA_INIT, init())),
        ("init-cookie", message(IKE_SA_INIT, with_cookie)),
        ("init-ppk", message(IKE_SA_INIT, with_ppk)),
        ("init-refusal", message(IKE_SA_INIT, refusal)),
        ("auth-sealed", message(IKE_AUTH, sealed)),
        ("auth-clear", message(IKE_AUTH, auth())),
        ("chain-auth", chain(&auth())),
        ("chain-ppk", chain(&mixed())),
        ("chain-certified", chain(&certified())),
        ("chain-delete", chain(&[Payload::Delete(children)])),
        ("chain-delete-ike", chain(&[Payload::Delete(Delete::Ike)])),
    ]
}

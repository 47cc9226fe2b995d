use proptest::collection::vec;
use proptest::prelude::*;

use super::auth::Auth;
use super::cert::Cert;
use super::certreq::CertReq;
use super::delete::Delete;
use super::id::Id;
use super::ke::Ke;
use super::nonce::Nonce;
use super::notify::Notify;
use super::opaque::{Opaque, Unknown};
use super::payload::number;
use super::sa::{Attribute, Proposal, Sa, Transform};
use super::sk::{Sk, seal};
use super::skf::Skf;
use super::ts::{Range, Selector, Ts};
use super::vendor::Vendor;
use super::*;
use ravelin_crypto::SkCipher;
use ravelin_types::{IkeEncr, IkeInteg};

fn octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        any::<u16>().prop_map(Attribute::KeyBits),
        (15u16..0x7fff, any::<u16>()).prop_map(|(k, v)| Attribute::Short(k, v)),
        (0u16..0x7fff, octets(9)).prop_map(|(k, v)| Attribute::Long(k, v)),
    ]
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let transform = (any::<u8>(), any::<u16>(), vec(attribute(), 0..3));
    let transforms = vec(
        transform.prop_map(|(kind, id, attributes)| Transform {
            kind,
            id,
            attributes,
        }),
        0..6,
    );
    (any::<u8>(), any::<u8>(), octets(9), transforms).prop_map(
        |(number, protocol, spi, transforms)| Proposal {
            number,
            protocol,
            spi,
            transforms,
        },
    )
}

fn selector() -> impl Strategy<Value = Selector> {
    let head = (any::<u8>(), any::<u16>(), any::<u16>());
    prop_oneof![
        (head, any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(
            |((protocol, port_start, port_end), a, b)| {
                Selector::Range(Range {
                    protocol,
                    port_start,
                    port_end,
                    start: a.into(),
                    end: b.into(),
                })
            }
        ),
        (head, any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(
            |((protocol, port_start, port_end), a, b)| {
                Selector::Range(Range {
                    protocol,
                    port_start,
                    port_end,
                    start: a.into(),
                    end: b.into(),
                })
            }
        ),
        (9u8.., any::<u8>(), octets(20)).prop_map(|(kind, protocol, data)| Selector::Other {
            kind,
            protocol,
            data
        }),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    let id = || {
        (any::<u8>(), any::<[u8; 3]>(), octets(40)).prop_map(|(kind, reserved, data)| Id {
            kind,
            reserved,
            data,
        })
    };
    let ts = || vec(selector(), 1..5).prop_map(|selectors| Ts { selectors });
    prop_oneof![
        vec(proposal(), 1..4).prop_map(|proposals| Payload::Sa(Sa { proposals })),
        (any::<u16>(), vec(any::<u8>(), 1..64))
            .prop_map(|(group, public)| Payload::Ke(Ke { group, public })),
        id().prop_map(Payload::IdI),
        id().prop_map(Payload::IdR),
        (any::<u8>(), octets(64)).prop_map(|(method, data)| Payload::Auth(Auth { method, data })),
        (any::<u8>(), octets(64))
            .prop_map(|(encoding, data)| Payload::Cert(Cert { encoding, data })),
        (any::<u8>(), vec((0u16..0x8000, octets(20)), 0..5)).prop_map(|(kind, list)| {
            let attributes = list
                .into_iter()
                .map(|(kind, value)| super::cp::Attribute { kind, value });
            let attributes = attributes.collect();
            Payload::Cp(super::cp::Cp { kind, attributes })
        }),
        (any::<u8>(), octets(64)).prop_map(|(encoding, authorities)| Payload::CertReq(CertReq {
            encoding,
            authorities
        })),
        vec(any::<u8>(), 16..257).prop_map(|n| Payload::Nonce(Nonce(n))),
        (any::<u8>(), octets(9), any::<u16>(), octets(30)).prop_map(
            |(protocol, spi, kind, data)| Payload::Notify(Notify {
                protocol,
                spi,
                kind,
                data
            })
        ),
        Just(Payload::Delete(Delete::Ike)),
        vec(any::<u32>(), 0..5)
            .prop_map(|spis| Payload::Delete(Delete::Children { protocol: 3, spis })),
        octets(30).prop_map(|v| Payload::Vendor(Vendor(v))),
        ts().prop_map(Payload::TsI),
        ts().prop_map(Payload::TsR),
        (Just(number::EAP), octets(30))
            .prop_map(|(kind, data)| Payload::Opaque(Opaque { kind, data })),
        (54u8.., any::<bool>(), octets(30)).prop_map(|(kind, critical, data)| Payload::Unknown(
            Unknown {
                kind,
                critical,
                data
            }
        )),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    let flags = (any::<bool>(), any::<bool>());
    (any::<u64>(), any::<u64>(), any::<u8>(), flags, any::<u32>()).prop_map(
        |(spi_i, spi_r, exchange, (initiator, response), message_id)| Header {
            spi_i,
            spi_r,
            exchange: ExchangeType::from_id(exchange),
            initiator,
            response,
            message_id,
        },
    )
}

fn last() -> impl Strategy<Value = Option<Payload>> {
    prop_oneof![
        Just(None),
        (any::<u8>(), octets(60)).prop_map(|(first, body)| Some(Payload::Sk(Sk { first, body }))),
        (any::<u8>(), 1u16..5, octets(60)).prop_map(|(first, number, body)| Some(Payload::Skf(
            Skf {
                first,
                number,
                total: 7,
                body
            }
        ))),
    ]
}

fn cipher(gcm: bool) -> SkCipher {
    if gcm {
        SkCipher::new(IkeEncr::Aes128Gcm, None, &[7; 20], &[]).unwrap()
    } else {
        SkCipher::new(
            IkeEncr::Aes256Cbc,
            Some(IkeInteg::HmacSha256_128),
            &[7; 32],
            &[9; 32],
        )
        .unwrap()
    }
}

proptest! {
    #[test]
    fn what_is_emitted_parses_back(header in header(), mut payloads in vec(payload(), 0..6), last in last()) {
        payloads.extend(last);
        let message = Message { header, payloads };
        prop_assert_eq!(Message::parse(&message.emit()), Ok(message));
    }

    #[test]
    fn random_octets_never_panic_and_errors_point_inside(data in octets(300)) {
        if let Err(e) = Message::parse(&data) {
            prop_assert!(e.offset <= data.len());
        }
    }

    #[test]
    fn damaged_messages_never_panic(header in header(), payloads in vec(payload(), 1..5), hits in vec((any::<u16>(), any::<u8>()), 1..4)) {
        let mut data = Message { header, payloads }.emit();
        for (at, value) in hits {
            let at = usize::from(at) % data.len();
            data[at] = value;
        }
        if let Err(e) = Message::parse(&data) {
            prop_assert!(e.offset <= data.len());
        }
    }

    #[test]
    fn truncated_messages_are_refused(header in header(), payloads in vec(payload(), 1..4), cut in any::<u16>()) {
        let data = Message { header, payloads }.emit();
        let keep = usize::from(cut) % data.len();
        prop_assert!(Message::parse(&data[..keep]).is_err());
    }

    #[test]
    fn sealed_payloads_open_and_any_flip_is_noticed(
        header in header(), payloads in vec(payload(), 0..5), gcm in any::<bool>(), flip in any::<u32>(),
    ) {
        let cipher = cipher(gcm);
        let iv = vec![3; cipher.iv_len()];
        let mut data = seal(&header, &payloads, &cipher, &iv).unwrap();
        let message = Message::parse(&data).unwrap();
        prop_assert_eq!(message.header, header);
        prop_assert_eq!(message.sk().unwrap().open(&data, &cipher), Ok(payloads));
        let at = flip as usize % data.len();
        data[at] ^= 1 << (flip >> 29);
        if let Ok(message) = Message::parse(&data) {
            if let Some(sk) = message.sk() {
                prop_assert!(sk.open(&data, &cipher).is_err());
            }
        }
    }
}

#[test]
fn errors_name_payload_and_offset() {
    let header = Header {
        spi_i: 1,
        spi_r: 0,
        exchange: ExchangeType::IkeSaInit,
        initiator: true,
        response: false,
        message_id: 0,
    };
    let message = Message {
        header,
        payloads: vec![
            Payload::Vendor(Vendor(vec![0; 4])),
            Payload::Nonce(Nonce(vec![0; 16])),
        ],
    };
    let mut data = message.emit();
    data.truncate(data.len() - 1);
    let total = data.len() as u32;
    data[24..28].copy_from_slice(&total.to_be_bytes());
    data[38..40].copy_from_slice(&19u16.to_be_bytes());
    let error = Message::parse(&data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "payload Nonce at octet 40: length field is wrong"
    );
}

#[test]
fn encrypted_payload_must_be_last_and_not_nested() {
    let cipher = cipher(true);
    let header = Header {
        spi_i: 1,
        spi_r: 2,
        exchange: ExchangeType::Informational,
        initiator: true,
        response: false,
        message_id: 3,
    };
    let inner = vec![Payload::Sk(Sk {
        first: 0,
        body: vec![0; 40],
    })];
    let data = seal(&header, &inner, &cipher, &[0; 8]).unwrap();
    let outer = Message::parse(&data).unwrap();
    assert!(
        matches!(outer.sk().unwrap().open(&data, &cipher), Err(sk::OpenError::Parse(e)) if e.kind == ParseErrorKind::Misplaced)
    );
}

/// RFC 7296 section 2.15: AUTH covers "IDType | RESERVED | InitIDData" as the peer has sent them.
#[test]
fn reserved_octets_of_an_identity_stay_for_the_proof() {
    let body = [2, 9, 8, 7, b'a'];
    let (_, chain) = payload::emit_chain(&[Payload::IdI(Id {
        kind: 2,
        reserved: [9, 8, 7],
        data: b"a".to_vec(),
    })]);
    assert_eq!(chain[4..], body);
    let parsed = payload::parse_chain(35, &chain, 0).unwrap();
    let [Payload::IdI(id)] = parsed.as_slice() else {
        panic!("{parsed:?}")
    };
    assert_eq!(id.body(), body);
}

#[test]
fn unknown_critical_payload_is_found() {
    let unknown = |critical| {
        Payload::Unknown(Unknown {
            kind: 99,
            critical,
            data: vec![],
        })
    };
    assert_eq!(unknown_critical(&[unknown(false), unknown(true)]), Some(99));
    assert_eq!(unknown_critical(&[unknown(false)]), None);
}

#[test]
fn certificates_requests_and_hash_algorithms_are_laid_out_as_the_rfcs_say() {
    let payloads = [
        Payload::Cert(Cert::x509(vec![0x30, 0])),
        Payload::CertReq(CertReq::x509(&[[0xaa; 20], [0xbb; 20]])),
        Payload::CertReq(CertReq::ocsp()),
        Payload::Notify(Notify::hash_algorithms(&[2, 5])),
    ];
    let (first, chain) = payload::emit_chain(&payloads);
    let mut wanted = vec![38, 0, 0, 7, 4, 0x30, 0, 38, 0, 0, 45, 4];
    wanted.extend([[0xaa; 20], [0xbb; 20]].concat());
    wanted.extend([41, 0, 0, 5, 14, 0, 0, 0, 12, 0, 0, 0x40, 0x2f, 0, 2, 0, 5]);
    assert_eq!((first, chain), (37, wanted));
    // Neither has a meaning without its encoding.
    for kind in [number::CERT, number::CERTREQ] {
        let error = payload::parse_chain(kind, &[0, 0, 0, 4], 0).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Truncated);
    }
}

#[test]
fn a_list_of_hash_algorithms_is_cut_at_its_bound() {
    let numbers: Vec<u16> = (1..=100).collect();
    let mut notify = Notify::hash_algorithms(&numbers);
    assert_eq!(
        notify.hash_numbers(),
        numbers[..notify::MAX_HASH_ALGORITHMS]
    );
    notify.data = vec![0, 2, 0];
    assert_eq!(notify.hash_numbers(), [2]);
}

#[test]
fn lengths_and_counts_within_a_proposal_must_agree() {
    let gcm = Transform::keyed(1, 20, 256);
    let proposal = |number| Proposal {
        number,
        protocol: 1,
        spi: vec![],
        transforms: vec![gcm.clone(), Transform::plain(2, 5)],
    };
    let proposals = vec![proposal(1), proposal(2)];
    let (first, chain) = payload::emit_chain(&[Payload::Sa(Sa { proposals })]);
    assert!(payload::parse_chain(first, &chain, 0).is_ok());
    // Payload, proposal and transform lengths, number of transforms, and the marks of the last ones.
    for at in [3, 4, 7, 11, 12, 15, 24, 27, 32] {
        for change in [1, 0x80] {
            let mut wrong = chain.clone();
            wrong[at] ^= change;
            assert!(
                payload::parse_chain(first, &wrong, 0).is_err(),
                "octet {at}"
            );
        }
    }
}

#[test]
fn a_nonce_has_16_to_256_octets() {
    for (octets, fits) in [(15, false), (16, true), (256, true), (257, false)] {
        let (first, chain) = payload::emit_chain(&[Payload::Nonce(Nonce(vec![1; octets]))]);
        assert_eq!(payload::parse_chain(first, &chain, 0).is_ok(), fits);
    }
}

#[test]
fn deletions_are_of_one_protocol_with_its_length_of_spi() {
    for (head, fits) in [
        ([1, 0, 0, 0], true),
        ([3, 4, 0, 0], true),
        ([1, 8, 0, 0], false),
        ([3, 0, 0, 0], false),
        ([3, 8, 0, 0], false),
        ([0, 4, 0, 0], false),
    ] {
        let chain = [&[0, 0, 0, 8], &head[..]].concat();
        assert_eq!(
            payload::parse_chain(number::DELETE, &chain, 0).is_ok(),
            fits
        );
    }
}

#[test]
fn reserved_bits_of_a_configuration_are_sent_as_zero_and_ignored() {
    let attribute = super::cp::Attribute {
        kind: 7,
        value: vec![1],
    };
    let cp = Payload::Cp(super::cp::Cp {
        kind: 1,
        attributes: vec![attribute],
    });
    let (first, chain) = payload::emit_chain(std::slice::from_ref(&cp));
    assert_eq!(chain, [0, 0, 0, 13, 1, 0, 0, 0, 0, 7, 0, 1, 1]);
    let odd = [0, 0xff, 0, 13, 1, 0xff, 0xff, 0xff, 0x80, 7, 0, 1, 1];
    assert_eq!(payload::parse_chain(first, &odd, 0), Ok(vec![cp]));
}

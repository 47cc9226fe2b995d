use super::*;
use crate::MemoryBuf;
use ravelin_types::EspEncr;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn expand(transform: EspTransform, cipher: &[u8]) -> Result<PortableKey, KeyError> {
    <PortableEngine<MemoryBuf> as CryptoEngine<_>>::expand(transform, Keys { cipher, integ: &[] })
}

/// The GCM specification's test cases 4 and 16 (McGrew, Viega: "The Galois/Counter Mode of Operation", appendix B), whose AAD is
/// longer than ESP's, and the ICV over an empty text of cases 1 and 13.
#[test]
fn empty_text_vectors() {
    for (cipher, key, icv) in [
        (
            EspTransform::AES_128_GCM,
            16,
            "58e2fccefa7e3061367f1d57a4e7455a",
        ),
        (
            EspTransform::AES_256_GCM,
            32,
            "530f8afbc74536b9a963b4f1c4cb738b",
        ),
    ] {
        let mut engine = PortableEngine::<MemoryBuf>::new(4);
        let key = expand(cipher, &vec![0; key]).unwrap();
        let id = engine.insert(key).ok().unwrap();
        let mut ops = vec![op(id, Direction::Encrypt, &[0; 16], 0)];
        engine.submit(&mut ops);
        let mut done = Vec::new();
        engine.poll(&mut done);
        assert_eq!(done[0].status, OpStatus::Done);
        assert_eq!(done[0].packet.data(), unhex(icv));
    }
}

fn op(key: KeyId, direction: Direction, packet: &[u8], octets: u16) -> CryptoOp<MemoryBuf> {
    let task = Task {
        key,
        nonce: [0; 12],
        aad: [0; MAX_AAD_OCTETS],
        aad_octets: 0,
        icv_octets: 16,
        direction,
        start: 0,
        octets,
        slot: 0,
        sequence: 1,
    };
    CryptoOp::new(MemoryBuf::new(packet), task)
}

#[test]
fn one_block_vector_and_its_forgery() {
    // Test case 14: AES-256, zero key, zero nonce, one zero block.
    let text_and_icv = unhex("cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919");
    let mut engine = PortableEngine::<MemoryBuf>::new(4);
    let key = expand(EspTransform::AES_256_GCM, &[0; 32]).unwrap();
    let id = engine.insert(key).ok().unwrap();
    let mut forged = text_and_icv.clone();
    forged[3] ^= 1;
    let mut ops = vec![
        op(id, Direction::Encrypt, &[0; 32], 16),
        op(id, Direction::Decrypt, &text_and_icv, 16),
        op(id, Direction::Decrypt, &forged, 16),
        op(KeyId(77), Direction::Decrypt, &forged, 16),
        op(id, Direction::Decrypt, &forged, 17),
    ];
    engine.submit(&mut ops);
    assert!(ops.is_empty());
    let mut done = Vec::new();
    engine.poll(&mut done);
    assert_eq!(done[0].packet.data(), text_and_icv);
    assert_eq!(&done[1].packet.data()[..16], &[0; 16]);
    let status: Vec<_> = done.iter().map(|op| op.status).collect();
    assert_eq!(
        status[2..],
        [
            OpStatus::AuthFailed,
            OpStatus::EngineFailed,
            OpStatus::EngineFailed
        ]
    );
}

#[test]
fn key_table_is_bounded_and_reuses_slots() {
    type Engine = PortableEngine<MemoryBuf>;
    let key = || expand(EspTransform::AES_128_GCM, &[1; 16]).unwrap();
    let mut engine = Engine::new(2);
    let first = engine.insert(key()).ok().unwrap();
    let second = engine.insert(key()).ok().unwrap();
    assert!(engine.insert(key()).is_err());
    assert!(engine.remove(first).is_some());
    assert!(engine.remove(first).is_none());
    assert_eq!(engine.insert(key()).ok(), Some(first));
    assert_ne!(first, second);
    assert!(expand(EspTransform::AES_256_GCM, &[1; 16]).is_err());
}

#[test]
fn a_truncated_icv_is_checked_over_its_length() {
    for (encr, icv) in [(EspEncr::Aes128Gcm8, 8), (EspEncr::Aes192Gcm12, 12)] {
        let transform = EspTransform::new(encr, None).unwrap();
        let mut engine = PortableEngine::<MemoryBuf>::new(1);
        let key = expand(transform, &vec![5; encr.key_octets()]).unwrap();
        let id = engine.insert(key).ok().unwrap();
        let mut run = |direction, packet: &[u8]| {
            let mut one = op(id, direction, packet, 40);
            one.task.icv_octets = icv;
            let (mut ops, mut done) = (vec![one], Vec::new());
            engine.submit(&mut ops);
            engine.poll(&mut done);
            done.pop().unwrap()
        };
        let sealed = run(Direction::Encrypt, &vec![7; 40 + usize::from(icv)]);
        let sealed = sealed.packet.data().to_vec();
        let opened = run(Direction::Decrypt, &sealed);
        assert_eq!(opened.status, OpStatus::Done);
        assert_eq!(opened.packet.data()[..40], [7; 40]);
        for at in [0, 40, 39 + usize::from(icv)] {
            let mut forged = sealed.clone();
            forged[at] ^= 0x10;
            assert_eq!(
                run(Direction::Decrypt, &forged).status,
                OpStatus::AuthFailed,
                "{at}"
            );
        }
    }
}

#[test]
fn what_the_portable_engine_lacks_is_refused() {
    let chacha = EspTransform::new(EspEncr::ChaCha20Poly1305, None).unwrap();
    assert_eq!(expand(chacha, &[0; 32]).err(), Some(KeyError::Transform));
}

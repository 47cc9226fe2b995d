use super::*;
use crate::MemoryBuf;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The GCM specification's test cases 4 and 16 (McGrew, Viega: "The Galois/Counter Mode of Operation", appendix B), whose AAD is
/// longer than ESP's, and the ICV over an empty text of cases 1 and 13.
#[test]
fn empty_text_vectors() {
    for (cipher, key, icv) in [
        (Cipher::Aes128Gcm, 16, "58e2fccefa7e3061367f1d57a4e7455a"),
        (Cipher::Aes256Gcm, 32, "530f8afbc74536b9a963b4f1c4cb738b"),
    ] {
        let mut engine = PortableEngine::<MemoryBuf>::new(4);
        let key =
            <PortableEngine<MemoryBuf> as CryptoEngine<_>>::expand(cipher, &vec![0; key]).unwrap();
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
    CryptoOp {
        packet: MemoryBuf::new(packet),
        key,
        nonce: [0; 12],
        aad: [0; MAX_AAD_OCTETS],
        aad_octets: 0,
        direction,
        status: OpStatus::Pending,
        start: 0,
        octets,
        slot: 0,
        sequence: 1,
    }
}

#[test]
fn one_block_vector_and_its_forgery() {
    // Test case 14: AES-256, zero key, zero nonce, one zero block.
    let text_and_icv = unhex("cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919");
    let mut engine = PortableEngine::<MemoryBuf>::new(4);
    let key = <PortableEngine<MemoryBuf> as CryptoEngine<_>>::expand(Cipher::Aes256Gcm, &[0; 32])
        .unwrap();
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
    let key = || <Engine as CryptoEngine<MemoryBuf>>::expand(Cipher::Aes128Gcm, &[1; 16]).unwrap();
    let mut engine = Engine::new(2);
    let first = engine.insert(key()).ok().unwrap();
    let second = engine.insert(key()).ok().unwrap();
    assert!(engine.insert(key()).is_err());
    assert!(engine.remove(first).is_some());
    assert!(engine.remove(first).is_none());
    assert_eq!(engine.insert(key()).ok(), Some(first));
    assert_ne!(first, second);
    assert!(<Engine as CryptoEngine<MemoryBuf>>::expand(Cipher::Aes256Gcm, &[1; 16]).is_err());
}

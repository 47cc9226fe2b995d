use super::*;
use dpdk_rs::ipsecmb::TAG_OCTETS;
use ravelin_esp::engine::{
    CryptoEngine, CryptoOp, Direction, KeyId, OpStatus, PortableEngine, Task,
};
use ravelin_esp::{MemoryBuf, PacketBuf};

fn aead(cipher: &[u8]) -> Keys<'_> {
    Keys { cipher, integ: &[] }
}

fn op(direction: Direction, key: KeyId, text: &[u8]) -> CryptoOp<MemoryBuf> {
    let task = Task {
        key,
        nonce: [3; 12],
        aad: [9; 12],
        aad_octets: 8,
        icv_octets: TAG_OCTETS as u8,
        direction,
        start: 4,
        octets: (text.len() - 4 - TAG_OCTETS) as u16,
        slot: 1,
        sequence: 1,
    };
    CryptoOp::new(MemoryBuf::new(text), task)
}

fn run(engine: &mut impl CryptoEngine<MemoryBuf>, op: CryptoOp<MemoryBuf>) -> CryptoOp<MemoryBuf> {
    let (mut ops, mut done) = (vec![op], vec![]);
    engine.submit(&mut ops);
    engine.poll(&mut done);
    assert!(ops.is_empty());
    done.pop().unwrap()
}

#[test]
fn agrees_with_the_portable_engine() {
    for transform in [EspTransform::AES_128_GCM, EspTransform::AES_256_GCM] {
        let material = vec![7; transform.encr().key_octets()];
        let mut engine = Engine::<MemoryBuf>::new(4);
        let mut oracle = PortableEngine::<MemoryBuf>::new(4);
        let key = engine
            .insert(Engine::<MemoryBuf>::expand(transform, aead(&material)).unwrap())
            .ok()
            .unwrap();
        let known = oracle
            .insert(PortableEngine::<MemoryBuf>::expand(transform, aead(&material)).unwrap())
            .ok()
            .unwrap();
        for length in [0, 1, 15, 16, 17, 64, 1400] {
            let clear: Vec<u8> = (0..4 + length + TAG_OCTETS).map(|i| i as u8).collect();
            let sealed = run(&mut engine, op(Direction::Encrypt, key, &clear));
            let expected = run(&mut oracle, op(Direction::Encrypt, known, &clear));
            assert_eq!(sealed.packet.data(), expected.packet.data(), "{length}");
            let opened = run(
                &mut engine,
                op(Direction::Decrypt, key, sealed.packet.data()),
            );
            assert_eq!(opened.status, OpStatus::Done);
            assert_eq!(opened.packet.data()[..4 + length], clear[..4 + length]);
            let mut forged = sealed.packet.data().to_vec();
            *forged.last_mut().unwrap() ^= 1;
            let refused = run(&mut engine, op(Direction::Decrypt, key, &forged));
            assert_eq!(refused.status, OpStatus::AuthFailed);
        }
    }
}

#[test]
fn bad_keys_and_ranges_are_refused() {
    type E = Engine<MemoryBuf>;
    assert!(E::expand(EspTransform::AES_256_GCM, aead(&[0; 16])).is_err());
    let mut engine = E::new(1);
    let expand = || E::expand(EspTransform::AES_128_GCM, aead(&[0; 16])).unwrap();
    let key = engine.insert(expand()).ok().unwrap();
    assert!(engine.insert(expand()).is_err(), "full");
    let mut long = op(Direction::Encrypt, key, &[0; 40]);
    long.task.octets = 60_000;
    assert_eq!(run(&mut engine, long).status, OpStatus::EngineFailed);
    assert!(engine.remove(key).is_some());
    let orphan = op(Direction::Encrypt, key, &[0; 40]);
    assert_eq!(run(&mut engine, orphan).status, OpStatus::EngineFailed);
    assert!(engine.insert(expand()).is_ok(), "the place is free again");
}

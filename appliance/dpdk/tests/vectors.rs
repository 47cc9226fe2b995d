//! Published test vectors of the algorithms of ESP, run through intel-ipsec-mb.
#![allow(
    clippy::unwrap_used,
    reason = "test helpers, not only #[test] functions, may fail loudly"
)]

use dpdk_rs::ipsecmb::chacha::ChaCha;
use dpdk_rs::ipsecmb::gmac::Gmac;
use dpdk_rs::ipsecmb::separate::{Cipher, Hash, IV_OCTETS, Job, Lanes, MAX_ICV_OCTETS};
use dpdk_rs::ipsecmb::{Gcm, TAG_OCTETS};

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn counting(octets: u8) -> Vec<u8> {
    (0..octets).collect()
}

/// Runs one cipher both ways with HMAC-SHA-256 beside it.
fn crosses(cipher: Cipher, key: &str, iv: &[u8], clear: &[u8], sealed: &str) {
    let mut lanes = Lanes::new().unwrap();
    let key = lanes
        .expand((cipher, &unhex(key)), (Hash::Sha256, &[1; 32]), &[0; 16])
        .unwrap();
    for encrypt in [true, false] {
        let (from, to) = match encrypt {
            true => (clear.to_vec(), unhex(sealed)),
            false => (unhex(sealed), clear.to_vec()),
        };
        let mut packet = from;
        let mut full_iv = [0; IV_OCTETS];
        full_iv[..iv.len()].copy_from_slice(iv);
        let text_octets = packet.len();
        let mut jobs = [Job {
            key: &key,
            packet: &mut packet,
            text_at: 0,
            text_octets,
            encrypt,
            iv: full_iv,
            icv: [0; MAX_ICV_OCTETS],
            done: false,
        }];
        lanes.run(&mut jobs);
        assert!(jobs[0].done);
        assert_eq!(packet, to, "encrypt: {encrypt}");
    }
}

/// RFC 3602 section 4, cases 1 to 4, and the ESP packets of cases 5 and 6.
#[test]
fn aes_cbc() {
    let tail = |payload: &str, padding: u8| {
        let mut text = unhex(payload);
        text.extend(1..=padding);
        text.extend([padding, 1]);
        text
    };
    for (key, iv, clear, sealed) in [
        (
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg".to_vec(),
            "e353779c1079aeb82708942dbe77181a",
        ),
        (
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            counting(32),
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ),
        (
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
        ),
        (
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            (0xa0..=0xdf).collect(),
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        ),
        (
            "90d382b410eeba7ad938c46cec1a82bf",
            "e96e8c08ab465763fd098d45dd3ff893",
            tail(
                "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
                14,
            ),
            "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
        ),
        (
            "90d382b410eeba7ad938c46cec1a82bf",
            "69d08df7d203329db093fc4924e5bd80",
            tail(
                "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
                2,
            ),
            "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
        ),
    ] {
        crosses(Cipher::AesCbc, key, &unhex(iv), &clear, sealed);
    }
}

/// RFC 3686 section 6: nonce, explicit IV, and a block counter from 1.
#[test]
fn aes_ctr() {
    for (key, nonce, iv, clear, sealed) in [
        (
            "ae6852f8121067cc4bf7a5765577f39e",
            "00000030",
            "0000000000000000",
            b"Single block msg".to_vec(),
            "e4095d4fb7a7b3792d6175a3261311b8",
        ),
        (
            "7e24067817fae0d743d6ce1f32539163",
            "006cb6db",
            "c0543b59da48d90b",
            counting(32),
            "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
        ),
        (
            "7691be035e5020a8ac6e618529f9a0dc",
            "00e0017b",
            "27777f3f4a1786f0",
            counting(36),
            "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
        ),
        (
            "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515",
            "00000048",
            "36733c147d6d93cb",
            b"Single block msg".to_vec(),
            "4b55384fe259c9c84e7935a003cbe928",
        ),
        (
            "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a",
            "0096b03b",
            "020c6eadc2cb500d",
            counting(32),
            "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00",
        ),
        (
            "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104",
            "00000060",
            "db5672c97aa8f0b2",
            b"Single block msg".to_vec(),
            "145ad01dbf824ec7560863dc71e3e0c0",
        ),
        (
            "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884",
            "00faac24",
            "c1585ef15a43d875",
            counting(32),
            "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c",
        ),
    ] {
        let block = [unhex(nonce), unhex(iv), vec![0, 0, 0, 1]].concat();
        crosses(Cipher::AesCtr, key, &block, &clear, sealed);
    }
}

/// RFC 4868 section 2.7.2.1 to 2.7.2.3 (first case each), RFC 2202 sections 2 and 3 (first case), truncated as ESP does.
#[test]
fn hmac() {
    let mut lanes = Lanes::new().unwrap();
    for (hash, key, icv) in [
        (Hash::Md5, 16, "9294727a3638bb1c13f48ef8"),
        (Hash::Sha1, 20, "b617318655057264e28bc0b6"),
        (Hash::Sha256, 32, "198a607eb44bfbc69903a0f1cf2bbdc5"),
        (
            Hash::Sha384,
            48,
            "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973",
        ),
        (
            Hash::Sha512,
            64,
            "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8",
        ),
    ] {
        let key = lanes
            .expand((Cipher::Null, &[]), (hash, &vec![0x0b; key]), &[0; 16])
            .unwrap();
        let mut packet = b"Hi There".to_vec();
        let mut jobs = [Job {
            key: &key,
            text_at: packet.len(),
            packet: &mut packet,
            text_octets: 0,
            encrypt: true,
            iv: [0; IV_OCTETS],
            icv: [0; MAX_ICV_OCTETS],
            done: false,
        }];
        lanes.run(&mut jobs);
        let icv = unhex(icv);
        assert!(jobs[0].done);
        assert_eq!(jobs[0].icv[..icv.len()], icv, "{hash:?}");
    }
}

/// RFC 7634 appendix A (ESP) and B (IKEv2).
#[test]
fn chacha20_poly1305() {
    let nonce: [u8; 12] = unhex("a0a1a2a31011121314151617").try_into().unwrap();
    let key = ChaCha::detect()
        .unwrap()
        .expand(&(0x80..=0x9f).collect::<Vec<u8>>())
        .unwrap();
    for (aad, clear, sealed, tag) in [
        (
            "0102030400000005",
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
            "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0",
            "76aaa8266b7fb0f7b11b369907e1ad43",
        ),
        (
            "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029",
            "0000000c000040010000000a00",
            "610394701f8d017f7c12924889",
            "6b71bfe25236efd7cdc67066906315b2",
        ),
    ] {
        let mut text = unhex(clear);
        assert_eq!(
            key.seal(&nonce, &unhex(aad), &mut text).to_vec(),
            unhex(tag)
        );
        assert_eq!(text, unhex(sealed));
        assert!(key.open(&nonce, &unhex(aad), &mut text, &unhex(tag)));
        assert_eq!(text, unhex(clear));
    }
}

/// draft-mcgrew-gcm-test-01: packets of ESP with AES-GCM (RFC 4106), with keys of each length, three of them with extended numbers.
#[test]
fn aes_gcm() {
    let gcm = Gcm::detect().unwrap();
    for (key, nonce, aad, clear, sealed) in [
        (
            "4c80cdefbb5d10da906ac73c3613a634",
            "2e443b684956ed7e3b244cfe",
            "000043218765432100000000",
            "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b000021000101020201",
            "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
        ),
        (
            "7d773d00c144c525ac619d18c84a3f47",
            "d966426743457e9182443bc6",
            "335467aeffffffff",
            "01020201",
            "437f866bcb3f699fe9b0822bac961c4504bef270",
        ),
        (
            "feffe9928665731c6d6a8f9467308308feffe9928665731c",
            "cafebabefacedbaddecaf888",
            "0000a5f80000000a",
            "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
            "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc7795457b9652037f5318027b5b4cd7a636",
        ),
        (
            "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
            "73616c74616e640169766563",
            "17405e67156f3126dd0db99b",
            "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
            "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e451626c2415771e3b7eebca614c89b35",
        ),
        (
            "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961",
            "7475726e333021696765746d",
            "796b6963ffffffffffffffff",
            "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f707172737401020201",
            "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe821dcc63b9d0937ba2945f669368661a329fb4c053",
        ),
    ] {
        let key = gcm.expand(&unhex(key)).unwrap();
        let nonce: [u8; 12] = unhex(nonce).try_into().unwrap();
        let (clear, sealed, aad) = (unhex(clear), unhex(sealed), unhex(aad));
        let (text, icv) = sealed.split_at(clear.len());
        // RFC 4106 section 6: an ICV of 8 or 12 octets is the beginning of the whole one.
        for kept in [8, 12, TAG_OCTETS] {
            let (mut packet, mut tag) = (clear.clone(), vec![0; kept]);
            key.seal(&nonce, &aad, &mut packet, &mut tag);
            assert_eq!((packet.as_slice(), tag.as_slice()), (text, &icv[..kept]));
            assert!(key.open(&nonce, &aad, &mut packet, &tag));
            assert_eq!(packet, clear);
        }
    }
}

/// NIST's CAVS `gcmEncryptExtIV128`, no cleartext and 128 bits of AAD: that is GMAC, here in pieces.
#[test]
fn aes_gmac() {
    let key = unhex("77be63708971c4e240d1cb79e8d77feb");
    let nonce: [u8; 12] = unhex("e0e00f19fed7ba0136a797f3").try_into().unwrap();
    let covered = unhex("7a43ec1d9c0a5a78a0b16533a6213cab");
    let tag = unhex("209fcc8d3675ed938e9c7166709dd946");
    let key = Gmac::detect().unwrap().expand(&key).unwrap();
    for cut in 0..=covered.len() {
        let (first, second) = covered.split_at(cut);
        assert!(key.verify(&nonce, &[first, second], &tag), "{cut}");
    }
    assert!(!key.verify(&nonce, &[&covered[1..]], &tag));
}

//! Known answers of NIST's CAVP for the IKEv2 key derivation with HMAC-SHA2-256 (SP 800-135), the set that OpenSSL uses as the
//! self-test of its own (`evpkdf_ikev2.txt`).

use super::*;
use ravelin_types::{DhGroup, EspEncr, EspInteg, EspTransform, IkeEncr, IkeInteg};

const NI: &str = "3651FEF5C9C35E93";
const NR: &str = "C09A8B90A3F04D59";
const SPI_I: u64 = 0x8e5c_3ae5_0722_1684;
const SPI_R: u64 = 0xb1f2_01bb_155c_3acd;
const G_IR: &str = "D084A30166A50FB7325C3960874A839449EF9741C2F4F947D0201DD8C1269273D79509F37E3CA3EB4FA2FE2A28254E289CD3F34DAD4EB4DF1A07685A4B8A94FA61E2491F7598B3CE65547FF133B3F63D1AC4175EAA695033F3CEDB026A6873A36455172A8540B8A5D23A0143BED0390EE49B168269D75FFFEE9FB62BE965993C";
const G_IR_NEW: &str = "52F00AB174C25D5B7139AE5FF4E8E9EDDEE5992D2E36ADF8A559FFD90DAB1442E4FBE429D320C0F33552A17D1557FA41EA70E8FB916C4FA27ED52B5F8EBD8461AFA78F1159159A64055AC5F6319E29C28EAE58CBC6847770F32C3FED1D04750484F854790F95E9EC01BC5BC461F24966462E359511329305038E94DEB6DD42C2";
const DKM: &str = "462B9DD525D4FD71169174272779E704BAF62C6231779AE9EFE8C58B21916B42010164AF2111EBD762F6916CA9A6F0EE05C8B320E4EE27705521DE2589ADEA1878F1A551738AF7C88DC4F0BB0C096A3F7D1F1A670FC79F49F678D60D665BB3710C8657F03BA9F62B9A818D7A228968C506E237AE9502AA6DB395C61EA6A3E79504F86B7368BFB5423DF79E48809BBCCD49FD826D024F63D7C2A5566400A12E736AA034510428F5EA008FE2FC16886FA388274EA6C2B4FCFC6141BF04F8207EF8AFC224EA1059CB220DC0B23AC0E4CCDA495A4E131B1D56E223ABA5A48E8ED1F5";
const DKM_CHILD: &str = "23647677E7D403FA1E3006F19840AEE18AD9FECC4215814C4131BDEBA98433D8B0E31BFBBDDF822ABCCE5E06486AA388022B75E27E1E68AA5983028B65282C730C5D49EF7606770376CFDEC41F7CC435D816029989BC353D3B67B9FD1168DDCB8978850DA9B752AEE6A30D0086D2C4D74EC0E03648A0DAD334FAF5FE88084E67";
const DKM_CHILD_DH: &str = "6A919387A5FA2835FE8A8237E4A14845BD2B9930DB87EFF7ADF268F62186004902DBA9AA942D0259A0EDC4120B932A503865B57BA8FB88117EF5DF7B26799CD8BA37AA5438108CB1A4FE117907C9D0597B708C3F11151FEFD624D2317202B7C81430600E6FCBB6E1A8DF2B4861EF2363D53DE1BE69057B0CF6634A7E7BFA97B3";
const SKEYSEED_REKEY: &str = "90722C42BD849E9B72D240FC254174270FA8295DE6F0338DAFC303A9EC104F12";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn suite() -> IkeSuite {
    let integ = Some(IkeInteg::HmacSha256_128);
    let (encr, prf) = (IkeEncr::Aes256Cbc, Prf::HmacSha256);
    IkeSuite::new(encr, integ, prf, DhGroup::Modp2048).unwrap()
}

fn joined(keys: &IkeKeys) -> Vec<u8> {
    [
        &keys.d, &keys.ai, &keys.ar, &keys.ei, &keys.er, &keys.pi, &keys.pr,
    ]
    .map(|k| k.expose().to_vec())
    .concat()
}

#[test]
fn the_keys_of_an_ike_sa_are_those_of_nist() {
    let (nonce_i, nonce_r) = (hex(NI), hex(NR));
    let seeds = Seeds {
        nonce_i: &nonce_i,
        nonce_r: &nonce_r,
        spi_i: SPI_I,
        spi_r: SPI_R,
    };
    let keys = IkeKeys::initial(suite(), &Secret::new(hex(G_IR)), &seeds).unwrap();
    let all = joined(&keys);
    assert_eq!(all, hex(DKM)[..all.len()]);
    let new = Shared::from(Secret::new(hex(G_IR_NEW)));
    let rekeyed = IkeKeys::rekeyed(suite(), Prf::HmacSha256, &keys.d, &new, &seeds).unwrap();
    let from_seed = IkeKeys::expand(suite(), &Secret::new(hex(SKEYSEED_REKEY)), &seeds).unwrap();
    assert_eq!(joined(&rekeyed), joined(&from_seed));
}

#[test]
fn the_keys_of_child_sas_are_those_of_nist() {
    let (nonce_i, nonce_r) = (hex(NI), hex(NR));
    let sk_d = SecretBytes::new(hex(DKM)[..32].to_vec());
    let esp = EspSuite {
        protocol: ravelin_types::IpsecProtocol::Esp,
        transform: EspTransform::new(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)).unwrap(),
        extended_sequence: false,
    };
    let new = Shared::from(Secret::new(hex(G_IR_NEW)));
    for (shared, expected) in [(None, DKM_CHILD), (Some(&new), DKM_CHILD_DH)] {
        let k = ChildKeys::derive(suite(), &sk_d, esp, shared, &nonce_i, &nonce_r).unwrap();
        let all = [&k.encr_i, &k.integ_i, &k.encr_r, &k.integ_r]
            .map(|k| k.expose().to_vec())
            .concat();
        assert_eq!(all, hex(expected));
    }
}

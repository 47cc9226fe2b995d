//! SAs without IKE in a peer guest: the algorithms by the kernel's names, and what the kernel counts beside its SAs.

use ravelin_types::{EspEncr, EspInteg, EspTransform, IpsecProtocol};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Algorithms and keys of an SA as `ip xfrm state add` takes them (ip-xfrm(8)): `aead NAME KEY ICV-BITS`, or `enc NAME KEY auth-trunc NAME KEY
/// ICV-BITS`, of AH only the latter half. `material` is the KEYMAT of one direction. `None` for AH with AES-GMAC, which the
/// kernel does not have.
pub fn algorithms(
    protocol: IpsecProtocol,
    transform: EspTransform,
    material: &[u8],
) -> Option<String> {
    let (cipher, integ) = material.split_at_checked(transform.encr().keymat_octets())?;
    let cipher = format!("{} {}", cipher_name(transform.encr()), key(cipher));
    let icv_bits = transform.icv_octets() * 8;
    match (protocol, transform.integ()) {
        (IpsecProtocol::Esp, None) => Some(format!("aead {cipher} {icv_bits}")),
        (IpsecProtocol::Ah, None) => None,
        (protocol, Some(name)) => {
            let encryption = match protocol {
                IpsecProtocol::Esp => format!("enc {cipher} "),
                IpsecProtocol::Ah => String::new(),
            };
            let name = integ_name(name);
            let key = key(integ);
            Some(format!("{encryption}auth-trunc {name} {key} {icv_bits}"))
        }
    }
}

const fn cipher_name(encr: EspEncr) -> &'static str {
    use EspEncr as E;
    match encr {
        E::DesCbc => "cbc(des)",
        E::TripleDesCbc => "cbc(des3_ede)",
        E::Null => "ecb(cipher_null)",
        E::Aes128Gmac | E::Aes192Gmac | E::Aes256Gmac => "rfc4543(gcm(aes))",
        E::Aes128Cbc | E::Aes192Cbc | E::Aes256Cbc => "cbc(aes)",
        E::Aes128Ctr | E::Aes192Ctr | E::Aes256Ctr => "rfc3686(ctr(aes))",
        E::Aes128Gcm8 | E::Aes192Gcm8 | E::Aes256Gcm8 => "rfc4106(gcm(aes))",
        E::Aes128Gcm12 | E::Aes192Gcm12 | E::Aes256Gcm12 => "rfc4106(gcm(aes))",
        E::Aes128Gcm | E::Aes192Gcm | E::Aes256Gcm => "rfc4106(gcm(aes))",
        E::ChaCha20Poly1305 => "rfc7539esp(chacha20,poly1305)",
    }
}

const fn integ_name(integ: EspInteg) -> &'static str {
    match integ {
        EspInteg::HmacMd5_96 => "hmac(md5)",
        EspInteg::HmacSha1_96 => "hmac(sha1)",
        EspInteg::HmacSha256_128 => "hmac(sha256)",
        EspInteg::HmacSha384_192 => "hmac(sha384)",
        EspInteg::HmacSha512_256 => "hmac(sha512)",
    }
}

/// In hexadecimal; none is the empty word, since `0x` alone is taken for a key of these two characters.
fn key(octets: &[u8]) -> String {
    if octets.is_empty() {
        return "\"\"".to_owned();
    }
    octets.iter().fold("0x".to_owned(), |mut text, octet| {
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The counters of `/proc/net/xfrm_stat` that are not 0.
pub fn statistics(text: &str) -> BTreeMap<&str, u64> {
    let counters = text.lines().filter_map(|line| {
        let (name, count) = line.split_once(char::is_whitespace)?;
        Some((name, count.trim().parse().ok()?))
    });
    counters.filter(|(_, count)| *count != 0).collect()
}

#[cfg(test)]
mod tests;

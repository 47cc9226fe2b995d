//! Keys of a traced peer as the file `ikev2_decryption_table` of Wireshark: a line for each IKE SA, in hex, with the names of
//! algorithms that its dissector knows. `monitor traffic ... write-file` takes the packets that they open.

use ravelin_ctl::trace::TraceKeys;
use ravelin_types::{IkeEncr, IkeInteg};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Writes the table into a new file that only its owner reads; returns how many IKE SAs the table has.
///
/// # Errors
/// The file's, also when there is one of this name.
pub(crate) fn save(path: &Path, keys: &[TraceKeys]) -> io::Result<usize> {
    let lines: Vec<Zeroizing<String>> = keys.iter().filter_map(line).collect();
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    for line in &lines {
        file.write_all(line.as_bytes())?;
    }
    Ok(lines.len())
}

/// `None` for algorithms that Wireshark has no name for.
fn line(keys: &TraceKeys) -> Option<Zeroizing<String>> {
    let (encr, integ) = (cipher(keys.encr)?, integrity(keys.integ));
    let secrets = [&keys.ei, &keys.er, &keys.ai, &keys.ar];
    let octets: usize = secrets.iter().map(|key| key.len()).sum();
    // Sized beforehand, so that growing leaves no copies of keys behind.
    let mut out = Zeroizing::new(String::with_capacity(2 * octets + 160));
    let _ = write!(out, "{:016x},{:016x},", keys.spi_i, keys.spi_r);
    let [ei, er, ai, ar] = secrets.map(|key| key.expose());
    hex(&mut out, ei);
    out.push(',');
    hex(&mut out, er);
    let _ = write!(out, ",\"{encr}\",");
    hex(&mut out, ai);
    out.push(',');
    hex(&mut out, ar);
    let _ = writeln!(out, ",\"{integ}\"");
    Some(out)
}

fn hex(out: &mut String, octets: &[u8]) {
    for octet in octets {
        let _ = write!(out, "{octet:02x}"); // a String takes all
    }
}

fn cipher(encr: IkeEncr) -> Option<&'static str> {
    Some(match encr {
        IkeEncr::TripleDesCbc => "3DES [RFC2451]",
        IkeEncr::Aes128Cbc => "AES-CBC-128 [RFC3602]",
        IkeEncr::Aes192Cbc => "AES-CBC-192 [RFC3602]",
        IkeEncr::Aes256Cbc => "AES-CBC-256 [RFC3602]",
        IkeEncr::Aes128Ctr => "AES-CTR-128 [RFC5930]",
        IkeEncr::Aes192Ctr => "AES-CTR-192 [RFC5930]",
        IkeEncr::Aes256Ctr => "AES-CTR-256 [RFC5930]",
        IkeEncr::Aes128Gcm8 => "AES-GCM-128 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes192Gcm8 => "AES-GCM-192 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes256Gcm8 => "AES-GCM-256 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes128Gcm12 => "AES-GCM-128 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes192Gcm12 => "AES-GCM-192 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes256Gcm12 => "AES-GCM-256 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes128Gcm => "AES-GCM-128 with 16 octet ICV [RFC5282]",
        IkeEncr::Aes192Gcm => "AES-GCM-192 with 16 octet ICV [RFC5282]",
        IkeEncr::Aes256Gcm => "AES-GCM-256 with 16 octet ICV [RFC5282]",
        IkeEncr::Aes128Ccm8 => "AES-CCM-128 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes192Ccm8 => "AES-CCM-192 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes256Ccm8 => "AES-CCM-256 with 8 octet ICV [RFC5282]",
        IkeEncr::Aes128Ccm12 => "AES-CCM-128 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes192Ccm12 => "AES-CCM-192 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes256Ccm12 => "AES-CCM-256 with 12 octet ICV [RFC5282]",
        IkeEncr::Aes128Ccm => "AES-CCM-128 with 16 octet ICV [RFC5282]",
        IkeEncr::Aes192Ccm => "AES-CCM-192 with 16 octet ICV [RFC5282]",
        IkeEncr::Aes256Ccm => "AES-CCM-256 with 16 octet ICV [RFC5282]",
        IkeEncr::DesCbc | IkeEncr::ChaCha20Poly1305 => return None,
    })
}

fn integrity(integ: Option<IkeInteg>) -> &'static str {
    match integ {
        None => "NONE [RFC4306]",
        Some(IkeInteg::HmacMd5_96) => "HMAC_MD5_96 [RFC2403]",
        Some(IkeInteg::HmacSha1_96) => "HMAC_SHA1_96 [RFC2404]",
        Some(IkeInteg::HmacSha256_128) => "HMAC_SHA2_256_128 [RFC4868]",
        Some(IkeInteg::HmacSha384_192) => "HMAC_SHA2_384_192 [RFC4868]",
        Some(IkeInteg::HmacSha512_256) => "HMAC_SHA2_512_256 [RFC4868]",
        Some(IkeInteg::AesXcbc96 | IkeInteg::AesCmac96) => {
            "ANY 96-bits of Authentication [No Checking]"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ravelin_types::SecretBytes;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn keys(encr: IkeEncr, integ: Option<IkeInteg>) -> TraceKeys {
        let secret = |octet, octets| SecretBytes::new(vec![octet; octets]);
        let ai_octets = integ.map_or(0, |_| 3);
        TraceKeys {
            spi_i: 0xa1,
            spi_r: u64::MAX,
            encr,
            integ,
            ei: secret(1, 4),
            er: secret(2, 4),
            ai: secret(3, ai_octets),
            ar: secret(4, ai_octets),
        }
    }

    #[test]
    fn the_table_is_as_the_dissector_reads_it_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let all = [
            keys(IkeEncr::Aes256Gcm, None),
            keys(IkeEncr::ChaCha20Poly1305, None),
            keys(IkeEncr::Aes128Cbc, Some(IkeInteg::HmacSha256_128)),
        ];
        assert_eq!(save(&path, &all).unwrap(), 2);
        let text = fs::read_to_string(&path).unwrap();
        let expected = "00000000000000a1,ffffffffffffffff,01010101,02020202,\
            \"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"\n\
            00000000000000a1,ffffffffffffffff,01010101,02020202,\
            \"AES-CBC-128 [RFC3602]\",030303,040404,\"HMAC_SHA2_256_128 [RFC4868]\"\n";
        assert_eq!(text, expected);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = save(&path, &all).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}

//! Peers whose ESP is the kernel's, on kernels that have none: `peers/no_kernel_esp.c` takes their SAs, and scapy carries their traffic by
//! `peers/esp_peer.py`. So what both ends derived is proven packet by packet, and alike on every kernel.

use crate::netns::{Netns, run};
use crate::site::Addresses;
use crate::{BenchError, Result};
use std::collections::HashMap;
use std::fs::read_to_string;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/no_kernel_esp.c");
const SCAPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/esp_peer.py");

/// What a daemon is started under.
pub struct Kernelless {
    library: PathBuf,
    sas: PathBuf,
    /// The next sequence number of each SA towards the gateway.
    numbers: HashMap<String, usize>,
}

/// An SA that the daemon gave to its kernel, with scapy's names of its algorithms.
struct Sa {
    spi: String,
    protocol: &'static str,
    cipher: &'static str,
    integrity: &'static str,
    integrity_octets: usize,
    /// Key of the cipher, then that of the integrity, hexadecimal.
    key: String,
}

impl Kernelless {
    /// Builds the library in `folder`; what of scapy's packets the kernel of `netns` would refuse by ICMP is no longer refused.
    ///
    /// # Errors
    /// When the compiler or nft fails.
    pub fn new(netns: &Netns, folder: &Path) -> Result<Self> {
        let library = folder.join("no_kernel_esp.so");
        let flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"];
        run(Command::new("cc")
            .args(flags)
            .arg("-o")
            .arg(&library)
            .arg(SHIM))?;
        netns.sh("nft add table inet quiet
             nft add chain inet quiet out '{ type filter hook output priority 0; }'
             nft add rule inet quiet out icmp type destination-unreachable drop
             nft add rule inet quiet out icmpv6 type { destination-unreachable, parameter-problem } drop")?;
        // In memory: a daemon waits a second for its kernel, and a disk that is busy may take longer.
        let name = folder.file_name().unwrap_or_default();
        let sas = crate::runtime_folder(netns.name())?
            .join(name)
            .with_extension("sas");
        let _ = std::fs::remove_file(&sas); // of another test
        Ok(Self {
            library,
            sas,
            numbers: HashMap::new(),
        })
    }

    /// The environment of the daemon.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("ESP_SAS", &self.sas)]
    }

    /// Sends `count` pings through the newest pair between the outer addresses, one at a time; each must be answered through it. A pair in
    /// transport mode has inner addresses that are the outer ones.
    ///
    /// # Errors
    /// When there is no pair, or an answer is missing.
    pub fn ping(&mut self, peer: &Netns, addresses: Addresses, count: usize) -> Result<()> {
        let (to, from) = (addresses.gateway_outer, addresses.enb_outer);
        let (out, back) = (self.newest(to)?, self.newest(from)?);
        let mut scapy = peer.command("python3");
        scapy.args([SCAPY, "enb0"]);
        scapy.args([from, to, addresses.enb_inner, addresses.core].map(|a| a.to_string()));
        scapy.args([&out.spi, &back.spi, &out.key, &back.key]);
        scapy.args([&count.to_string(), out.cipher, out.integrity]);
        let first = self.numbers.entry(out.spi).or_insert(1);
        scapy.args([
            &out.integrity_octets.to_string(),
            "0",
            out.protocol,
            &first.to_string(),
        ]);
        *first += count;
        run(&mut scapy).map(drop)
    }

    /// How many SAs the daemon has given to its kernel.
    pub fn sas(&self) -> usize {
        read_to_string(&self.sas).map_or(0, |text| text.lines().count())
    }

    fn newest(&self, destination: IpAddr) -> Result<Sa> {
        let text = read_to_string(&self.sas)
            .map_err(|e| BenchError::io(format!("read {}", self.sas.display()), e))?;
        let wanted = destination.to_string();
        let of = |line: &&str| line.split(' ').nth(1) == Some(&wanted);
        let last = text.lines().rfind(of).map(parse);
        last.unwrap_or_else(|| Err(BenchError::Unexpected(format!("no SA to {wanted}: {text}"))))
    }
}

/// Reads `SPI DESTINATION CIPHER KEY INTEGRITY KEY`.
fn parse(line: &str) -> Result<Sa> {
    let bad = |what: &str| BenchError::Unexpected(format!("{what} of the SA `{line}`"));
    let words: Vec<&str> = line.split(' ').collect();
    let [spi, _, cipher, cipher_key, integrity, integrity_key] = words[..] else {
        return Err(bad("the form"));
    };
    let (protocol, cipher) = match cipher {
        "rfc4106(gcm(aes))" => ("esp", "AES-GCM"),
        // SADB_X_EALG_AESCBC
        "cbc(aes)" | "12" => ("esp", "AES-CBC"),
        "-" => ("ah", "NULL"),
        _ => return Err(bad("the cipher")),
    };
    let integrity = match integrity {
        "-" => "NULL",
        "hmac(sha256)" => "SHA2-256-128",
        // SADB_AALG_SHA1HMAC
        "3" => "HMAC-SHA1-96",
        _ => return Err(bad("the integrity")),
    };
    let (cipher_key, integrity_key) = (
        cipher_key.trim_matches('-'),
        integrity_key.trim_matches('-'),
    );
    Ok(Sa {
        spi: format!("0x{spi}"),
        protocol,
        cipher,
        integrity,
        integrity_octets: integrity_key.len() / 2,
        key: format!("{cipher_key}{integrity_key}"),
    })
}

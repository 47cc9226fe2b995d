//! A hierarchy as files, as operators get them: PEM, keys readable by their owner only, revocation lists in DER.

use std::fs;
use std::path::Path;

use openssl::x509::X509;

use super::key::TestKey;
use super::{Error, Fault, Hierarchy, Issued};
use crate::store::files;

/// What is made beside the CAs.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Gateways `gw1` and so on.
    pub gateways: u32,
    /// eNodeBs `enb1` and so on.
    pub enodebs: u32,
    /// eNodeBs `enb-00001` and so on, which have one key: those that a load generator plays.
    pub fleet: u32,
    /// One certificate for each, `bad-<fault>`.
    pub faults: Vec<Fault>,
}

impl Hierarchy {
    /// Writes the files into a folder, which is made if it is not there; files of the same names are replaced. Returns how many files.
    ///
    /// | file | holds |
    /// |---|---|
    /// | `root.pem` | the root CA, which gateways trust |
    /// | `access.pem` | the intermediate CA |
    /// | `access.crl` | its revocation list, in DER |
    /// | `<name>.pem` | a certificate and the CAs above it but the root |
    /// | `<name>.key` | its private key, PKCS#8 in PEM, without a passphrase |
    /// | `fleet.key` | the private key of the whole fleet |
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&self, folder: &Path, contents: &Contents) -> Result<usize, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| Error::File { path, error }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let mut count = 0;
        let mut put = |name: String, octets: &[u8], mode| {
            let path = folder.join(name);
            count += 1;
            files::replace(&path, octets, mode).map_err(failed(&path))
        };
        put("root.pem".into(), &pem(&[self.root()])?, 0o644)?;
        put("access.pem".into(), &pem(&[self.access()])?, 0o644)?;
        let mut put_chain = |name: &str, issued: &Issued, key: Option<&str>| {
            let ders = [&issued.certificate].into_iter().chain(&issued.chain);
            let ders: Vec<&[u8]> = ders.map(Vec::as_slice).collect();
            put(format!("{name}.pem"), &pem(&ders)?, 0o644)?;
            match key {
                Some(key) => put(
                    key.to_owned(),
                    &issued.key.private_key_to_pem_pkcs8()?,
                    0o600,
                ),
                None => Ok(()),
            }
        };
        let fleet = TestKey::generate(self.kind)?;
        for n in 1..=contents.fleet {
            let name = format!("enb-{n:05}");
            let issued = self.issue_for(&name, &fleet)?;
            put_chain(&name, &issued, (n == 1).then_some("fleet.key"))?;
        }
        let mut made = vec![];
        for n in 1..=contents.gateways {
            let name = format!("gw{n}");
            made.push((self.issue(&name, &[])?, name));
        }
        for n in 1..=contents.enodebs {
            let name = format!("enb{n}");
            made.push((self.issue(&name, &[])?, name));
        }
        let mut revoked: Vec<Issued> = vec![];
        for &fault in &contents.faults {
            let name = format!("bad-{fault}");
            let issued = self.faulty(&name, fault)?;
            if fault == Fault::Revoked {
                revoked.push(issued.clone());
            }
            made.push((issued, name));
        }
        for (issued, name) in &made {
            put_chain(name, issued, Some(&format!("{name}.key")))?;
        }
        let revoked: Vec<&Issued> = revoked.iter().collect();
        let list = self.revocation_list(&revoked, self.now)?;
        put("access.crl".into(), &list, 0o644)?;
        Ok(count)
    }
}

fn pem(certificates: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut text = vec![];
    for der in certificates {
        text.extend(X509::from_der(der)?.to_pem()?);
    }
    Ok(text)
}

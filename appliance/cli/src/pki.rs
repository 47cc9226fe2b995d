//! `request`, `clear` and `show security pki`, likewise `security ike pre-shared-keys`: their orders, with the octets of the files that they name.
//!
//! A file is read with the rights of who types the command; iked, which has the keys, reads none of the operator's.

use crate::command::{Choose, Parsed, Verb, Word};
use crate::{CliError, CommandError};
use ravelin_ctl::operator::DaemonReply;
use ravelin_ctl::pki::{KeyKind, MAX_FILE_OCTETS, MAX_KEYS_OCTETS, PkiOrder, PkiReply};
use ravelin_types::{Identity, SecretBytes};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Bits of a key when none are named, as Junos has it for RSA.
const RSA_BITS: u32 = 2048;
const ECDSA_BITS: u32 = 256;

/// The order of a command, or `None` for those of others.
///
/// # Errors
/// [`CliError::File`], [`CommandError`].
pub(crate) fn order(parsed: &Parsed) -> Result<Option<PkiOrder>, CliError> {
    let name = parsed.values.first().map(|w| w.text.clone());
    let name = name.unwrap_or_default();
    Ok(Some(match parsed.verb {
        Verb::GenerateKey => PkiOrder::Generate {
            name,
            kind: kind(parsed)?,
        },
        Verb::RequestCertificate => PkiOrder::Request {
            name,
            subject: wanted(parsed, Choose::Subject, "subject")?.text.clone(),
            names: names(parsed)?,
        },
        Verb::LoadCertificate => PkiOrder::LoadLocal {
            name,
            file: secret(file(parsed, Choose::File)?),
            key: match chosen(parsed, Choose::KeyFile) {
                Some(_) => Some(secret(file(parsed, Choose::KeyFile)?)),
                None => None,
            },
            passphrase: SecretBytes::default(),
        },
        Verb::LoadCa => PkiOrder::LoadCa {
            profile: name,
            file: file(parsed, Choose::File)?.to_vec(),
        },
        Verb::LoadList => PkiOrder::LoadList {
            profile: name,
            file: file(parsed, Choose::File)?.to_vec(),
        },
        Verb::LoadKeys => PkiOrder::LoadKeys {
            name,
            file: secret(file_up_to(parsed, Choose::File, MAX_KEYS_OCTETS)?),
        },
        Verb::ClearPki(object) => PkiOrder::Clear(object, name),
        Verb::ShowCertificates { .. } => PkiOrder::ShowLocals,
        Verb::ShowCas { .. } => PkiOrder::ShowAuthorities,
        Verb::ShowLists => PkiOrder::ShowLists,
        Verb::ShowKeys => PkiOrder::ShowKeys,
        _ => return Ok(None),
    }))
}

/// The order once more, with the passphrase that iked asks for.
pub(crate) fn with_passphrase(order: PkiOrder, typed: &str) -> PkiOrder {
    match order {
        PkiOrder::LoadLocal {
            name, file, key, ..
        } => PkiOrder::LoadLocal {
            name,
            file,
            key,
            passphrase: SecretBytes::new(typed.as_bytes().to_vec()),
        },
        other => other,
    }
}

/// Writes the request into the file that was named, which must not be there yet, and returns its name.
///
/// # Errors
/// [`CliError::File`].
pub(crate) fn keep(parsed: &Parsed, reply: &DaemonReply) -> Result<Option<String>, CliError> {
    let (Some(word), DaemonReply::Pki(reply)) = (chosen(parsed, Choose::File), reply) else {
        return Ok(None);
    };
    let PkiReply::Request { pem } = reply.as_ref() else {
        return Ok(None);
    };
    let path = PathBuf::from(&word.text);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o644).open(&path);
    opened
        .and_then(|mut file| file.write_all(pem.as_bytes()))
        .map_err(|source| CliError::File { path, source })?;
    Ok(Some(word.text.clone()))
}

fn chosen(parsed: &Parsed, choice: Choose) -> Option<&Word> {
    let mut all = parsed.chosen.iter();
    all.find_map(|(chosen, word)| (*chosen == choice).then_some(word))
}

fn wanted<'p>(
    parsed: &'p Parsed,
    choice: Choose,
    name: &'static str,
) -> Result<&'p Word, CommandError> {
    chosen(parsed, choice).ok_or_else(|| CommandError::Incomplete {
        at: parsed.end,
        expected: vec![name.to_owned()],
    })
}

fn kind(parsed: &Parsed) -> Result<KeyKind, CommandError> {
    let wrong = |word: &Word, wanted| CommandError::Value {
        word: word.text.clone(),
        at: word.at,
        wanted,
    };
    let size = chosen(parsed, Choose::Size);
    let bits = |default| match size {
        Some(word) => (word.text.parse()).map_err(|_| wrong(word, "a number of bits")),
        None => Ok(default),
    };
    let Some(word) = chosen(parsed, Choose::Type) else {
        return Ok(KeyKind::Rsa(bits(RSA_BITS)?));
    };
    let kind = match word.text.as_str() {
        "rsa" => return Ok(KeyKind::Rsa(bits(RSA_BITS)?)),
        "ecdsa" => return Ok(KeyKind::Ecdsa(bits(ECDSA_BITS)?)),
        "ed25519" => KeyKind::Ed25519,
        "ed448" => KeyKind::Ed448,
        _ => return Err(wrong(word, "one of rsa, ecdsa, ed25519 and ed448")),
    };
    match size {
        Some(size) => Err(wrong(size, "for this type, which has one size only")),
        None => Ok(kind),
    }
}

fn names(parsed: &Parsed) -> Result<Vec<Identity>, CommandError> {
    let mut names = vec![];
    for (choice, word) in &parsed.chosen {
        for text in word.text.split(',').map(str::trim) {
            names.push(match choice {
                Choose::DomainName => Identity::Fqdn(text.to_owned()),
                Choose::Email => Identity::Email(text.to_owned()),
                Choose::Address => match text.parse() {
                    Ok(IpAddr::V4(address)) => Identity::Ipv4(address),
                    Ok(IpAddr::V6(address)) => Identity::Ipv6(address),
                    Err(_) => {
                        return Err(CommandError::Value {
                            word: text.to_owned(),
                            at: word.at,
                            wanted: "an IP address",
                        });
                    }
                },
                _ => continue,
            });
        }
    }
    Ok(names)
}

/// The octets of the file that an option names, up to a bound.
fn file(parsed: &Parsed, choice: Choose) -> Result<Zeroizing<Vec<u8>>, CliError> {
    file_up_to(parsed, choice, MAX_FILE_OCTETS)
}

fn file_up_to(
    parsed: &Parsed,
    choice: Choose,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let path = PathBuf::from(&wanted(parsed, choice, "filename")?.text);
    read(&path, most).map_err(|source| CliError::File { path, source })
}

fn read(path: &PathBuf, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = limit as u64;
    let length = fs::metadata(path)?.len();
    // In one piece: what grows leaves copies of a key behind.
    let room = usize::try_from(length.min(most) + 2).unwrap_or_default();
    let mut octets = Zeroizing::new(Vec::with_capacity(room));
    File::open(path)?.take(most + 1).read_to_end(&mut octets)?;
    if octets.len() > limit {
        let line = format!("it has more than {limit} octets");
        return Err(io::Error::other(line));
    }
    Ok(octets)
}

fn secret(mut octets: Zeroizing<Vec<u8>>) -> SecretBytes {
    SecretBytes::new(std::mem::take(&mut *octets))
}

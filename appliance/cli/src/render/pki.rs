//! `show security pki ...`, and the answers to orders.

use super::{line, wrapped};
use ravelin_ctl::pki::{
    CaCertificate, CertificateInfo, LocalCertificate, PkiObject, PkiReply, RevocationList,
};

/// What a reply says; a list `detail`ed or not.
pub(super) fn text(reply: &PkiReply, detail: bool) -> String {
    match reply {
        PkiReply::Generated { name, key } => format!("Generated key pair {name}, {key}\n"),
        PkiReply::Request { pem } => pem.clone(),
        PkiReply::Loaded {
            what,
            name,
            subjects,
        } => loaded(*what, name, subjects),
        PkiReply::PassphraseWanted => "the file is encrypted: a passphrase is wanted\n".to_owned(),
        PkiReply::Cleared(object, count) => {
            format!("{count} {} deleted\n", plural(*object, *count))
        }
        PkiReply::Locals { list, left_out } => {
            let rows = list.iter().map(|local| locals(local, detail));
            all(rows.collect(), "local certificates", *left_out)
        }
        PkiReply::Authorities { list, left_out } => {
            let rows = list.iter().map(|ca| authority(ca, detail));
            all(rows.collect(), "CA certificates", *left_out)
        }
        PkiReply::Lists(lists) => all(lists.iter().map(list).collect(), "revocation lists", 0),
        PkiReply::KeyLists(lists) => lists
            .iter()
            .map(|(name, keys)| format!("{name}: {keys} keys\n"))
            .collect(),
    }
}

fn loaded(what: PkiObject, name: &str, subjects: &[String]) -> String {
    let head = match what {
        PkiObject::List => format!("Revocation list of {name} loaded:"),
        PkiObject::Keys => format!("Pre-shared keys {name} loaded:"),
        PkiObject::CaCertificate => format!("CA profile {name} loaded:"),
        PkiObject::KeyPair | PkiObject::LocalCertificate => {
            format!("Local certificate {name} loaded:")
        }
    };
    let mut out = head + "\n";
    for subject in subjects {
        out.push_str(&wrapped("  ", subject, 4));
    }
    out
}

fn plural(object: PkiObject, count: u64) -> String {
    match (object, count) {
        (_, 1) => object.name().to_owned(),
        (PkiObject::Keys, _) => "lists of pre-shared keys".to_owned(),
        _ => object.name().to_owned() + "s",
    }
}

fn all(paragraphs: Vec<String>, of: &str, left_out: u64) -> String {
    let mut out = paragraphs.join("\n");
    if left_out > 0 {
        out.push_str(&format!("\nand {left_out} more {of}\n"));
    }
    out
}

fn locals(local: &LocalCertificate, detail: bool) -> String {
    let mut out = line("Certificate identifier: ", &local.name);
    match &local.certificate {
        Some(certificate) => out.push_str(&paragraph(certificate, detail)),
        None => out.push_str("  Certificate: none yet\n"),
    }
    let matches = match (&local.certificate, local.key_match) {
        (None, _) => "",
        (Some(_), true) => ", that of the certificate",
        (Some(_), false) => ", NOT that of the certificate",
    };
    out.push_str(&format!("  Private key: {}{matches}\n", local.key));
    if detail {
        for ca in &local.chain {
            out.push_str(&wrapped("  Sent along: ", ca, 14));
        }
    }
    out
}

fn authority(ca: &CaCertificate, detail: bool) -> String {
    line("CA profile: ", &ca.profile) + &paragraph(&ca.certificate, detail)
}

fn paragraph(certificate: &CertificateInfo, detail: bool) -> String {
    let expiry = match certificate.days_left {
        left @ ..0 => format!("EXPIRED {} days ago", -left),
        left => format!("{left} days left"),
    };
    let mut out = wrapped("  Subject: ", &certificate.subject, 11);
    out.push_str(&wrapped("  Issuer: ", &certificate.issuer, 10));
    if !certificate.names.is_empty() {
        let names = certificate.names.join(", ");
        out.push_str(&wrapped("  Alternative names: ", &names, 21));
    }
    out.push_str(&format!(
        "  Validity:\n    Not before: {}\n    Not after:  {}, {expiry}\n",
        certificate.not_before, certificate.not_after
    ));
    out.push_str(&format!("  Public key: {}\n", certificate.key));
    if detail {
        out.push_str(&line("  Serial number: ", &certificate.serial));
        out.push_str("  Fingerprints:\n");
        out.push_str(&line("    SHA-1:   ", &certificate.sha1));
        out.push_str(&line("    SHA-256: ", &certificate.sha256));
    }
    out
}

fn list(list: &RevocationList) -> String {
    let profiles = match list.profiles.as_slice() {
        [] => "none, from a peer's chain".to_owned(),
        names => names.join(", "),
    };
    let mut out = wrapped("CA: ", &list.authority, 4);
    out.push_str(&wrapped("  CA profiles: ", &profiles, 15));
    match &list.list {
        None => out.push_str("  Revocation list: none yet\n"),
        Some(known) => {
            let past = if known.stale { ", PAST" } else { "" };
            out.push_str(&format!(
                "  Issued:      {}\n  Next update: {}{past}\n  Revoked certificates: {}\n",
                known.this_update, known.next_update, known.revoked
            ));
        }
    }
    if let Some(failure) = &list.failure {
        out.push_str(&wrapped("  Last fetch failed: ", failure, 4));
    }
    out
}

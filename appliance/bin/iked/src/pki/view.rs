//! What operators see of certificates. Private keys never get here.

use ravelin_ctl::pki::{
    CaCertificate, CertificateInfo, ListInfo, LocalCertificate, MAX_SHOWN_CERTIFICATES, PkiReply,
    RevocationList,
};
use ravelin_pki::{Certificate, WallTime};

use super::{Contents, Pki};

pub(super) fn locals(contents: &Contents, now: WallTime) -> PkiReply {
    let shown = contents.locals.iter().take(MAX_SHOWN_CERTIFICATES);
    let list = shown.map(|(name, local)| {
        let (own, chain) = local.certificates.split_first().unzip();
        LocalCertificate {
            name: name.clone(),
            key: local.key.algorithm().to_string(),
            certificate: own.map(|own| info(own, now)),
            key_match: own.is_some_and(|own| local.key.belongs_to(own)),
            chain: chain
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
        }
    });
    let list: Vec<LocalCertificate> = list.collect();
    let left_out = contents.locals.len() - list.len();
    PkiReply::Locals {
        list,
        left_out: left_out as u64,
    }
}

pub(super) fn authorities(contents: &Contents, now: WallTime) -> PkiReply {
    let all = contents.profiles.values();
    let mut all = all.flat_map(|profile| profile.anchors.iter().map(move |a| (profile, a)));
    let shown = all.by_ref().take(MAX_SHOWN_CERTIFICATES);
    let list = shown.map(|(profile, anchor)| CaCertificate {
        profile: profile.name.clone(),
        certificate: info(anchor, now),
    });
    let list = list.collect();
    PkiReply::Authorities {
        list,
        left_out: all.count() as u64,
    }
}

pub(super) fn keys(contents: &Contents) -> PkiReply {
    let lists = contents.key_lists.iter();
    PkiReply::KeyLists(
        lists
            .map(|(name, list)| (name.clone(), list.len() as u64))
            .collect(),
    )
}

pub(super) fn lists(pki: &Pki, now: WallTime) -> PkiReply {
    let contents = pki.contents();
    let profiles = |authority: &Certificate| {
        let all = contents.profiles.values();
        let having = all.filter(|profile| profile.anchors.contains(authority));
        having.map(|profile| profile.name.clone()).collect()
    };
    let lists = pki.lists();
    let all = lists.lists().map(|(id, authority, list)| RevocationList {
        authority: authority.to_string(),
        profiles: profiles(authority),
        list: list.map(|list| ListInfo {
            this_update: list.this_update().to_string(),
            next_update: list.next_update().to_string(),
            stale: now > list.next_update(),
            revoked: list.revoked() as u64,
        }),
        failure: pki.failure(id),
    });
    PkiReply::Lists(all.collect())
}

fn info(certificate: &Certificate, now: WallTime) -> CertificateInfo {
    let names = certificate.alt_names().iter().map(ToString::to_string);
    // A digest that OpenSSL refuses is shown as none.
    let sha1 = ravelin_crypto::sha1(&[certificate.der()]).map_or_else(|_| String::new(), hex);
    let sha256 = ravelin_crypto::sha256(&[certificate.der()]).map_or_else(|_| String::new(), hex);
    CertificateInfo {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex(certificate.serial()),
        names: names.collect(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        days_left: now.days_until(certificate.not_after()),
        key: certificate.key_algorithm().to_string(),
        sha1,
        sha256,
    }
}

fn hex(octets: impl AsRef<[u8]>) -> String {
    octets.as_ref().iter().map(|o| format!("{o:02x}")).collect()
}

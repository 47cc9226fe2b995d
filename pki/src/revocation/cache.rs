//! The revocation lists that a gateway has and wants: one for each CA, fetched by HTTP or given as a file.
//!
//! Sans-IO: [`CrlCache::due`] says what is to be fetched now, [`CrlCache::next`] when to ask again; the octets that were fetched, or
//! the failure, are told. A list is asked for anew when nine tenths of its time are over, or after the refresh interval of the CA. A CA
//! that does not answer, or has nothing newer then, is asked again after a minute, then after twice the pause each time, up to an hour.
//! Only CAs of paths that were validated may be watched: nobody else can make
//! the gateway fetch something.

use std::collections::BTreeMap;

use super::crl::{Crl, CrlError, SKEW_S};
use super::{Status, Unknown};
use crate::certificate::Certificate;
use crate::path::Path;
use crate::time::WallTime;

/// CAs whose lists are kept.
pub const MAX_AUTHORITIES: usize = 256;
/// URLs of one CA that are tried in turn.
const MAX_URLS: usize = 8;
/// Pauses after a failure.
const RETRY_S: i64 = 60;
const RETRY_MOST_S: i64 = 3600;

/// A CA: its name, and the SHA-1 of its key, which tells it from an earlier one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthorityId {
    name: Vec<u8>,
    key: [u8; 20],
}

/// Something to fetch by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// To be told with what came of it.
    pub authority: AuthorityId,
    /// From where.
    pub url: String,
}

/// The lists of all CAs of a gateway.
#[derive(Debug, Clone, Default)]
pub struct CrlCache {
    authorities: BTreeMap<AuthorityId, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    certificate: Certificate,
    /// From certificates.
    urls: Vec<String>,
    /// From the configuration, which go first.
    configured: Vec<String>,
    /// Longest time between fetches.
    refresh_s: Option<u32>,
    list: Option<Crl>,
    /// When it is fetched, or may be again.
    at: WallTime,
    /// Since the last success.
    failures: u32,
}

impl AuthorityId {
    /// The id of the CA of a certificate.
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            name: certificate.subject().der().to_vec(),
            key: *certificate.spki_sha1(),
        }
    }

    /// A name for a file: 40 hexadecimal digits of the key.
    pub fn file_stem(&self) -> String {
        self.key.iter().map(|o| format!("{o:02x}")).collect()
    }
}

impl CrlCache {
    /// Watches a CA that is trusted, with URLs of its list. Those that are known already stay. False when the cache is full.
    pub fn watch(&mut self, certificate: &Certificate, urls: &[String]) -> bool {
        let id = AuthorityId::of(certificate);
        if !self.authorities.contains_key(&id) && self.authorities.len() >= MAX_AUTHORITIES {
            return false;
        }
        let entry = self.authorities.entry(id).or_insert_with(|| Entry {
            certificate: certificate.clone(),
            urls: vec![],
            configured: vec![],
            refresh_s: None,
            list: None,
            at: WallTime(i64::MIN),
            failures: 0,
        });
        for url in urls {
            if entry.urls.len() < MAX_URLS && !entry.urls.contains(url) {
                entry.urls.push(url.clone());
            }
        }
        true
    }

    /// Says where the list of a CA that is watched is, beside the places that certificates name, and the longest time between fetches.
    pub fn configure(&mut self, id: &AuthorityId, urls: &[String], refresh_s: Option<u32>) {
        let Some(entry) = self.authorities.get_mut(id) else {
            return;
        };
        let urls: Vec<String> = urls.iter().take(MAX_URLS).cloned().collect();
        if entry.configured == urls && entry.refresh_s == refresh_s {
            return;
        }
        (entry.configured, entry.refresh_s) = (urls, refresh_s);
        if entry.list.is_none() {
            (entry.at, entry.failures) = (WallTime(i64::MIN), 0);
        }
    }

    /// Watches the CAs of a validated path, with the distribution points that its certificates name.
    pub fn watch_path(&mut self, path: &Path) {
        for (certificate, issuer) in path.links() {
            self.watch(issuer, certificate.crl_urls());
        }
    }

    /// Whether [`Self::watch_path`] would change nothing.
    pub fn watches(&self, path: &Path) -> bool {
        path.links().all(|(certificate, issuer)| {
            let entry = self.authorities.get(&AuthorityId::of(issuer));
            entry.map_or(self.authorities.len() >= MAX_AUTHORITIES, |entry| {
                let mut urls = certificate.crl_urls().iter();
                entry.urls.len() >= MAX_URLS || urls.all(|url| entry.urls.contains(url))
            })
        })
    }

    /// Forgets the list of a CA, which is wanted anew at once. False when there is none.
    pub fn drop_list(&mut self, id: &AuthorityId) -> bool {
        let Some(entry) = self.authorities.get_mut(id) else {
            return false;
        };
        entry.at = WallTime(i64::MIN);
        entry.list.take().is_some()
    }

    /// Watches a CA no longer, and forgets its list.
    pub fn forget(&mut self, id: &AuthorityId) {
        self.authorities.remove(id);
    }

    /// What is to be fetched now. What is returned here is not returned again before it has been told how it went, or an hour is over.
    pub fn due(&mut self, now: WallTime) -> Vec<Fetch> {
        let mut due = vec![];
        for (id, entry) in &mut self.authorities {
            if entry.at > now {
                continue;
            }
            let turn = (entry.failures as usize).checked_rem(entry.places().count());
            if let Some(url) = turn.and_then(|turn| entry.places().nth(turn).cloned()) {
                entry.at = WallTime(now.0.saturating_add(RETRY_MOST_S));
                due.push(Fetch {
                    authority: id.clone(),
                    url,
                });
            }
        }
        due
    }

    /// When something is to be fetched next, if ever.
    pub fn next(&self) -> Option<WallTime> {
        let mut entries = self.authorities.values();
        let fetched = entries.by_ref().filter(|e| e.places().next().is_some());
        fetched.map(|entry| entry.at).min()
    }

    /// Takes a list that was kept from before; it is fetched anew at once when it is time.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn restore(&mut self, id: &AuthorityId, der: &[u8], now: WallTime) -> Result<(), CrlError> {
        let list = self.read(id, der, now)?;
        if let Some(entry) = self.authorities.get_mut(id) {
            entry.at = refresh(&list, entry.refresh_s, now);
            entry.list = Some(list);
        }
        Ok(())
    }

    /// Takes a list that was fetched or read from a file. An error counts as a failure to fetch.
    ///
    /// # Errors
    /// [`CrlError`]; then the list that was there stays. A list of a CA that nobody watches is [`CrlError::Issuer`].
    pub fn take(&mut self, id: &AuthorityId, der: &[u8], now: WallTime) -> Result<(), CrlError> {
        let taken = self.read(id, der, now);
        match taken {
            Ok(list) => {
                let mut over = false;
                if let Some(entry) = self.authorities.get_mut(id) {
                    let at = refresh(&list, entry.refresh_s, now);
                    over = at <= now;
                    entry.list = Some(list);
                    if !over {
                        (entry.failures, entry.at) = (0, WallTime(at.0.max(now.0 + RETRY_S)));
                    }
                }
                // The CA has nothing newer yet, or is late with it.
                if over {
                    self.failed(id, now);
                }
                Ok(())
            }
            Err(error) => {
                self.failed(id, now);
                Err(error)
            }
        }
    }

    fn read(&self, id: &AuthorityId, der: &[u8], now: WallTime) -> Result<Crl, CrlError> {
        let entry = self.authorities.get(id).ok_or_else(|| CrlError::Issuer {
            list: id.file_stem(),
            wanted: "any CA that is in use".to_owned(),
        })?;
        // Who asks says whether a weak list will do; none takes the place of a strong one.
        let strong = |held: &Crl| held.weak().is_none();
        let allow_weak = !entry.list.as_ref().is_some_and(strong);
        let list = Crl::read(der, &entry.certificate, allow_weak)?;
        if list.this_update().0 > now.0.saturating_add(SKEW_S) {
            return Err(CrlError::NotYet(list.this_update()));
        }
        // Who answers must not be able to bring an older list back, on which less is revoked.
        match &entry.list {
            Some(held) if held.this_update() > list.this_update() => Err(CrlError::Older {
                got: list.this_update(),
                held: held.this_update(),
            }),
            _ => Ok(list),
        }
    }

    /// A list could not be fetched.
    pub fn failed(&mut self, id: &AuthorityId, now: WallTime) {
        if let Some(entry) = self.authorities.get_mut(id) {
            let pause = RETRY_S.saturating_mul(1 << entry.failures.min(10));
            entry.failures = entry.failures.saturating_add(1);
            entry.at = WallTime(now.0.saturating_add(pause.min(RETRY_MOST_S)));
        }
    }

    /// What was to be fetched did not come. When its place is no longer one of the list's, that says nothing about the others.
    pub fn missed(&mut self, fetch: &Fetch, now: WallTime) {
        let entry = self.authorities.get(&fetch.authority);
        if entry.is_some_and(|entry| entry.places().any(|url| *url == fetch.url)) {
            self.failed(&fetch.authority, now);
        }
    }

    /// What is known about a certificate that `issuer` has issued. Without `allow_weak` a list that is signed with SHA-1 says nothing.
    pub fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: WallTime,
        allow_weak: bool,
    ) -> Status {
        let entry = self.authorities.get(&AuthorityId::of(issuer));
        match entry.and_then(|entry| entry.list.as_ref()) {
            Some(list) if list.weak().is_some() && !allow_weak => Status::Unknown(Unknown::Weak),
            Some(list) => list.status(certificate, now),
            None => Status::Unknown(Unknown::Nothing),
        }
    }

    /// The CAs that are watched, and the lists that are there.
    pub fn lists(&self) -> impl Iterator<Item = (&AuthorityId, &Certificate, Option<&Crl>)> {
        let entries = self.authorities.iter();
        entries.map(|(id, entry)| (id, &entry.certificate, entry.list.as_ref()))
    }
}

impl Entry {
    /// Where its list may be.
    fn places(&self) -> impl Iterator<Item = &String> {
        self.configured.iter().chain(&self.urls)
    }
}

/// When the list is asked for anew: a tenth of its time before the next one is due, or after the refresh interval.
fn refresh(list: &Crl, interval_s: Option<u32>, now: WallTime) -> WallTime {
    let life = list.next_update().0.saturating_sub(list.this_update().0);
    let at = list.next_update().0.saturating_sub(life / 10);
    let most = interval_s.map_or(i64::MAX, |s| now.0.saturating_add(i64::from(s)));
    WallTime(at.min(most))
}

#[cfg(test)]
mod tests;

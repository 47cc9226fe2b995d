//! The certificates of the daemon: local ones with their keys, the CA profiles, and revocation lists; lists of pre-shared keys, which are
//! no configuration, so that no commit carries them. All of it is on disk, and in memory
//! for whoever proves or verifies an identity: readers never wait for a disk.
//!
//! A [`Pki`] is a handle; all handles share the same contents. Who changes something blocks until it is durable, so that is not for
//! the daemon's main task. A reader keeps the [`Contents`] that it got, whole, whatever is changed meanwhile.

pub mod alarms;
pub mod desk;
mod fetch;
mod files;
mod http;
pub mod keys;
pub mod ocsp;
mod view;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::Path as FilePath;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use ravelin_ctl::pki::MAX_KEYS_OCTETS;
use ravelin_ike::EnvironmentError;
use ravelin_ike::config::KeyList;
use ravelin_pki::{
    AuthorityId, CaProfile, Certificate, CrlCache, CrlError, Local, MAX_AUTHORITIES, Path, Status,
    Store, StoreError, TokenSecret, WallTime,
};

/// The wall clock, in which the validity of certificates is told.
pub fn wall_clock() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    WallTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Local certificates and CA profiles by their names, as they are at one moment.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Keys of ours; the certificate is missing as long as it is only asked for.
    pub locals: BTreeMap<String, Arc<Local>>,
    /// Who is trusted.
    pub profiles: BTreeMap<String, Arc<CaProfile>>,
    /// Pre-shared keys.
    pub key_lists: BTreeMap<String, Arc<KeyList>>,
}

/// Where the revocation lists of a CA profile are, by the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the profile.
    pub profile: String,
    /// Beside the places that certificates name.
    pub urls: Vec<String>,
    /// Seconds between fetches at most.
    pub refresh_s: Option<u32>,
}

/// Why a revocation list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not one of this CA, or no good.
    #[error(transparent)]
    List(#[from] CrlError),
    /// It is in force, but will not outlive the daemon.
    #[error("the revocation list is in force and cannot be kept: {0}")]
    Store(#[from] StoreError),
}

/// Why a list of pre-shared keys is not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Of what is in it.
    #[error("pre-shared keys: {0}")]
    Keys(#[from] keys::KeysError),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A handle on all of it.
#[derive(Clone)]
pub struct Pki(Arc<Shared>);

struct Shared {
    store: Store,
    /// Held by who changes something, from what it reads to what it writes.
    changes: Mutex<()>,
    contents: RwLock<Arc<Contents>>,
    lists: RwLock<CrlCache>,
    sources: Mutex<Vec<Source>>,
    /// Why lists were not fetched, one line for a CA.
    failures: Mutex<BTreeMap<AuthorityId, String>>,
    answers: ocsp::Answers,
    /// Wakes who fetches.
    wake: OnceLock<SyncSender<()>>,
}

impl Pki {
    /// Opens the store in a folder, which is made if it is not there, and reads it. What cannot be read is told and left out: it must
    /// not keep the other tunnels down.
    ///
    /// # Errors
    /// When there is no such folder and none can be made.
    pub fn open(folder: &FilePath, now: WallTime) -> Result<Self, StoreError> {
        let store = Store::open(folder)?;
        let contents = Contents {
            locals: load(store.locals()?, |name| store.local(name)),
            profiles: load(store.profiles()?, |name| store.profile(name)),
            key_lists: load(store.key_lists()?, |name| stored_keys(&store, name)),
        };
        let pki = Self(Arc::new(Shared {
            store,
            changes: Mutex::new(()),
            contents: RwLock::new(Arc::new(contents)),
            lists: RwLock::new(CrlCache::default()),
            sources: Mutex::default(),
            failures: Mutex::default(),
            answers: ocsp::Answers::default(),
            wake: OnceLock::new(),
        }));
        for profile in pki.contents().profiles.values() {
            pki.watch_anchors(profile, now);
        }
        Ok(pki)
    }

    /// What tokens of quick crash detection are made of, drawn at the first start. It is no reason not to start when the disk fails.
    ///
    /// # Errors
    /// Without randomness.
    pub fn token_secret(&self) -> Result<TokenSecret, EnvironmentError> {
        let failed = match self.0.store.token_secret() {
            Ok(Some(secret)) => return Ok(secret),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let mut fresh = TokenSecret::default();
        ravelin_crypto::random(&mut *fresh).map_err(|_| EnvironmentError::Random)?;
        let saved = self.0.store.save_token_secret(&fresh);
        if let Some(error) = failed.or(saved.err()) {
            log::warn!("tokens of quick crash detection: {error}");
        }
        Ok(fresh)
    }

    /// Fetches revocation lists and asks responders of OCSP from now on, as long as there is a handle.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_fetching(&self) -> io::Result<()> {
        ocsp::start(self)?;
        match self.wakes() {
            Some(wake) => fetch::start(Arc::downgrade(&self.0), wake),
            None => Ok(()),
        }
    }

    /// What the one who fetches is woken by; nothing but once.
    fn wakes(&self) -> Option<Receiver<()>> {
        let (wake, woken) = sync_channel(1);
        self.0.wake.set(wake).ok().map(|()| woken)
    }

    /// There may be something to fetch.
    fn wake(&self) {
        if let Some(wake) = self.0.wake.get() {
            // When it is full, it wakes up anyway.
            let _ = wake.try_send(());
        }
    }

    /// The configuration says where revocation lists are.
    pub fn set_sources(&self, sources: &[Source]) {
        let known = self.0.sources.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = sources.to_vec();
        self.configure_lists(&mut self.lists_mut());
        self.wake();
    }

    /// Tells the cache what the configuration says of the CAs that are trusted.
    fn configure_lists(&self, lists: &mut CrlCache) {
        let sources = self.0.sources.lock();
        let sources = sources.unwrap_or_else(PoisonError::into_inner);
        // A CA may be in several profiles.
        let mut wanted: BTreeMap<AuthorityId, (Vec<String>, Option<u32>)> = BTreeMap::new();
        for (name, profile) in &self.contents().profiles {
            let source = sources.iter().find(|source| source.profile == *name);
            for anchor in &profile.anchors {
                let (urls, refresh_s) = wanted.entry(AuthorityId::of(anchor)).or_default();
                urls.extend(source.iter().flat_map(|source| source.urls.clone()));
                let shortest = [*refresh_s, source.and_then(|source| source.refresh_s)];
                *refresh_s = shortest.into_iter().flatten().min();
            }
        }
        for (id, (urls, refresh_s)) in &wanted {
            lists.configure(id, urls, *refresh_s);
        }
    }

    /// What there is now. Two that are one allocation are the same contents.
    pub fn contents(&self) -> Arc<Contents> {
        // Whoever panicked has not touched them: they are replaced whole.
        let contents = self.0.contents.read();
        Arc::clone(&contents.unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of this name with its certificate and the CAs above it.
    pub fn local(&self, name: &str) -> Option<Arc<Local>> {
        self.contents().locals.get(name).cloned()
    }

    /// The CA profile of this name.
    pub fn profile(&self, name: &str) -> Option<Arc<CaProfile>> {
        self.contents().profiles.get(name).cloned()
    }

    /// Changes the local certificate of a name to what `change` makes of the present one, `None` when there is none; `None` deletes it.
    ///
    /// # Errors
    /// Those of `change` and [`StoreError`]; then everything is as it was.
    pub fn change_local<E: From<StoreError>>(
        &self,
        name: &str,
        change: impl FnOnce(Option<&Local>) -> Result<Option<Local>, E>,
    ) -> Result<(), E> {
        let _one_at_a_time = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut contents = (*self.contents()).clone();
        let present = contents.locals.get(name).map(Arc::as_ref);
        match change(present)? {
            Some(local) => {
                self.0.store.save_local(name, &local)?;
                contents.locals.insert(name.to_owned(), Arc::new(local));
            }
            None => {
                self.0.store.remove_local(name)?;
                contents.locals.remove(name);
            }
        }
        self.set(contents);
        Ok(())
    }

    /// Keeps a CA profile, in place of the one that had the name.
    ///
    /// # Errors
    /// [`StoreError`]; then everything is as it was.
    pub fn save_profile(&self, profile: CaProfile, now: WallTime) -> Result<(), StoreError> {
        let _one_at_a_time = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.0.store.save_profile(&profile)?;
        let (profile, mut contents) = (Arc::new(profile), (*self.contents()).clone());
        let old = contents
            .profiles
            .insert(profile.name.clone(), Arc::clone(&profile));
        self.set(contents);
        self.watch_anchors(&profile, now);
        self.forget_anchors(old.as_deref())
    }

    /// Deletes a CA profile; false when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_profile(&self, name: &str) -> Result<bool, StoreError> {
        let _one_at_a_time = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.0.store.remove_profile(name)?;
        let mut contents = (*self.contents()).clone();
        let old = contents.profiles.remove(name);
        self.set(contents);
        self.forget_anchors(old.as_deref())?;
        Ok(old.is_some())
    }

    /// Keeps a list of pre-shared keys, in place of the one that had the name, and returns how many there are.
    ///
    /// # Errors
    /// What is wrong with the file, or why it cannot be kept; then everything is as it was.
    pub fn save_keys(&self, name: &str, file: &[u8]) -> Result<usize, KeyFileError> {
        let list = keys::read(file)?;
        let _one_at_a_time = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut contents = (*self.contents()).clone();
        let known = &contents.key_lists;
        if !known.contains_key(name) && known.len() >= keys::MAX_KEY_LISTS {
            return Err(keys::KeysError::TooManyLists.into());
        }
        self.0.store.save_keys(name, file)?;
        let count = list.len();
        contents.key_lists.insert(name.to_owned(), Arc::new(list));
        self.set(contents);
        Ok(count)
    }

    /// Deletes a list of pre-shared keys; false when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_keys(&self, name: &str) -> Result<bool, StoreError> {
        let _one_at_a_time = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.0.store.remove_keys(name)?;
        let mut contents = (*self.contents()).clone();
        let old = contents.key_lists.remove(name);
        self.set(contents);
        Ok(old.is_some())
    }

    /// What the revocation lists say about a certificate that `issuer` has issued; weakly signed ones with `allow_weak` only.
    pub fn status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: WallTime,
        allow_weak: bool,
    ) -> Status {
        self.lists().status(certificate, issuer, now, allow_weak)
    }

    /// Watches the CAs of a validated path, from where its certificates say. Lists that were kept from before are in force at once.
    pub fn watch_path(&self, path: &Path, now: WallTime) {
        if self.lists().watches(path) {
            return;
        }
        let mut lists = self.lists_mut();
        lists.watch_path(path);
        for issuer in path.certificates.iter().skip(1) {
            self.restore(&mut lists, issuer, now);
        }
        drop(lists);
        self.wake();
    }

    /// Takes the revocation list of a CA that is watched, fetched or from a file, and keeps it across restarts.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn take_list(&self, id: &AuthorityId, der: &[u8], now: WallTime) -> Result<(), ListError> {
        self.lists_mut().take(id, der, now)?;
        Ok(self.0.store.save_crl(id, der)?)
    }

    /// Drops the lists of these CAs, which are watched as before. Returns how many there were.
    pub(crate) fn drop_lists(&self, authorities: &[Certificate]) -> Result<u64, StoreError> {
        let mut count = 0;
        for authority in authorities {
            let id = AuthorityId::of(authority);
            self.0.store.remove_crl(&id)?;
            count += u64::from(self.lists_mut().drop_list(&id));
        }
        self.wake();
        Ok(count)
    }

    /// The CAs that are watched, with their lists.
    pub fn lists(&self) -> RwLockReadGuard<'_, CrlCache> {
        self.0.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic of another thread leaves an entry old or new, each of them valid.
    fn lists_mut(&self) -> RwLockWriteGuard<'_, CrlCache> {
        self.0.lists.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, contents: Contents) {
        let present = self.0.contents.write();
        *present.unwrap_or_else(PoisonError::into_inner) = Arc::new(contents);
    }

    fn watch_anchors(&self, profile: &CaProfile, now: WallTime) {
        let mut lists = self.lists_mut();
        for anchor in &profile.anchors {
            if !lists.watch(anchor, &[]) {
                log::warn!(
                    "CA profile {}: no room for the revocation list of `{anchor}`: {MAX_AUTHORITIES} CAs have one already",
                    profile.name
                );
            }
            self.restore(&mut lists, anchor, now);
        }
        self.configure_lists(&mut lists);
        drop(lists);
        self.wake();
    }

    /// The lists of CAs that no profile has any more go, with their files.
    fn forget_anchors(&self, old: Option<&CaProfile>) -> Result<(), StoreError> {
        let contents = self.contents();
        let trusted = |anchor| {
            let mut profiles = contents.profiles.values();
            profiles.any(|profile| profile.anchors.contains(anchor))
        };
        let gone = old.into_iter().flat_map(|old| &old.anchors);
        let mut lists = self.lists_mut();
        for anchor in gone.filter(|anchor| !trusted(anchor)) {
            lists.forget(&AuthorityId::of(anchor));
        }
        self.0.store.keep_crls(lists.lists().map(|(id, ..)| id))
    }

    /// The list that was kept of a CA which has none.
    fn restore(&self, lists: &mut CrlCache, authority: &Certificate, now: WallTime) {
        let id = AuthorityId::of(authority);
        if !lists
            .lists()
            .any(|(watched, _, list)| *watched == id && list.is_none())
        {
            return;
        }
        let kept = self.0.store.crl(&id).map_err(ListError::from);
        let taken = kept.and_then(|kept| match kept {
            Some(der) => Ok(lists.restore(&id, &der, now)?),
            None => Ok(()),
        });
        if let Err(error) = taken {
            log::warn!("the revocation list of `{authority}` that was kept: {error}");
        }
    }
}

fn stored_keys(store: &Store, name: &str) -> Result<Option<KeyList>, KeyFileError> {
    let file = store.keys(name, MAX_KEYS_OCTETS)?;
    Ok(file.map(|file| keys::read(&file)).transpose()?)
}

/// What can be read of the entries with these names.
fn load<T, E: Display>(
    names: impl IntoIterator<Item = String>,
    read: impl Fn(&str) -> Result<Option<T>, E>,
) -> BTreeMap<String, Arc<T>> {
    let mut loaded = BTreeMap::new();
    for name in names {
        match read(&name) {
            Ok(Some(entry)) => drop(loaded.insert(name, Arc::new(entry))),
            Ok(None) => {}
            Err(error) => log::error!("{error}"),
        }
    }
    loaded
}

#[cfg(test)]
pub(crate) mod tests;

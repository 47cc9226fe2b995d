//! Operators' orders about certificates and lists of pre-shared keys, carried out one after the other on a thread of their own: a key of RSA takes seconds, and each
//! change waits for the disk.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ravelin_ctl::Envelope;
use ravelin_ctl::daemon::Reply;
use ravelin_ctl::operator::DaemonReply;
use ravelin_ctl::pki::{KeyKind, PkiObject, PkiOrder, PkiReply};
use ravelin_pki::{
    AuthorityId, Curve, DistinguishedName, Error, KeyAlgorithm, Local, PrivateKey, Request,
    StoreError,
};
use ravelin_types::Identity;
use tokio::sync::mpsc::Sender;

use super::{KeyFileError, ListError, Pki, files, view, wall_clock};

/// Orders that wait.
const MAX_ORDERS: usize = 8;

/// Why an order is not carried out, in one line for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{0}")]
    Pki(#[from] Error),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    List(#[from] ListError),
    #[error("{0}")]
    Keys(#[from] KeyFileError),
    #[error("key pair {0} exists already: clear it first, its certificate goes with it")]
    Exists(String),
    #[error("there is no key pair {0}: generate it, or load it along with its certificate")]
    NoKey(String),
    #[error("there is no CA profile {0} with a certificate: load that first")]
    NoProfile(String),
    #[error("ECDSA has keys of 256, 384 and 521 bits, not of {0}")]
    Curve(u32),
    #[error("{0} certificates are too many: {most} can be sent to a peer", most = ravelin_pki::MAX_CHAIN)]
    Chain(usize),
    #[error("none of the certificates in the file belongs to the private key of {0}")]
    OtherKey(String),
    #[error("`{0}` is not the certificate of a CA")]
    NoAuthority(String),
    #[error("no CA that is known by profile {profile} has issued the list: {last}")]
    NoIssuer {
        profile: String,
        last: ravelin_pki::CrlError,
    },
    #[error("a passphrase is wanted")]
    PassphraseWanted,
}

/// An order, and who is answered by which number.
pub type Job = (PkiOrder, u32, Sender<Envelope<Reply>>);

/// Takes orders.
pub struct Desk {
    orders: SyncSender<Job>,
    pki: Pki,
}

impl Desk {
    /// Starts the thread, which ends with the desk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(pki: Pki) -> io::Result<Self> {
        let (orders, jobs) = sync_channel(MAX_ORDERS);
        let thread = thread::Builder::new().name("iked-pki".to_owned());
        let served = pki.clone();
        thread.spawn(move || serve(&served, &jobs))?;
        Ok(Self { orders, pki })
    }

    /// What the orders are about.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Takes an order, whose answer goes to who asked. False when too many wait.
    pub fn submit(&self, job: Job) -> bool {
        self.orders.try_send(job).is_ok()
    }
}

fn serve(pki: &Pki, jobs: &Receiver<Job>) {
    while let Ok((order, id, answer)) = jobs.recv() {
        let reply = match pki.carry_out(&order) {
            Ok(reply) => DaemonReply::Pki(Box::new(reply)),
            Err(OrderError::PassphraseWanted) => {
                DaemonReply::Pki(Box::new(PkiReply::PassphraseWanted))
            }
            Err(error) => {
                log::info!("{} is refused: {error}", order.summary());
                DaemonReply::Failed(error.to_string())
            }
        };
        let body = Reply::Operator(reply);
        // mgmtd may have gone away meanwhile; nobody waits for the answer then.
        let _ = answer.try_send(Envelope { id, body });
    }
}

impl Pki {
    pub(super) fn carry_out(&self, order: &PkiOrder) -> Result<PkiReply, OrderError> {
        let reply = match order {
            PkiOrder::Generate { name, kind } => self.generate(name, *kind)?,
            PkiOrder::Request {
                name,
                subject,
                names,
            } => self.request(name, subject, names)?,
            PkiOrder::LoadLocal {
                name,
                file,
                key,
                passphrase,
            } => {
                let key = key.as_ref().map(|key| key.expose());
                let found = files::local(file.expose(), key, passphrase.expose())?;
                self.load_local(name, found)?
            }
            PkiOrder::LoadCa { profile, file } => {
                let profile = files::authorities(profile, file)?;
                let subjects = profile.anchors.iter().map(ToString::to_string).collect();
                let name = profile.name.clone();
                self.save_profile(profile, wall_clock())?;
                loaded(PkiObject::CaCertificate, &name, subjects)
            }
            PkiOrder::LoadList { profile, file } => self.load_list(profile, file)?,
            PkiOrder::LoadKeys { name, file } => {
                let count = self.save_keys(name, file.expose())?;
                loaded(PkiObject::Keys, name, vec![format!("{count} keys")])
            }
            PkiOrder::Clear(object, name) => self.clear(*object, name)?,
            PkiOrder::ShowLocals => view::locals(&self.contents(), wall_clock()),
            PkiOrder::ShowAuthorities => view::authorities(&self.contents(), wall_clock()),
            PkiOrder::ShowLists => view::lists(self, wall_clock()),
            PkiOrder::ShowKeys => view::keys(&self.contents()),
        };
        if !order.is_question() {
            log::info!("done: {}", order.summary());
        }
        Ok(reply)
    }

    fn generate(&self, name: &str, kind: KeyKind) -> Result<PkiReply, OrderError> {
        let exists = || OrderError::Exists(name.to_owned());
        // Before the work, and again when it is done.
        if self.local(name).is_some() {
            return Err(exists());
        }
        let algorithm = match kind {
            KeyKind::Rsa(bits) => KeyAlgorithm::Rsa { bits },
            KeyKind::Ecdsa(256) => KeyAlgorithm::Ecdsa(Curve::P256),
            KeyKind::Ecdsa(384) => KeyAlgorithm::Ecdsa(Curve::P384),
            KeyKind::Ecdsa(521) => KeyAlgorithm::Ecdsa(Curve::P521),
            KeyKind::Ecdsa(bits) => return Err(OrderError::Curve(bits)),
            KeyKind::Ed25519 => KeyAlgorithm::Ed25519,
            KeyKind::Ed448 => KeyAlgorithm::Ed448,
        };
        let key = PrivateKey::generate(algorithm)?;
        self.change_local(name, |present| match present {
            Some(_) => Err(exists()),
            None => Ok(Some(Local {
                key,
                certificates: vec![],
            })),
        })?;
        Ok(PkiReply::Generated {
            name: name.to_owned(),
            key: algorithm.to_string(),
        })
    }

    fn request(
        &self,
        name: &str,
        subject: &str,
        names: &[Identity],
    ) -> Result<PkiReply, OrderError> {
        let no_key = || OrderError::NoKey(name.to_owned());
        let local = self.local(name).ok_or_else(no_key)?;
        let request = Request {
            subject: DistinguishedName::from_text(subject)?,
            names: names.to_vec(),
        };
        let pem = request.to_pem(&local.key)?;
        Ok(PkiReply::Request { pem })
    }

    /// A certificate without a key belongs to the one that is there.
    fn load_local(&self, name: &str, found: files::Found) -> Result<PkiReply, OrderError> {
        let files::Found {
            key,
            mut certificates,
        } = found;
        if certificates.len() > ravelin_pki::MAX_CHAIN {
            return Err(OrderError::Chain(certificates.len()));
        }
        let subjects = certificates.iter().map(ToString::to_string).collect();
        self.change_local(name, |present| {
            let key = key.or_else(|| present.map(|present| present.key.clone()));
            let key = key.ok_or_else(|| OrderError::NoKey(name.to_owned()))?;
            // The others are the CAs above it.
            let own = certificates.iter().position(|c| key.belongs_to(c));
            let own = own.ok_or_else(|| OrderError::OtherKey(name.to_owned()))?;
            certificates[..=own].rotate_right(1);
            Ok::<_, OrderError>(Some(Local { key, certificates }))
        })?;
        Ok(loaded(PkiObject::LocalCertificate, name, subjects))
    }

    /// The CA is one of the profile or one below it that a peer has shown.
    fn load_list(&self, profile: &str, file: &[u8]) -> Result<PkiReply, OrderError> {
        let no_profile = || OrderError::NoProfile(profile.to_owned());
        let anchors = &self.profile(profile).ok_or_else(no_profile)?.anchors;
        let der = ravelin_pki::Crl::der_of_file(file)?;
        let mut authorities = anchors.clone();
        authorities.extend(
            self.lists()
                .lists()
                .map(|(_, authority, _)| authority.clone()),
        );
        let mut last = None;
        for authority in &authorities {
            // What another CA has issued is no failure of this one.
            match ravelin_pki::Crl::read(&der, authority, true) {
                Ok(_) => {
                    self.take_list(&AuthorityId::of(authority), &der, wall_clock())?;
                    return Ok(loaded(
                        PkiObject::List,
                        profile,
                        vec![authority.to_string()],
                    ));
                }
                Err(error @ ravelin_pki::CrlError::Issuer { .. }) => {
                    last.get_or_insert(error);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(no_profile, |last| OrderError::NoIssuer {
            profile: profile.to_owned(),
            last,
        }))
    }

    fn clear(&self, object: PkiObject, name: &str) -> Result<PkiReply, OrderError> {
        let mut count = 0;
        match object {
            PkiObject::KeyPair => self.change_local(name, |present| {
                count = present.map_or(0, |_| 1);
                Ok::<_, StoreError>(None)
            })?,
            PkiObject::LocalCertificate => self.change_local(name, |present| {
                let key = present.map(|present| present.key.clone());
                count = present.map_or(0, |present| present.certificates.len().min(1)) as u64;
                let certificates = vec![];
                Ok::<_, StoreError>(key.map(|key| Local { key, certificates }))
            })?,
            PkiObject::CaCertificate => count = u64::from(self.remove_profile(name)?),
            PkiObject::List => count = self.clear_lists(name)?,
            PkiObject::Keys => count = u64::from(self.remove_keys(name)?),
        }
        Ok(PkiReply::Cleared(object, count))
    }

    /// The lists of a profile's CAs, which are wanted anew.
    fn clear_lists(&self, profile: &str) -> Result<u64, OrderError> {
        let no_profile = || OrderError::NoProfile(profile.to_owned());
        let profile = self.profile(profile).ok_or_else(no_profile)?;
        Ok(self.drop_lists(&profile.anchors)?)
    }
}

fn loaded(what: PkiObject, name: &str, subjects: Vec<String>) -> PkiReply {
    PkiReply::Loaded {
        what,
        name: name.to_owned(),
        subjects,
    }
}

#[cfg(test)]
mod tests;

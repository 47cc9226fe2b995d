//! What responders of OCSP say about certificates that peers have shown (RFC 6960), asked by HTTP.
//!
//! No set-up waits for a responder: the status is unknown the first time, the question goes out, and the answer is there when the peer
//! tries again. It is believed as long as it says. A responder that cannot be reached is asked for nobody for a while; one that has no
//! good answer about a certificate is asked again later about that one.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use ravelin_pki::{
    AuthorityId, Certificate, MAX_OCSP_OCTETS, OcspError, OcspRequest, OcspResponse, Status,
    Unknown, WallTime,
};

use super::{Pki, Shared, http, wall_clock};

/// Certificates whose answers are kept; the one that nobody has asked for the longest time gives way.
const MAX_ANSWERS: usize = 8_192;
/// Questions that wait; more are asked when the peer tries again.
const MAX_QUESTIONS: usize = 64;
/// Questions under way.
const PARALLEL: usize = 4;
/// Responders that are known to be away.
const MAX_AWAY: usize = 256;
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Pauses after a failure.
const RETRY_S: i64 = 5;
const RETRY_MOST_S: i64 = 300;

/// The responder of a CA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Responder {
    /// From the configuration; else the certificate names it.
    pub url: Option<String>,
    /// Ask without a nonce: it prepares its answers.
    pub no_nonce: bool,
}

/// A certificate of ours that has an OCSP responder.
#[derive(Debug, Clone)]
pub struct Subject {
    /// It.
    pub certificate: Certificate,
    /// Whose certificate.
    pub issuer: Certificate,
    /// Who is asked.
    pub responder: Responder,
}

/// The issuer of a certificate, and its serial number.
type Key = (AuthorityId, Vec<u8>);

#[derive(Default)]
pub(super) struct Answers {
    tables: Mutex<Tables>,
    questions: OnceLock<SyncSender<Question>>,
}

#[derive(Default)]
struct Tables {
    answers: BTreeMap<Key, Answer>,
    /// By URL.
    away: BTreeMap<String, Pause>,
}

struct Answer {
    response: Option<OcspResponse>,
    /// As it came, if it is about a certificate of ours: peers want it.
    der: Option<Vec<u8>>,
    pause: Pause,
    used: WallTime,
}

/// What an answer is wanted for.
#[derive(Clone, Copy)]
struct Wanted {
    /// The answer itself.
    der: bool,
    /// What can be forged says nothing.
    strong: bool,
}

/// How often it went wrong, and until when nobody tries again.
#[derive(Clone, Copy)]
struct Pause {
    failures: u32,
    until: WallTime,
}

struct Question {
    certificate: Certificate,
    issuer: Certificate,
    url: String,
    no_nonce: bool,
    /// The answer itself is wanted.
    keep: bool,
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0}")]
    Http(#[from] http::HttpError),
    #[error("{0}")]
    Own(#[from] ravelin_pki::Error),
    #[error("{0}")]
    Answer(#[from] OcspError),
}

impl Pause {
    const NONE: Pause = Pause {
        failures: 0,
        until: WallTime(i64::MIN),
    };

    fn failed(&mut self, now: WallTime) {
        let pause = RETRY_S << self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        self.until = WallTime(now.0.saturating_add(pause.min(RETRY_MOST_S)));
    }
}

impl Question {
    fn key(&self) -> Key {
        key(&self.certificate, &self.issuer)
    }

    fn ask(&self) -> Result<(OcspResponse, Vec<u8>), AskError> {
        let (question, nonce) = if self.no_nonce {
            (OcspRequest::plain(&self.certificate, &self.issuer)?, None)
        } else {
            let request = OcspRequest::new(&self.certificate, &self.issuer)?;
            (request.der, Some(request.nonce))
        };
        let body = http::Body {
            media_type: "application/ocsp-request",
            octets: &question,
        };
        let answer = http::fetch(&self.url, Some(body), MAX_OCSP_OCTETS, TIME_LIMIT)?;
        let now = wall_clock();
        let response = OcspResponse::read(&answer, &self.issuer, nonce.as_deref(), now, true)?;
        Ok((response, answer))
    }
}

fn key(certificate: &Certificate, issuer: &Certificate) -> Key {
    (AuthorityId::of(issuer), certificate.serial().to_vec())
}

impl Answers {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where questions are taken from; nothing but once.
    fn questions(&self) -> Option<Receiver<Question>> {
        let (questions, asked) = sync_channel(MAX_QUESTIONS);
        self.questions.set(questions).ok().map(|()| asked)
    }
}

impl Tables {
    fn answer(&mut self, key: Key, now: WallTime) -> &mut Answer {
        if self.answers.len() >= MAX_ANSWERS && !self.answers.contains_key(&key) {
            let oldest = self.answers.iter().min_by_key(|(_, answer)| answer.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.answers.remove(&oldest);
            }
        }
        let answer = self.answers.entry(key).or_insert(Answer {
            response: None,
            der: None,
            pause: Pause::NONE,
            used: now,
        });
        answer.used = now;
        answer
    }
}

/// Starts the thread that asks, which ends with the last handle on what is shared.
pub(super) fn start(pki: &Pki) -> io::Result<()> {
    let Some(questions) = pki.0.answers.questions() else {
        return Ok(());
    };
    let shared = std::sync::Arc::downgrade(&pki.0);
    let thread = thread::Builder::new().name("iked-ocsp".to_owned());
    thread.spawn(move || run(&shared, &questions))?;
    Ok(())
}

fn run(shared: &Weak<Shared>, questions: &Receiver<Question>) {
    while let Ok(first) = questions.recv() {
        let more = std::iter::from_fn(|| questions.try_recv().ok());
        let some: Vec<Question> = [first].into_iter().chain(more).take(PARALLEL).collect();
        let Some(pki) = shared.upgrade().map(Pki) else {
            return;
        };
        thread::scope(|scope| {
            for question in &some {
                let thread = thread::Builder::new().name("iked-ocsp-ask".to_owned());
                let spawned = thread.spawn_scoped(scope, || pki.ask(question));
                if spawned.is_err() {
                    pki.ask(question);
                }
            }
        });
    }
}

impl Pki {
    /// What the responder says about a certificate that `issuer` has issued; with a weak signature for those who allow it. When that is
    /// not known, it is asked.
    pub fn ocsp_status(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        responder: &Responder,
        now: WallTime,
        allow_weak: bool,
    ) -> Status {
        let wanted = Wanted {
            der: false,
            strong: !allow_weak,
        };
        self.look_up((certificate, issuer), responder, wanted, now)
            .0
    }

    /// A response that says that a certificate of ours is good, for peers that want one. When there is none, it is asked for, without
    /// a nonce: that would be ours and not theirs.
    pub fn stapled(&self, subject: &Subject, now: WallTime) -> Option<Vec<u8>> {
        let responder = Responder {
            no_nonce: true,
            ..subject.responder.clone()
        };
        let ours = (&subject.certificate, &subject.issuer);
        // Whether a weak one will do is for the peer to say.
        let wanted = Wanted {
            der: true,
            strong: false,
        };
        match self.look_up(ours, &responder, wanted, now) {
            (Status::Good, der) => der,
            _ => None,
        }
    }

    fn look_up(
        &self,
        (certificate, issuer): (&Certificate, &Certificate),
        responder: &Responder,
        wanted: Wanted,
        now: WallTime,
    ) -> (Status, Option<Vec<u8>>) {
        let nothing = Status::Unknown(Unknown::Nothing);
        let named = certificate.ocsp_urls().first();
        let Some(url) = responder.url.as_ref().or(named) else {
            return (nothing, None);
        };
        let mut tables = self.0.answers.tables();
        let away = tables.away.get(url).is_some_and(|away| away.until > now);
        let answer = tables.answer(key(certificate, issuer), now);
        let known = answer.response.as_ref();
        let status = match known {
            Some(known) if known.is_weak() && wanted.strong => Status::Unknown(Unknown::Weak),
            Some(known) => known.status(certificate, issuer, now),
            None => nothing,
        };
        let keep = wanted.der;
        let lacks = matches!(status, Status::Unknown(_)) || keep && answer.der.is_none();
        let wanted = lacks && answer.pause.until <= now && !away;
        if let Some(questions) = self.0.answers.questions.get().filter(|_| wanted) {
            let question = Question {
                certificate: certificate.clone(),
                issuer: issuer.clone(),
                url: url.clone(),
                no_nonce: responder.no_nonce,
                keep,
            };
            if questions.try_send(question).is_ok() {
                // Under way.
                answer.pause.until = WallTime(now.0.saturating_add(RETRY_MOST_S));
            }
        }
        (status, answer.der.clone().filter(|_| keep))
    }

    fn ask(&self, question: &Question) {
        let asked = question.ask();
        let now = wall_clock();
        let mut tables = self.0.answers.tables();
        let url = &question.url;
        if let Err(error) = &asked {
            log::warn!("OCSP of `{}`: {url}: {error}", question.issuer);
        }
        if let Err(AskError::Http(_)) = &asked {
            if tables.away.len() < MAX_AWAY || tables.away.contains_key(url) {
                let away = tables.away.entry(url.clone()).or_insert(Pause::NONE);
                away.failed(now);
            }
        } else {
            tables.away.remove(url);
        }
        let answer = tables.answer(question.key(), now);
        let status =
            |known: &OcspResponse| known.status(&question.certificate, &question.issuer, now);
        let tells = |known: &OcspResponse| !matches!(status(known), Status::Unknown(_));
        let strong = (answer.response.as_ref()).is_some_and(|held| !held.is_weak() && tells(held));
        match asked {
            Ok((response, der)) if tells(&response) => {
                // Who must have a strong one asks again; none is given up for a weak one.
                match response.is_weak() {
                    true => answer.pause.failed(now),
                    false => answer.pause = Pause::NONE,
                }
                if !response.is_weak() || !strong {
                    answer.response = Some(response);
                    answer.der = question.keep.then_some(der);
                }
            }
            // What says nothing about it takes nothing away.
            _ => answer.pause.failed(now),
        }
    }
}

#[cfg(test)]
mod tests;

//! Journal records: a session whole, one side of one of its windows, or the endpoint's id ceiling; versioned.
//!
//! A probe for liveness, ours or the peer's, changes one side of one window and nothing else. With thousands of idle peers that is
//! all that happens, so only that is written then, behind the session's last whole record.
//!
//! A record holds keys. It is written to memory that is wiped, and only there. Times in it are those of the machine's
//! boot clock; a record is taken up on the machine that wrote it, or after its times were moved by whoever carried it.

use ravelin_crypto::{DhPrivate, Zeroizing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::session::{IvCounter, Session};
use crate::window::{Cached, Half, Outstanding, Side};

const VERSION: u8 = 14;
const KIND_ENDPOINT: u8 = 0;
const KIND_SESSION: u8 = 1;
const KIND_STEP: u8 = 2;

/// A record that cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by another version.
    #[error("record version {0} is not known")]
    Version(u8),
    /// Not what was written.
    #[error("malformed record: {0}")]
    Malformed(#[from] postcard::Error),
    /// Neither session nor endpoint.
    #[error("unknown or empty record")]
    Kind,
    /// One side of a window, and no session or IKE SA that it belongs to.
    #[error("a step of an IKE SA that is not there")]
    Step,
}

pub(crate) enum Stored {
    Endpoint { id_ceiling: u64 },
    Session(Box<Session>),
    Step(Step<Half<Option<Outstanding>, Option<Cached>>>),
}

/// One exchange more on an IKE SA. With the IV counter, so that no record leaves out an IV that was used.
#[derive(Serialize, Deserialize)]
pub(crate) struct Step<H> {
    ike: u64,
    iv: IvCounter,
    half: H,
}

pub(crate) fn encode_endpoint(id_ceiling: u64) -> Vec<u8> {
    let mut out = vec![VERSION, KIND_ENDPOINT];
    out.extend_from_slice(&id_ceiling.to_be_bytes());
    out
}

pub(crate) fn encode_session(session: &Session) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    encode(KIND_SESSION, session)
}

/// `side` of the window of an IKE SA of `session`.
pub(crate) fn encode_step(
    session: &Session,
    ike: u64,
    side: Side,
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let sa = session.ike(ike).ok_or(RecordError::Step)?;
    let step = Step {
        ike,
        iv: sa.iv,
        half: sa.window.half(side),
    };
    encode(KIND_STEP, &step)
}

fn encode(kind: u8, value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let size = postcard::experimental::serialized_size(value)?;
    // Sized beforehand, so that growing does not leave copies of keys behind.
    let mut out = Vec::with_capacity(2 + size);
    out.extend_from_slice(&[VERSION, kind]);
    Ok(Zeroizing::new(postcard::to_extend(value, out)?))
}

/// What the records of one subject, in their order, amount to.
pub(crate) fn decode_all<R: AsRef<[u8]>>(records: &[R]) -> Result<Stored, RecordError> {
    let (first, steps) = records.split_first().ok_or(RecordError::Kind)?;
    let mut stored = decode(first.as_ref())?;
    for record in steps {
        match (&mut stored, decode(record.as_ref())?) {
            (Stored::Session(session), Stored::Step(step)) => {
                let sa = session.ike_mut(step.ike).map_err(|_| RecordError::Step)?;
                sa.iv = step.iv;
                sa.window.set_half(step.half);
                session.volatile.steps += 1;
            }
            _ => return Err(RecordError::Step),
        }
    }
    match stored {
        Stored::Step(_) => Err(RecordError::Step),
        whole => Ok(whole),
    }
}

fn decode(record: &[u8]) -> Result<Stored, RecordError> {
    let [version, kind, body @ ..] = record else {
        return Err(RecordError::Kind);
    };
    // Every version reads this one: planed may still have pairs of sessions that this version cannot read.
    if *kind == KIND_ENDPOINT {
        return decode_endpoint(body).ok_or(RecordError::Kind);
    }
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    match *kind {
        KIND_SESSION => Ok(Stored::Session(Box::new(postcard::from_bytes(body)?))),
        KIND_STEP => Ok(Stored::Step(postcard::from_bytes(body)?)),
        _ => Err(RecordError::Kind),
    }
}

fn decode_endpoint(body: &[u8]) -> Option<Stored> {
    Some(Stored::Endpoint {
        id_ceiling: u64::from_be_bytes(*body.first_chunk()?),
    })
}

/// A key pair under way, in the form that records store.
#[derive(Clone)]
pub(crate) struct StoredDh(pub(crate) DhPrivate);

impl Serialize for StoredDh {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.to_bytes().as_bytes())
    }
}

impl<'de> Deserialize<'de> for StoredDh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(Vec::<u8>::deserialize(deserializer)?);
        DhPrivate::from_bytes(&bytes)
            .map(StoredDh)
            .map_err(serde::de::Error::custom)
    }
}

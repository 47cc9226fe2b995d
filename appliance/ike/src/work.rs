//! Computations that run on the daemon's thread pool: key exchanges, signatures and their verification.
//!
//! The endpoint hands out a [`Work`]; the daemon calls [`Job::run`] anywhere and returns the [`WorkResult`] with
//! [`crate::Endpoint::complete`]. The SA may be gone by then; the result is dropped with a counted reason.

use ravelin_crypto::{DhPrivate, Error, Secret};
use ravelin_types::DhGroup;

use crate::authority::{Authority, Denial, SignRequest, Signature, VerifyRequest};

/// Jobs handed out and not completed; more are refused, so that a flood cannot grow the pool's queue.
pub const MAX_WORK: usize = 4096;
/// Of these, jobs that only authenticated peers may take, so that a flood of first messages does not stop rekeys.
pub const RESERVED_WORK: usize = 1024;

/// Names a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkId(pub u64);

/// A job and its name.
#[derive(Debug)]
pub struct Work {
    /// For [`crate::Endpoint::complete`].
    pub id: WorkId,
    /// Jobs of established SAs go before those of unauthenticated peers.
    pub urgent: bool,
    /// What to do.
    pub job: Job,
}

/// A computation.
#[derive(Debug)]
pub enum Job {
    /// A fresh key pair.
    Generate(DhGroup),
    /// The shared secret of a pair of ours and the peer's value.
    Agree(DhPrivate, Vec<u8>),
    /// Both for the responder.
    GenerateAndAgree(DhGroup, Vec<u8>),
    /// A signature of ours.
    Sign(Box<SignRequest>),
    /// The peer's certificate and signature.
    Verify(Box<VerifyRequest>),
}

/// What came of it.
#[derive(Debug)]
pub struct WorkResult(pub(crate) Result<Outcome, Error>);

#[derive(Debug)]
pub(crate) enum Outcome {
    Generated(DhPrivate),
    Agreed(Secret),
    Answered { public: Vec<u8>, shared: Secret },
    Signed(Result<Signature, Denial>),
    Verified(Result<(), Denial>),
}

impl Job {
    /// Computes; takes from tens of microseconds to milliseconds, and as long as the authority takes.
    pub fn run(self, authority: &dyn Authority) -> WorkResult {
        WorkResult(match self {
            Job::Generate(group) => DhPrivate::generate(group).map(Outcome::Generated),
            Job::Agree(private, public) => private.agree(&public).map(Outcome::Agreed),
            Job::GenerateAndAgree(group, peer) => DhPrivate::answer(group, &peer)
                .map(|(public, shared)| Outcome::Answered { public, shared }),
            Job::Sign(request) => Ok(Outcome::Signed(authority.sign(&request))),
            Job::Verify(request) => Ok(Outcome::Verified(authority.verify(&request))),
        })
    }
}

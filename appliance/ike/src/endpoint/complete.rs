//! Results of jobs.

use ravelin_crypto::Error;
use ravelin_types::Time;

use super::Endpoint;
use crate::environment::Environment;
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::outbox::{Ctx, Pending};
use crate::sa::{Continuation, auth, child, established, followup, init, intermediate, rekey};
use crate::session::Session;
use crate::stats::Discard;
use crate::work::{Outcome, WorkId, WorkResult};

impl<E: Environment> Endpoint<E> {
    /// Takes the result of a job. The session may be gone by now.
    pub fn complete(&mut self, now: Time, id: WorkId, result: WorkResult) {
        let Some(Pending { session, ike, then }) = self.out.jobs.remove(&id) else {
            return self.stats.discard(Discard::StaleWork);
        };
        let step = |ctx: &mut Ctx<'_>, session: &mut Session| match result.0 {
            Ok(outcome) => go_on(ctx, session, ike, then, outcome),
            Err(error) => stop(ctx, session, ike, then, error),
        };
        if !self.with_session(now, session, step) {
            self.stats.discard(Discard::StaleWork);
        }
    }
}

fn go_on(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    then: Continuation,
    outcome: Outcome,
) -> Result<(), Fault> {
    match (then, outcome) {
        (Continuation::InitStart, Outcome::Generated(dh)) => init::send(ctx, session, ike, dh),
        (Continuation::InitAgree(reply), Outcome::Agreed(shared)) => {
            init::agreed(ctx, session, ike, *reply, &shared)
        }
        (Continuation::InitAnswer(answer), Outcome::Answered { public, shared }) => {
            init::answer(ctx, session, ike, *answer, public, &shared)
        }
        (Continuation::IntermediateStart(agreed), Outcome::Generated(dh)) => {
            intermediate::send(ctx, session, ike, *agreed, dh)
        }
        (Continuation::IntermediateAgree(reply), Outcome::Agreed(shared)) => {
            intermediate::agreed(ctx, session, ike, *reply, shared)
        }
        (Continuation::IntermediateAnswer(answer), Outcome::Answered { public, shared }) => {
            intermediate::answer(ctx, session, ike, *answer, public, shared)
        }
        (Continuation::AuthSign(signing), Outcome::Signed(result)) => {
            auth::initiator::signed(ctx, session, ike, *signing, result)
        }
        (Continuation::AuthVerify(verifying), Outcome::Verified(result)) => {
            auth::initiator::verified(ctx, session, ike, *verifying, result)
        }
        (Continuation::AuthAnswerVerify(claim), Outcome::Verified(result)) => {
            auth::responder::verified(ctx, session, ike, *claim, result)
        }
        (Continuation::AuthAnswerSign(claim), Outcome::Signed(result)) => {
            auth::responder::signed(ctx, session, ike, *claim, result)
        }
        (Continuation::ChildStart(task), Outcome::Generated(dh)) => {
            if !ready(session, ike, &task)? {
                return Ok(());
            }
            child::start::send(ctx, session, ike, &task, Some(dh))
        }
        (Continuation::ChildAgree(reply), Outcome::Agreed(shared)) => {
            child::start::agreed(ctx, session, ike, *reply, shared)
        }
        (Continuation::ChildAnswer(answer), Outcome::Answered { public, shared }) => {
            child::answer::complete(ctx, session, ike, *answer, Some((public, shared)))
        }
        (Continuation::IkeStart, Outcome::Generated(dh)) => {
            if !ready(session, ike, &crate::sa::Task::RekeyIke)? {
                return Ok(());
            }
            rekey::start::send(ctx, session, ike, dh)
        }
        (Continuation::IkeAgree(reply), Outcome::Agreed(shared)) => {
            rekey::start::agreed(ctx, session, ike, *reply, shared)
        }
        (Continuation::IkeAnswer(answer), Outcome::Answered { public, shared }) => {
            rekey::answer::complete(ctx, session, ike, *answer, public, shared)
        }
        (Continuation::FollowupStart(start), Outcome::Generated(dh)) => {
            followup::send(ctx, session, ike, *start, dh)
        }
        (Continuation::FollowupAgree(reply), Outcome::Agreed(shared)) => {
            followup::agreed(ctx, session, ike, *reply, &shared)
        }
        (Continuation::FollowupAnswer(incoming), Outcome::Answered { public, shared }) => {
            followup::answer(ctx, session, ike, &incoming, public, &shared)
        }
        _ => Err(Fault::Discard(Discard::StaleWork)),
    }
}

/// True when the task that wanted the key pair is still to be done on this IKE SA.
fn ready(session: &mut Session, ike: u64, task: &crate::sa::Task) -> Result<bool, Fault> {
    let current = session.current == ike && session.closing.is_none();
    let queued = session.tasks.iter().any(|w| w.task == *task);
    let sa = session.ike_mut(ike)?;
    sa.preparing = None;
    Ok(current && queued && sa.is_established() && sa.window.is_idle())
}

/// A primitive refused: the peer's value is wrong, or ours failed.
fn stop(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    then: Continuation,
    error: Error,
) -> Result<(), Fault> {
    let reason = Reason::Crypto(error.clone());
    let remote = session.path.remote;
    match then {
        Continuation::InitStart | Continuation::InitAgree(_) => init::give_up(ctx, session, reason),
        Continuation::IntermediateStart(_) | Continuation::IntermediateAgree(_) => {
            intermediate::give_up(ctx, session, reason)
        }
        Continuation::IntermediateAnswer(answer) => {
            intermediate::refused(ctx, session, ike, &answer, error)
        }
        Continuation::FollowupAnswer(incoming) => {
            followup::refused(ctx, session, ike, &incoming, error)
        }
        Continuation::InitAnswer(_) => {
            ctx.failure(session, remote, Stage::Init, reason);
            session.end(DownReason::SetupFailed);
            Ok(())
        }
        Continuation::ChildAnswer(answer) => {
            established::syntax(ctx, session, ike, answer.incoming(), reason)
        }
        Continuation::IkeAnswer(answer) => {
            established::syntax(ctx, session, ike, answer.incoming(), reason)
        }
        // Signatures fail by a denial, which their continuations take.
        Continuation::AuthSign(_)
        | Continuation::AuthVerify(_)
        | Continuation::AuthAnswerVerify(_)
        | Continuation::AuthAnswerSign(_)
        | Continuation::ChildStart(_)
        | Continuation::FollowupStart(_)
        | Continuation::IkeStart => Err(Fault::Crypto(error)),
        Continuation::ChildAgree(_)
        | Continuation::IkeAgree(_)
        | Continuation::FollowupAgree(_) => {
            ctx.failure(session, remote, Stage::Child, reason);
            session.end(DownReason::Protocol);
            Ok(())
        }
    }
}

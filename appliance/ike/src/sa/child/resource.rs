//! Child SAs per resource (RFC 9611), as responder: a peer makes several with the same traffic selectors, as one for each of its CPUs,
//! and says so by SA_RESOURCE_INFO.
//!
//! Each of them takes what the peer sends on it. We encrypt with the newest, whose place the one before it takes when it goes. That a
//! child is bound to a resource of the peer's outlives its rekeys.

use crate::error::{Reason, Stage};
use crate::msg::Payload;
use crate::msg::notify::{Notify, kind};
use crate::sa::{Parts, Refusal};
use crate::session::{Child, ChildState, Session};
use crate::text::opaque_text;

use super::Agreed;

/// Live child SAs of one IKE SA with the same selectors: the CPUs of a large peer; a session's [`crate::session::MAX_CHILDREN`] has room
/// for their rekeys and for other selectors.
pub const MAX_EQUAL_CHILDREN: usize = 16;

/// Octets that are kept of an identifier, which is for operators alone.
const MAX_RESOURCE_OCTETS: usize = 64;

/// What a request says of the resource; without an identifier it is empty.
pub(crate) fn of(parts: &Parts<'_>) -> Option<Box<[u8]>> {
    let notify = parts.notify(kind::SA_RESOURCE_INFO)?;
    let kept = notify.data.get(..MAX_RESOURCE_OCTETS);
    Some(kept.unwrap_or(&notify.data).into())
}

/// A resource in words.
pub(crate) fn text(resource: &[u8]) -> String {
    match resource {
        [] => "not named".to_owned(),
        named => opaque_text(named),
    }
}

/// SA_RESOURCE_INFO of ours. We bind no child to a resource, so it names none.
pub(crate) fn notify() -> Payload {
    Payload::Notify(Notify::new(kind::SA_RESOURCE_INFO, &[]))
}

/// Whether there may be one more: else TS_MAX_QUEUE, "the peer is unwilling to create more additional Child SAs for this particular
/// negotiated Traffic Selector combination". What a peer that does not know of this RFC makes twice is bounded by the session alone.
pub(crate) fn admit(session: &Session, agreed: &Agreed) -> Result<(), Refusal> {
    let equal = |child: &&Child| {
        child.state == ChildState::Live
            && child.vpn == agreed.vpn
            && child.local_ts == agreed.narrowed.local
            && child.remote_ts == agreed.narrowed.remote
    };
    let count = session.children.iter().filter(equal).count();
    if agreed.resource.is_none() || count < MAX_EQUAL_CHILDREN {
        return Ok(());
    }
    let reason = Reason::TooManyEqual(count);
    Err(Refusal::new(Stage::Child, kind::TS_MAX_QUEUE, reason))
}

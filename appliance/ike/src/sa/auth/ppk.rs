//! Post-quantum pre-shared keys in IKE_AUTH (RFC 8784 section 3).
//!
//! ```text
//!  IKE_SA_INIT  N(USE_PPK) ->                              <- N(USE_PPK)
//!  IKE_AUTH     AUTH', N(PPK_IDENTITY, id) [N(NO_PPK_AUTH)] ->
//!                                                          <- AUTH', N(PPK_IDENTITY)    the responder has that key
//!                                                          <- AUTH                      it goes by NO_PPK_AUTH
//! ```
//!
//! AUTH' is made with SK_pi and SK_pr that the key is mixed into. NO_PPK_AUTH, the proof without, is only sent when the initiator may
//! do without. IKE_INTERMEDIATE comes before and is under the keys without it.

use std::borrow::Cow;

use ravelin_types::Prf;

use crate::config::{Gateway, Ppk};
use crate::error::{Fault, Reason, list_text};
use crate::keymat::IkeKeys;
use crate::msg::Payload;
use crate::msg::auth::Auth;
use crate::msg::notify::{Notify, kind};
use crate::sa::Parts;
use crate::text::opaque_text;

/// RFC 8784 section 5.1: the identifier is these octets, known to both.
const PPK_ID_FIXED: u8 = 2;

/// RFC 8784 section 3: an initiator that has post-quantum pre-shared keys says so, and a responder that has any to one that did.
pub(crate) fn supported() -> Payload {
    Payload::Notify(Notify::new(kind::USE_PPK, &[]))
}

/// PPK_IDENTITY of a request.
pub(super) fn identity(id: &[u8]) -> Notify {
    Notify::new(kind::PPK_IDENTITY, &[&[PPK_ID_FIXED], id].concat())
}

/// PPK_IDENTITY of a response, without data: the key was used.
pub(super) fn used() -> Notify {
    Notify::new(kind::PPK_IDENTITY, &[])
}

/// Keys of an IKE SA that a post-quantum pre-shared key is mixed into.
pub(super) struct Mixed {
    pub(super) id: Vec<u8>,
    pub(super) keys: IkeKeys,
}

impl Mixed {
    pub(super) fn of(keys: &IkeKeys, alg: Prf, ppk: &Ppk) -> Result<Mixed, Fault> {
        Ok(Mixed {
            id: ppk.id.clone(),
            keys: keys.with_ppk(alg, &ppk.key)?,
        })
    }
}

/// Whether this gateway does without what was not agreed on in IKE_SA_INIT.
pub(crate) fn agreed(gateway: &Gateway, use_ppk: bool) -> Result<(), Reason> {
    if gateway.ppks.required && !use_ppk {
        return Err(Reason::NoPpk {
            gateway: gateway.name.clone(),
        });
    }
    Ok(())
}

/// What the responder judges a request by.
pub(super) struct Chosen<'a> {
    pub(super) ppk: Option<&'a Ppk>,
    /// The proof that goes with it, or without.
    pub(super) auth: Cow<'a, Auth>,
    /// The proof without, if the peer sent it beside that.
    pub(super) plain: Option<Auth>,
}

/// RFC 8784 section 3, what a responder does:
///
/// | has the key | NO_PPK_AUTH | requires one | |
/// |---|---|---|---|
/// | yes | any | any | goes on with it |
/// | no | yes | no | goes on without |
/// | no | yes | yes | refuses |
/// | no | no | any | refuses |
///
/// A peer that names none has its proof without: it is refused by who requires one.
pub(super) fn choose<'a>(
    gateway: &'a Gateway,
    use_ppk: bool,
    parts: &Parts<'a>,
    auth: &'a Auth,
) -> Result<Chosen<'a>, Reason> {
    let named = parts.notify(kind::PPK_IDENTITY).filter(|_| use_ppk);
    agreed(gateway, named.is_some())?;
    let without = named.and_then(|_| parts.notify(kind::NO_PPK_AUTH));
    let without = without.map(|notify| Auth {
        method: auth.method,
        data: notify.data.clone(),
    });
    let Some(named) = named else {
        return Ok(Chosen {
            ppk: None,
            auth: Cow::Borrowed(auth),
            plain: None,
        });
    };
    let ppk = match named.data.split_first() {
        Some((&PPK_ID_FIXED, id)) => gateway.ppks.find(id),
        _ => None,
    };
    match (ppk, without) {
        (Some(_), plain) => Ok(Chosen {
            ppk,
            auth: Cow::Borrowed(auth),
            plain,
        }),
        (None, Some(without)) if !gateway.ppks.required => Ok(Chosen {
            ppk: None,
            auth: Cow::Owned(without),
            plain: None,
        }),
        _ => Err(unknown(gateway, &named.data)),
    }
}

fn unknown(gateway: &Gateway, named: &[u8]) -> Reason {
    let ids = gateway.ppks.keys.iter().map(|ppk| opaque_text(&ppk.id));
    let ids: Vec<_> = ids.collect();
    Reason::UnknownPpk {
        offered: match named.split_first() {
            Some((&PPK_ID_FIXED, id)) => opaque_text(id),
            Some((kind, _)) => format!("type {kind}"),
            None => "nothing".to_owned(),
        },
        accepted: match ids.is_empty() {
            true => "none".to_owned(),
            false => list_text(&ids),
        },
    }
}

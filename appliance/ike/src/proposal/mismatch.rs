//! What was missing when no proposal fits.

use super::{may_lack, of};
use crate::error::list_text;
use crate::msg::sa::{Proposal, Transform, transform};
use crate::registry::{transform_name, type_name};

/// No proposal fits: the transform, what they offered, what we accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: offered {offered}; accepted {accepted}")]
pub struct Mismatch {
    /// The transform type, or that only the combination is missing.
    pub what: &'static str,
    /// What the peer offered.
    pub offered: String,
    /// What the configuration accepts.
    pub accepted: String,
}

/// Finds the first transform type without a common choice.
pub(super) fn explain(
    offered: &[&Proposal],
    accepted: &[Vec<Transform>],
    extra: &[u8],
) -> Mismatch {
    let kinds = [transform::ENCR, transform::INTEG, transform::PRF]
        .into_iter()
        .chain(extra.iter().copied());
    for kind in kinds {
        let ours = distinct(accepted.iter().flatten().filter(|t| t.kind == kind));
        let theirs = distinct(offered.iter().flat_map(|p| of(p, kind)));
        let lacking = accepted
            .iter()
            .any(|set| set.iter().all(|t| t.kind != kind));
        let theirs_lack = offered.iter().any(|p| may_lack(p, kind));
        let common = ours.iter().any(|t| theirs.contains(t)) || (lacking && theirs_lack);
        let moot = ours.is_empty() && theirs.is_empty();
        if !common && !moot {
            let or_none = |list: Vec<String>| {
                if list.is_empty() {
                    "none".to_owned()
                } else {
                    list_text(&list)
                }
            };
            return Mismatch {
                what: type_name(kind),
                offered: or_none(theirs),
                accepted: or_none(ours),
            };
        }
    }
    let whole = |set: &[Transform]| set.iter().map(transform_name).collect::<Vec<_>>().join("/");
    let offered: Vec<_> = offered.iter().map(|p| whole(&p.transforms)).collect();
    let accepted: Vec<_> = accepted.iter().map(|set| whole(set)).collect();
    let none = if offered.is_empty() {
        "no proposal of this protocol".to_owned()
    } else {
        list_text(&offered)
    };
    Mismatch {
        what: "combination",
        offered: none,
        accepted: list_text(&accepted),
    }
}

fn distinct<'a>(transforms: impl Iterator<Item = &'a Transform>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in transforms.map(transform_name) {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

//! mgmtd hands configuration to planed and iked and asks them what the operator wants to know.
//!
//! A commit has two phases (design decision D12): every daemon prepares its part, then all apply or all abort.

use crate::{ike, operator, plane};
use ravelin_types::Generation;
use serde::{Deserialize, Serialize};

/// mgmtd to a daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Check this part and hold it; answered by [`Reply::Prepared`].
    Prepare {
        /// Its generation.
        generation: Generation,
        /// The daemon's part.
        part: Part,
    },
    /// Run what was prepared; answered by [`Reply::Applied`].
    Apply(Generation),
    /// Forget what was prepared.
    Abort(Generation),
    /// An operator's question or order; answered by [`Reply::Operator`].
    Operator(operator::DaemonQuery),
}

/// A daemon's part of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// For planed.
    Plane(plane::PlaneConfig),
    /// For iked.
    Ike(ike::IkeConfig),
}

/// A daemon to mgmtd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The part can be applied, or why not (naming the statement's object).
    Prepared(Result<(), String>),
    /// This generation runs, or why not.
    Applied(Result<Generation, String>),
    /// The operator's answer.
    Operator(operator::DaemonReply),
}

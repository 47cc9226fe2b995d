//! Why the demo's verdict is bad.

use thiserror::Error;

/// What is wrong, gravest first: the first one found is the reason of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A packet crossed the outer link outside a tunnel.
    Clear,
    /// The gateway used an explicit IV or a sequence number of an SA twice.
    Nonce,
    /// A packet that was sent again got through.
    Replay,
    /// A packet outside the selectors of its SA got through, or was sent.
    Selector,
    /// The route of a tunnel is missing while it is up, or traffic follows one that is gone.
    Route,
    /// A packet went in and did not come out.
    Loss,
    /// Something that had to be provoked did not happen, so that nothing is proven.
    Unproven,
    /// The gateway's counters differ from what the links saw.
    Counters,
    /// Every packet is accounted for, and yet a transfer was incomplete.
    Traffic,
}

/// What `--break` can make the gateway do.
pub const BREAKS: [Reason; 6] = [
    Reason::Clear,
    Reason::Replay,
    Reason::Nonce,
    Reason::Selector,
    Reason::Route,
    Reason::Loss,
];

/// There is no such fault.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("nothing can be broken by the name `{name}`; expected one of {names}", names = names())]
pub struct UnknownBreak {
    name: String,
}

fn names() -> String {
    BREAKS.map(Reason::name).join(", ")
}

impl Reason {
    /// Its word in the demo's last line.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Clear => "clear",
            Reason::Nonce => "nonce",
            Reason::Replay => "replay",
            Reason::Selector => "selector",
            Reason::Route => "route",
            Reason::Loss => "loss",
            Reason::Unproven => "unproven",
            Reason::Counters => "counters",
            Reason::Traffic => "traffic",
        }
    }

    /// The fault that `--break` calls so.
    ///
    /// # Errors
    /// Lists the names.
    pub fn of_break(name: &str) -> Result<Self, UnknownBreak> {
        let found = BREAKS.into_iter().find(|reason| reason.name() == name);
        found.ok_or_else(|| UnknownBreak {
            name: name.to_owned(),
        })
    }
}

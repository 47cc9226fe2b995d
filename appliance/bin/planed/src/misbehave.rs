//! Faults on purpose, one per run: what the demo's checker must find. Not part of the product.
//!
//! Only the package `ravelin-misbehave` compiles this file, into `ravelin-planed-misbehaving`; `RAVELIN_MISBEHAVE` names the fault.
//! The faults sit in two seams that exist anyway, the crypto engine of a worker and the requests of iked, so that the pipeline
//! under them is the product's own.
//!
//! | fault | what this planed does |
//! |---|---|
//! | `clear` | sends every [`PERIOD`]th downlink packet without ESP |
//! | `nonce` | gives every [`PERIOD`]th packet the explicit IV of the one before |
//! | `loss` | forgets every [`PERIOD`]th packet between the sequence number and the cipher, where no counter sees it |
//! | `replay` | installs SAs without a replay window |
//! | `selector` | installs SAs whose local selectors cover everything |
//! | `route` | keeps the SAs that iked deletes, with the selector routes that lead into them |

use std::sync::OnceLock;

use ravelin_ctl::sa::{Request, SaPair};
use ravelin_dataplane::engine;
use ravelin_esp::{
    CryptoEngine, CryptoOp, Direction, KeyError, KeyId, Keys, OpStatus, PacketBuf, SALT_OCTETS,
};
use ravelin_types::{EspTransform, TrafficSelector};

/// One outbound packet of so many is mistreated: several in any run of the demo, few enough for TCP to get along.
const PERIOD: u64 = 50;
/// Octets of the explicit IV, before the text (RFC 4106 section 3.1).
const IV_OCTETS: usize = 8;
/// Pad length and next header, behind the padding (RFC 4303 section 2).
const TRAILER_OCTETS: usize = 2;
/// What tells the fault.
const VARIABLE: &str = "RAVELIN_MISBEHAVE";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Clear,
    Replay,
    Nonce,
    Selector,
    Route,
    Loss,
}

const FAULTS: [(&str, Fault); 6] = [
    ("clear", Fault::Clear),
    ("replay", Fault::Replay),
    ("nonce", Fault::Nonce),
    ("selector", Fault::Selector),
    ("route", Fault::Route),
    ("loss", Fault::Loss),
];

static FAULT: OnceLock<Fault> = OnceLock::new();

/// No fault was named, or one that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("ravelin-planed-misbehaving: {VARIABLE} is `{0}`; it must be one of {names}", names = names())]
pub struct UnknownFault(String);

fn names() -> String {
    FAULTS.map(|(name, _)| name).join(", ")
}

/// Reads which fault is wanted; a misbehaving planed without a fault does not start.
///
/// # Errors
/// Lists the names.
pub fn begin() -> Result<(), UnknownFault> {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let found = FAULTS.iter().find(|(name, _)| *name == wanted);
    let (name, fault) = found.ok_or(UnknownFault(wanted))?;
    log::warn!("misbehaving on purpose: {name}");
    FAULT.get_or_init(|| *fault);
    Ok(())
}

fn is(fault: Fault) -> bool {
    FAULT.get() == Some(&fault)
}

/// What becomes of a request of iked; `None`: it is answered and not carried out.
pub fn request(request: Request) -> Option<Request> {
    match request {
        Request::Install(mut pairs) => {
            pairs.iter_mut().for_each(spoil);
            Some(Request::Install(pairs))
        }
        Request::Remove { .. } if is(Fault::Route) => None,
        other => Some(other),
    }
}

fn spoil(pair: &mut SaPair) {
    if is(Fault::Replay) {
        pair.replay_window = 0;
    }
    if is(Fault::Selector) {
        pair.local_ts = [false, true].map(TrafficSelector::any).to_vec();
    }
}

/// The product's engine behind one that mistreats outbound packets.
pub struct Engine<P> {
    right: engine::Engine<P>,
    outbound: u64,
    /// Slot and explicit IV of the last outbound packet.
    last: Option<(u32, [u8; IV_OCTETS])>,
    leaked: Vec<CryptoOp<P>>,
}

impl<P: PacketBuf> Engine<P> {
    /// An engine for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            right: engine::Engine::new(max_keys),
            outbound: 0,
            last: None,
            leaked: Vec::new(),
        }
    }

    /// Whether it is this packet's turn.
    fn due(&mut self, op: &CryptoOp<P>) -> bool {
        let outbound = op.task.direction == Direction::Encrypt;
        self.outbound += u64::from(outbound);
        outbound && self.outbound % PERIOD == 0
    }

    fn repeat_iv(&mut self, op: &mut CryptoOp<P>) {
        if op.task.direction != Direction::Encrypt {
            return;
        }
        let due = self.due(op);
        let start = usize::from(op.task.start);
        let (Some(place), Some(own)) = (
            op.packet.data_mut().get_mut(start - IV_OCTETS..start),
            op.task.nonce.get_mut(SALT_OCTETS..),
        ) else {
            return;
        };
        match self.last {
            Some((slot, iv)) if due && slot == op.task.slot => {
                place.copy_from_slice(&iv);
                own.copy_from_slice(&iv);
            }
            _ => self.last = own.try_into().ok().map(|iv| (op.task.slot, iv)),
        }
    }

    fn leak(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        for op in std::mem::take(ops) {
            if self.due(&op) {
                self.leaked.extend(bare(op));
            } else {
                ops.push(op);
            }
        }
    }
}

/// The inner packet alone, as if it were encrypted.
fn bare<P: PacketBuf>(mut op: CryptoOp<P>) -> Option<CryptoOp<P>> {
    let (start, octets) = (usize::from(op.task.start), usize::from(op.task.octets));
    let pad_length_at = start + octets - TRAILER_OCTETS;
    let padding = usize::from(*op.packet.data().get(pad_length_at)?);
    op.packet.adj(start);
    op.packet
        .trim(padding + TRAILER_OCTETS + usize::from(op.task.icv_octets));
    op.status = OpStatus::Done;
    Some(op)
}

impl<P: PacketBuf> CryptoEngine<P> for Engine<P> {
    type Key = <engine::Engine<P> as CryptoEngine<P>>::Key;
    // Faults are of the CPU's engine: devices are told of and not used.
    type Maker = engine::Accelerator;

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Self::Key, KeyError> {
        <engine::Engine<P> as CryptoEngine<P>>::expand(transform, keys)
    }

    fn insert(&mut self, key: Self::Key) -> Result<KeyId, Self::Key> {
        self.right.insert(key)
    }

    fn remove(&mut self, id: KeyId) -> Option<Self::Key> {
        self.right.remove(id)
    }

    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        if is(Fault::Loss) {
            ops.retain(|op| !self.due(op));
        } else if is(Fault::Clear) {
            self.leak(ops);
        } else if is(Fault::Nonce) {
            ops.iter_mut().for_each(|op| self.repeat_iv(op));
        }
        self.right.submit(ops);
    }

    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>) {
        self.right.poll(done);
        done.append(&mut self.leaked);
    }
}

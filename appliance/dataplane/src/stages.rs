//! The stages, in the order in which a packet meets them. Each drains one vector of the worker and fills later ones; what leaves goes
//! into the vector of its port at once (`egress`). Routing is decided from the header alone and done once: `ip_input`, `policy` and
//! `forward` return a `Fate`, and the caller, or `forward::act`, does it.

pub mod ah;
pub mod arp;
pub mod crypto;
pub mod egress;
pub mod esp_input;
pub mod esp_output;
pub mod ethernet;
pub mod forward;
pub mod fragment;
pub mod icmp_error;
pub mod inject;
pub mod ip_input;
pub mod local_input;
pub mod path_mtu;
pub mod policy;
pub mod punt;
pub mod tcp_mss;
pub mod transport;

use crate::laps::Stage;
use crate::platform::Platform;
use crate::tables::Tables;
use crate::worker::{Vectors, Worker};

/// Runs all stages once, statically chained.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    if worker.spread.is_on() {
        chain::<P, true>(worker, tables);
    } else {
        chain::<P, false>(worker, tables);
    }
}

/// The chain, with ciphers on the spot or by way of [`crate::spread`].
fn chain<P: Platform, const SPREAD: bool>(worker: &mut Worker<P>, tables: &Tables) {
    worker.vectors.forward.append(&mut worker.vectors.generated);
    enter(worker, Stage::Local, |vectors| vectors.local.len());
    local_input::run(worker, tables);
    enter(worker, Stage::EspInput, |vectors| vectors.esp_input.len());
    esp_input::run::<P, SPREAD>(worker, tables);
    enter(worker, Stage::Decrypt, |vectors| vectors.ops.len());
    crypto::run(worker, tables); // decryption
    enter(worker, Stage::Local, |vectors| vectors.local.len());
    local_input::run(worker, tables); // decrypted packets addressed to us
    enter(worker, Stage::Forward, |vectors| vectors.forward.len());
    forward::run(worker, tables);
    enter(worker, Stage::EspOutput, |vectors| vectors.esp_output.len());
    esp_output::run::<P, SPREAD>(worker, tables);
    enter(worker, Stage::Encrypt, |vectors| vectors.ops.len());
    crypto::run(worker, tables); // encryption
}

#[inline]
fn enter<P: Platform>(
    worker: &mut Worker<P>,
    stage: Stage,
    waiting: impl Fn(&Vectors<P::Buf>) -> usize,
) {
    worker.laps.enter(stage, waiting(&worker.vectors));
}

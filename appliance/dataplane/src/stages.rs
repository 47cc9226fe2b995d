//! The stages, in the order in which a packet meets them. Each drains one vector of the worker and fills later ones.

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

use crate::platform::Platform;
use crate::tables::Tables;
use crate::worker::Worker;

/// Runs all stages once, statically chained.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    worker.vectors.forward.append(&mut worker.vectors.generated);
    local_input::run(worker, tables);
    esp_input::run(worker, tables);
    crypto::run(worker, tables); // decryption
    local_input::run(worker, tables); // decrypted packets addressed to us
    forward::run(worker, tables);
    esp_output::run(worker, tables);
    crypto::run(worker, tables); // encryption
    egress::run(worker, tables);
}

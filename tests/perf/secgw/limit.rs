//! The limit: the cipher alone, in place, over warm buffers of the same sizes and as many keys.

use std::time::Instant;

use dpdk_rs::ipsecmb::{GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_dataplane::BURST;
use ravelin_esp::Direction;

use crate::Failure;
use crate::case::Case;
use crate::mix::{Lottery, text_octets};
use crate::packets;
use crate::report::median;

const AAD: [u8; 8] = [7; 8];
/// Bursts of one round: enough for a median.
const BURSTS: usize = 300;

/// One packet of the burst at hand.
#[derive(Default)]
struct Job {
    key: usize,
    nonce: [u8; NONCE_OCTETS],
    octets: Vec<u8>,
}

/// The median burst, in nanoseconds per packet.
pub fn round(keys: &[GcmKey], case: &Case<'_>) -> Result<f64, Failure> {
    let mut lottery = Lottery::new(case.setting.sas);
    let mut jobs: Vec<Job> = std::iter::repeat_with(Job::default).take(BURST).collect();
    let mut samples = Vec::with_capacity(BURSTS);
    let mut counter = 0;
    for _ in 0..BURSTS {
        for (job, size) in jobs.iter_mut().zip(case.mix.inner_octets) {
            let inner_octets = case.setting.family.inner_octets(size);
            counter += 1;
            job.octets.resize(text_octets(inner_octets) + TAG_OCTETS, 0);
            // As a packet that was received just before.
            job.octets[..inner_octets].fill(counter as u8);
            job.key = lottery.draw() as usize;
            job.nonce = packets::nonce(counter);
        }
        let mut good = true;
        if case.direction == Direction::Encrypt {
            samples.push(per_packet_ns(|| seal(keys, &mut jobs)));
        } else {
            seal(keys, &mut jobs);
            samples.push(per_packet_ns(|| good = open(keys, &mut jobs)));
        }
        if !good {
            return Err(Failure::Cipher);
        }
    }
    Ok(median(&samples))
}

fn per_packet_ns(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_nanos() as f64 / BURST as f64
}

fn seal(keys: &[GcmKey], jobs: &mut [Job]) {
    for job in jobs {
        if let Some((text, tag)) = job.octets.split_last_chunk_mut::<TAG_OCTETS>() {
            keys[job.key].seal(&job.nonce, &AAD, text, tag);
        }
    }
}

fn open(keys: &[GcmKey], jobs: &mut [Job]) -> bool {
    let mut good = true;
    for job in jobs {
        if let Some((text, tag)) = job.octets.split_last_chunk_mut::<TAG_OCTETS>() {
            good &= keys[job.key].open(&job.nonce, &AAD, text, tag);
        }
    }
    good
}

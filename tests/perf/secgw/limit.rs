//! The limit: intel-ipsec-mb alone, in place, over warm buffers of the same sizes and as many keys. AES-GCM by direct calls, the others
//! by the product's engine, which is a loop around the library's calls.

use std::time::Instant;

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_dataplane::BURST;
use ravelin_esp::Direction;
use ravelin_esp::engine::OpStatus;
use ravelin_tests::rate::median;

use crate::Failure;
use crate::case::{Case, Setting};
use crate::mix::{Lottery, text_octets};
use crate::packets;
use crate::seal::Sealer;

const AAD: [u8; 8] = [7; 8];
/// Bursts of one round: enough for a median.
const BURSTS: usize = 300;

/// The cipher and its keys.
pub enum Limit {
    Direct(Vec<GcmKey>),
    Engine(Sealer),
}

/// One packet of the burst at hand.
#[derive(Default)]
struct Job {
    key: usize,
    nonce: [u8; NONCE_OCTETS],
    octets: Vec<u8>,
}

impl Limit {
    pub fn new(gcm: Gcm, setting: Setting) -> Result<Self, Failure> {
        if !setting.algorithm.is_gcm() {
            return Ok(Limit::Engine(Sealer::new(setting)?));
        }
        let octets = setting.algorithm.transform().encr().key_octets();
        let key = |sa| {
            let material = packets::keymat(setting.algorithm, sa);
            gcm.expand(&material[..octets]).map_err(|_| Failure::Cipher)
        };
        Ok(Limit::Direct(
            (0..setting.sas).map(key).collect::<Result<_, _>>()?,
        ))
    }

    /// The median burst, in nanoseconds per packet.
    pub fn round(&mut self, case: &Case<'_>) -> Result<f64, Failure> {
        match self {
            Limit::Direct(keys) => direct(keys, case),
            Limit::Engine(sealer) => engine(sealer, case),
        }
    }
}

fn direct(keys: &[GcmKey], case: &Case<'_>) -> Result<f64, Failure> {
    let mut lottery = Lottery::new(case.setting.sas);
    let mut jobs: Vec<Job> = std::iter::repeat_with(Job::default).take(BURST).collect();
    let mut samples = Vec::with_capacity(BURSTS);
    let mut counter = 0_u64;
    for _ in 0..BURSTS {
        for (job, size) in jobs.iter_mut().zip(case.mix.inner_octets) {
            let inner_octets = case.setting.family.inner_octets(size);
            counter += 1;
            job.octets.resize(text_octets(inner_octets) + TAG_OCTETS, 0);
            // As a packet that was received just before.
            job.octets[..inner_octets].fill(counter as u8);
            job.key = lottery.draw() as usize;
            job.nonce[4..].copy_from_slice(&counter.to_be_bytes());
        }
        // Opening takes as long when the tag is wrong. Sealing it here would bring the key into the cache, where a packet that comes
        // from outside does not find it.
        samples.push(match case.direction {
            Direction::Encrypt => per_packet_ns(|| seal(keys, &mut jobs)),
            Direction::Decrypt => per_packet_ns(|| {
                std::hint::black_box(open(keys, &mut jobs));
            }),
        });
    }
    seal(keys, &mut jobs);
    if open(keys, &mut jobs) {
        Ok(median(&samples))
    } else {
        Err(Failure::Cipher)
    }
}

fn engine(sealer: &mut Sealer, case: &Case<'_>) -> Result<f64, Failure> {
    let family = case.setting.family;
    let mut lottery = Lottery::new(case.setting.sas);
    let mut samples = Vec::with_capacity(BURSTS);
    let (mut ops, mut done) = (vec![], vec![]);
    for _ in 0..BURSTS {
        for size in case.mix.inner_octets {
            let mut inner = vec![0; family.inner_octets(size)];
            packets::inner(&mut inner, family, family.core(), family.remote(0));
            ops.push(sealer.prepare(lottery.draw(), &inner, 0)?);
        }
        let sealed = per_packet_ns(|| sealer.run(&mut ops, &mut done));
        let good = |done: &[_]| done.iter().all(is_done);
        if case.direction == Direction::Encrypt {
            samples.push(sealed);
        } else if good(&done) {
            for op in &mut done {
                op.task.direction = case.direction;
                op.status = OpStatus::Pending;
            }
            std::mem::swap(&mut ops, &mut done);
            samples.push(per_packet_ns(|| sealer.run(&mut ops, &mut done)));
        }
        if !good(&done) {
            return Err(Failure::Cipher);
        }
        done.clear();
    }
    Ok(median(&samples))
}

fn is_done<P>(op: &ravelin_esp::engine::CryptoOp<P>) -> bool {
    op.status == OpStatus::Done
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

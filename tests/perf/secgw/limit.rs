//! The limit: intel-ipsec-mb alone, in place, over warm buffers of the same sizes and as many keys, in random order. AES-GCM by direct
//! calls, the others by the product's engine, which is a loop around the library's calls. Keys are prefetched as planed does it, so that
//! what many of them cost here is what the caches of the machine ask of anybody.

use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use dpdk_rs::prefetch;
use ravelin_dataplane::BURST;
use ravelin_esp::Direction;
use ravelin_esp::engine::OpStatus;
use ravelin_tests::rate::{Spent, median};

use crate::Failure;
use crate::case::{Case, Setting};
use crate::mix::{Lottery, text_octets};
use crate::packets;
use crate::seal::Sealer;
use crate::subject::Cpus;

type Nonce = [u8; NONCE_OCTETS];
type Tag = [u8; TAG_OCTETS];

const AAD: [u8; 8] = [7; 8];
/// Bursts of one round: enough for a median.
const BURSTS: usize = 300;
/// How many packets ahead a key and the pointer to it are asked for.
const KEY_AHEAD: usize = 3;
const POINTER_AHEAD: usize = 8;

/// The cipher and its keys.
pub enum Limit {
    Direct(Vec<GcmKey>),
    Engine(Sealer),
}

/// One packet of the burst at hand.
#[derive(Default)]
struct Job {
    key: usize,
    nonce: Nonce,
    octets: Vec<u8>,
}

impl Limit {
    pub fn new(gcm: Gcm, setting: Setting) -> Result<Self, Failure> {
        if !setting.algorithm.is_gcm() {
            return Ok(Limit::Engine(Sealer::new(setting)?));
        }
        Ok(Limit::Direct(gcm_keys(gcm, setting)?))
    }

    /// The median burst, in nanoseconds per packet.
    pub fn round(&mut self, case: &Case<'_>) -> Result<f64, Failure> {
        match self {
            Limit::Direct(keys) => direct(keys, case, &AtomicUsize::new(1)),
            Limit::Engine(sealer) => engine(sealer, case),
        }
    }
}

/// AES-GCM on one CPU, and on two at the same time, of which each has half of the keys as a worker has, or the only one: what the busier
/// one takes.
pub fn beside(keys: &[GcmKey], case: &Case<'_>, cpus: Cpus) -> Result<[Spent; 2], Failure> {
    let (left, right) = match keys {
        [_] => (keys, keys),
        _ => keys.split_at(keys.len() / 2),
    };
    let packets = (BURSTS * BURST) as u64;
    let spent = |ns: f64| Spent::whole((ns * packets as f64) as u64, packets);
    let alone = at_once(&[(keys, true)], case, cpus)?;
    let shared = at_once(&[(left, true), (right, false)], case, cpus)?;
    // Each of the two does half of the packets.
    Ok([spent(alone), spent(shared / 2.0)])
}

/// A round of each share of keys at the same time, on the measured CPU or one of the others: the slower one's nanoseconds per packet.
fn at_once(shares: &[(&[GcmKey], bool)], case: &Case<'_>, cpus: Cpus) -> Result<f64, Failure> {
    let (start, measuring) = (Barrier::new(shares.len()), AtomicUsize::new(shares.len()));
    let work = |(keys, measured)| {
        let pinned = cpus.go(measured);
        start.wait();
        let ns = direct(keys, case, &measuring);
        pinned.and(ns)
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads = shares.iter().map(|share| scope.spawn(|| work(*share)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_fold(0.0_f64, |slowest, thread| {
            Ok(slowest.max(thread.join().unwrap_or(Err(Failure::Cipher))?))
        })
    })
}

/// One AES-GCM key for each SA.
pub fn gcm_keys(gcm: Gcm, setting: Setting) -> Result<Vec<GcmKey>, Failure> {
    let octets = setting.algorithm.transform().encr().key_octets();
    let key = |sa| {
        let material = packets::keymat(setting.algorithm, sa);
        gcm.expand(&material[..octets]).map_err(|_| Failure::Cipher)
    };
    (0..setting.sas).map(key).collect()
}

/// Goes on until nobody of those who work at the same time is `measuring` any more.
fn direct(keys: &[GcmKey], case: &Case<'_>, measuring: &AtomicUsize) -> Result<f64, Failure> {
    let mut lottery = Lottery::new(keys.len() as u32);
    let mut jobs: Vec<Job> = std::iter::repeat_with(Job::default).take(BURST).collect();
    let mut samples = Vec::with_capacity(BURSTS);
    let mut counter = 0_u64;
    while measuring.load(Ordering::Relaxed) > 0 {
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
        let ns = match case.direction {
            Direction::Encrypt => per_packet_ns(|| seal(keys, &mut jobs)),
            Direction::Decrypt => per_packet_ns(|| {
                std::hint::black_box(open(keys, &mut jobs));
            }),
        };
        if samples.len() < BURSTS {
            samples.push(ns);
            let last = samples.len() == BURSTS;
            measuring.fetch_sub(usize::from(last), Ordering::Relaxed);
        }
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

/// Asks for what the packets behind the present one need, and before the first one for what those need that nobody is ahead of. The
/// only key of all packets is there.
fn warm(keys: &[GcmKey], jobs: &[Job], pointers: Range<usize>, ahead: Range<usize>) {
    if keys.len() > 1 {
        for job in jobs.get(pointers).unwrap_or_default() {
            prefetch(&keys[job.key]);
        }
        for job in jobs.get(ahead).unwrap_or_default() {
            keys[job.key].prefetch(job.octets.len());
        }
    }
}

/// Does `work` on each packet of a burst with its key, text and tag.
fn each(
    keys: &[GcmKey],
    jobs: &mut [Job],
    mut work: impl FnMut(&GcmKey, &Nonce, &mut [u8], &mut Tag),
) {
    warm(keys, jobs, 0..POINTER_AHEAD, 0..KEY_AHEAD);
    let mut rest = jobs;
    while let Some((job, behind)) = rest.split_first_mut() {
        warm(
            keys,
            behind,
            POINTER_AHEAD - 1..POINTER_AHEAD,
            KEY_AHEAD - 1..KEY_AHEAD,
        );
        if let Some((text, tag)) = job.octets.split_last_chunk_mut::<TAG_OCTETS>() {
            work(&keys[job.key], &job.nonce, text, tag);
        }
        rest = behind;
    }
}

fn seal(keys: &[GcmKey], jobs: &mut [Job]) {
    each(keys, jobs, |key, nonce, text, tag| {
        key.seal(nonce, &AAD, text, tag)
    });
}

fn open(keys: &[GcmKey], jobs: &mut [Job]) -> bool {
    let mut good = true;
    each(keys, jobs, |key, nonce, text, tag| {
        good &= key.open(nonce, &AAD, text, tag)
    });
    good
}

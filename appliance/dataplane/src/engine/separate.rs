//! AES-CBC, AES-CTR, NULL, DES and 3DES with a separate HMAC: what ESP asks of the multi-buffer code (RFC 4303 section 3.3.2, 3.4.4).
//!
//! The IV of a CBC mode must be unpredictable (RFC 3602 section 3). It is the unique IV of the packet, which no install of the SA
//! repeats, encrypted by AES under a key that is made from the SA's integrity key: unpredictable to whoever lacks the key, and as unique
//! as what was encrypted (NIST SP 800-38A appendix C, first method, with a key of its own).

use std::sync::{Mutex, PoisonError};

use arrayvec::ArrayVec;
use dpdk_rs::ipsecmb::separate::{
    self as library, Cipher, Hash, IV_KEY_OCTETS, IV_OCTETS, Lanes, MAX_ICV_OCTETS,
};
use ravelin_esp::engine::{Direction, Job, KeyError, MAX_JOBS, OpStatus};
use ravelin_esp::{Keys, SALT_OCTETS};
use ravelin_types::{EspEncr, EspInteg, EspTransform};
use ravelin_wire::esp::HEADER_OCTETS;
use zeroize::{Zeroize, Zeroizing};

use super::Key;

/// What the two halves of the IV key are the HMAC of: shorter than any ESP packet with its IV, so that no packet has this HMAC.
const IV_LABELS: [[u8; 16]; 2] = [*b"ESP CBC IV, low.", *b"ESP CBC IV, high"];

const _: () = assert!(MAX_JOBS <= library::MAX_JOBS);

/// Keys of the cipher and of the HMAC, expanded, and how the IV is made.
pub struct SeparateKey {
    keys: library::SeparateKey,
    iv: Iv,
    iv_octets: usize,
}

/// Where the IV of a cipher comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Iv {
    /// On the wire as the cipher takes it, made by the sender's engine.
    Unpredictable,
    /// Salt, the unique IV, and a block counter from 1 (RFC 3686 section 4).
    Counter,
    None,
}

impl SeparateKey {
    /// Octets of ESP header and IV.
    pub(super) fn front_octets(&self) -> usize {
        HEADER_OCTETS + self.iv_octets
    }
}

/// The library's names of a transform's algorithms.
pub(super) fn parts(transform: EspTransform) -> Option<(Cipher, Hash)> {
    algorithms(transform).map(|(cipher, hash, _)| (cipher, hash))
}

fn algorithms(transform: EspTransform) -> Option<(Cipher, Hash, Iv)> {
    use EspEncr as E;
    let hash = match transform.integ()? {
        EspInteg::HmacMd5_96 => Hash::Md5,
        EspInteg::HmacSha1_96 => Hash::Sha1,
        EspInteg::HmacSha256_128 => Hash::Sha256,
        EspInteg::HmacSha384_192 => Hash::Sha384,
        EspInteg::HmacSha512_256 => Hash::Sha512,
    };
    let (cipher, iv) = match transform.encr() {
        E::Aes128Cbc | E::Aes192Cbc | E::Aes256Cbc => (Cipher::AesCbc, Iv::Unpredictable),
        E::Aes128Ctr | E::Aes192Ctr | E::Aes256Ctr => (Cipher::AesCtr, Iv::Counter),
        E::TripleDesCbc => (Cipher::TripleDes, Iv::Unpredictable),
        E::DesCbc => (Cipher::Des, Iv::Unpredictable),
        E::Null => (Cipher::Null, Iv::None),
        _ => return None,
    };
    Some((cipher, hash, iv))
}

/// Expands the keys of a transform with separate integrity.
pub(super) fn expand(
    lanes: &Mutex<Lanes>,
    transform: EspTransform,
    keys: Keys<'_>,
) -> Result<SeparateKey, KeyError> {
    let (cipher, hash, iv) = algorithms(transform).ok_or(KeyError::Transform)?;
    // Expanding leaves nothing half done: after a panic the lanes are as good as before.
    let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
    let iv_key = match iv {
        Iv::Unpredictable => iv_key(&mut lanes, hash, keys.integ)?,
        Iv::Counter | Iv::None => Zeroizing::new([0; IV_KEY_OCTETS]),
    };
    let keys = lanes
        .expand((cipher, keys.cipher), (hash, keys.integ), &iv_key)
        .map_err(|_| KeyError::Length)?;
    Ok(SeparateKey {
        keys,
        iv,
        iv_octets: transform.iv_octets(),
    })
}

/// The key under which unique IVs become unpredictable ones.
fn iv_key(
    lanes: &mut Lanes,
    hash: Hash,
    integ: &[u8],
) -> Result<Zeroizing<[u8; IV_KEY_OCTETS]>, KeyError> {
    let hmac = lanes
        .expand((Cipher::Null, &[]), (hash, integ), &[0; IV_KEY_OCTETS])
        .map_err(|_| KeyError::Length)?;
    let mut labels = IV_LABELS;
    let mut jobs = labels.each_mut().map(|label| library::Job {
        key: &hmac,
        text_at: label.len(),
        packet: label,
        text_octets: 0,
        encrypt: true,
        iv: [0; IV_OCTETS],
        icv: [0; MAX_ICV_OCTETS],
        done: false,
    });
    lanes.run(&mut jobs);
    let mut key = Zeroizing::new([0; IV_KEY_OCTETS]);
    for (half, job) in key.chunks_mut(IV_KEY_OCTETS / 2).zip(&mut jobs) {
        if !job.done {
            return Err(KeyError::Transform);
        }
        half.copy_from_slice(&job.icv[..IV_KEY_OCTETS / 2]);
        job.icv.zeroize();
    }
    Ok(key)
}

/// The lanes of one worker; none where the library does not run, and then no key needs them.
pub struct WorkerLanes(Option<Lanes>);

impl Default for WorkerLanes {
    fn default() -> Self {
        Self(super::native().and_then(|_| Lanes::new().ok()))
    }
}

/// What the library wrote for a job, and the ICV that the packet came with.
struct Outcome {
    index: usize,
    done: bool,
    computed: [u8; MAX_ICV_OCTETS],
    received: [u8; MAX_ICV_OCTETS],
}

impl WorkerLanes {
    /// The cipher's IV of a packet, which starts at its ESP header: from the packet, or written into it.
    pub(super) fn iv(
        &mut self,
        key: &SeparateKey,
        nonce: &[u8; 12],
        packet: &mut [u8],
        direction: Direction,
    ) -> Option<[u8; IV_OCTETS]> {
        let encrypt = direction == Direction::Encrypt;
        iv(self.0.as_mut()?, key, nonce, packet, encrypt)
    }

    /// Does at most [`MAX_JOBS`] jobs.
    pub(super) fn run(&mut self, jobs: &mut [Job<'_, Key>]) {
        let Some(lanes) = &mut self.0 else { return };
        let mut outcomes: ArrayVec<Outcome, MAX_JOBS> = ArrayVec::new();
        let mut raw: ArrayVec<library::Job<'_>, MAX_JOBS> = ArrayVec::new();
        for (index, job) in jobs.iter_mut().enumerate().take(MAX_JOBS) {
            let Some((job, received)) = prepare(lanes, job) else {
                continue;
            };
            raw.push(job);
            outcomes.push(Outcome {
                index,
                done: false,
                computed: [0; MAX_ICV_OCTETS],
                received,
            });
        }
        lanes.run(&mut raw);
        for (outcome, raw) in outcomes.iter_mut().zip(&raw) {
            outcome.done = raw.done;
            outcome.computed = raw.icv;
        }
        drop(raw);
        for outcome in &outcomes {
            finish(&mut jobs[outcome.index], outcome);
        }
    }
}

/// The library's view of a job. Behind the text, where the ICV lies, it covers the upper half of an extended sequence number (RFC 4303
/// section 2.2.1); a received ICV is returned.
fn prepare<'a>(
    lanes: &mut Lanes,
    job: &'a mut Job<'_, Key>,
) -> Option<(library::Job<'a>, [u8; MAX_ICV_OCTETS])> {
    let Key::Separate(key) = job.key.on_cpu() else {
        return None;
    };
    let encrypt = job.direction == Direction::Encrypt;
    let (text_at, covered) = (key.front_octets(), job.covered_octets);
    let icv_octets = job.packet.len().checked_sub(covered)?;
    let mut received = [0; MAX_ICV_OCTETS];
    received
        .get_mut(..icv_octets)?
        .copy_from_slice(&job.packet[covered..]);
    let high = job.sequence_high.as_ref().map_or(&[][..], |high| high);
    let end = covered + high.len();
    job.packet.get_mut(covered..end)?.copy_from_slice(high);
    let iv = iv(lanes, key, job.nonce, job.packet, encrypt)?;
    let job = library::Job {
        key: &key.keys,
        packet: &mut job.packet[..end],
        text_at,
        text_octets: covered.checked_sub(text_at)?,
        encrypt,
        iv,
        icv: [0; MAX_ICV_OCTETS],
        done: false,
    };
    Some((job, received))
}

/// The cipher's IV, from the packet or into it.
fn iv(
    lanes: &mut Lanes,
    key: &SeparateKey,
    nonce: &[u8; 12],
    packet: &mut [u8],
    encrypt: bool,
) -> Option<[u8; IV_OCTETS]> {
    let mut iv = [0; IV_OCTETS];
    let (spi, place) = (
        packet.first_chunk::<4>().copied()?,
        packet.get_mut(HEADER_OCTETS..key.front_octets())?,
    );
    match key.iv {
        Iv::None => {}
        Iv::Counter => {
            iv[..nonce.len()].copy_from_slice(nonce);
            iv[IV_OCTETS - 1] = 1;
        }
        Iv::Unpredictable if encrypt => {
            let mut unique = [0; IV_OCTETS];
            unique[..SALT_OCTETS].copy_from_slice(&spi);
            unique[SALT_OCTETS..nonce.len()].copy_from_slice(&nonce[SALT_OCTETS..]);
            iv = lanes.iv(&key.keys, &unique);
            place.copy_from_slice(&iv[..key.iv_octets]);
        }
        Iv::Unpredictable => iv[..key.iv_octets].copy_from_slice(place),
    }
    Some(iv)
}

/// Writes the ICV, or compares it in constant time.
fn finish(job: &mut Job<'_, Key>, outcome: &Outcome) {
    let icv = &mut job.packet[job.covered_octets..];
    let computed = &outcome.computed[..icv.len()];
    *job.status = match job.direction {
        _ if !outcome.done => OpStatus::EngineFailed,
        Direction::Encrypt => {
            icv.copy_from_slice(computed);
            OpStatus::Done
        }
        Direction::Decrypt => {
            let pairs = computed.iter().zip(&outcome.received);
            if pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0 {
                OpStatus::Done
            } else {
                OpStatus::AuthFailed
            }
        }
    };
}

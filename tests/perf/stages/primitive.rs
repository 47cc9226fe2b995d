//! The limit: the cipher alone, in place, over warm buffers of the same sizes and as many keys.

use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS};
use ravelin_dataplane::BURST;
use ravelin_esp::{Direction, PacketBuf};

use crate::mix::{Lottery, Mix, text_octets};
use crate::platform::Buf;
use crate::traffic;
use crate::{Failure, per_packet_ns, report};

const AAD: [u8; 8] = [7; 8];

/// Keys and buffers.
pub struct Primitive {
    keys: Vec<GcmKey>,
    lottery: Lottery,
    counter: u64,
}

/// One packet of the burst at hand.
struct Job {
    key: usize,
    nonce: [u8; NONCE_OCTETS],
    buf: Buf,
}

impl Primitive {
    pub fn new(gcm: Gcm, sas: u32) -> Result<Self, Failure> {
        Ok(Self {
            keys: traffic::keys(gcm, sas)?,
            lottery: Lottery::new(sas),
            counter: 0,
        })
    }

    /// The median burst of `bursts`, in nanoseconds per packet.
    pub fn round(
        &mut self,
        mix: &Mix,
        direction: Direction,
        bursts: usize,
    ) -> Result<f64, Failure> {
        let mut samples = Vec::with_capacity(bursts);
        let mut jobs = Vec::with_capacity(BURST);
        for _ in 0..bursts {
            self.draw(mix, &mut jobs);
            let mut good = true;
            if direction == Direction::Encrypt {
                samples.push(per_packet_ns(|| self.seal(&mut jobs)));
            } else {
                self.seal(&mut jobs);
                samples.push(per_packet_ns(|| good = self.open(&mut jobs)));
            }
            if !good {
                return Err(Failure::Cipher);
            }
            jobs.clear();
        }
        Ok(report::median(&mut samples))
    }

    fn draw(&mut self, mix: &Mix, jobs: &mut Vec<Job>) {
        for inner_octets in mix.inner_octets {
            self.counter += 1;
            let mut buf = Buf::new();
            buf.append(text_octets(inner_octets) + TAG_OCTETS);
            // The pipeline's packets were written just before, too.
            buf.data_mut()[..inner_octets].fill(self.counter as u8);
            jobs.push(Job {
                key: self.lottery.draw() as usize,
                nonce: traffic::nonce(self.counter),
                buf,
            });
        }
    }

    fn seal(&self, jobs: &mut [Job]) {
        for job in jobs {
            if let Some((text, tag)) = job.buf.data_mut().split_last_chunk_mut::<TAG_OCTETS>() {
                self.keys[job.key].seal(&job.nonce, &AAD, text, tag);
            }
        }
    }

    fn open(&self, jobs: &mut [Job]) -> bool {
        let mut good = true;
        for job in jobs {
            if let Some((text, tag)) = job.buf.data_mut().split_last_chunk_mut::<TAG_OCTETS>() {
                good &= self.keys[job.key].open(&job.nonce, &AAD, text, tag);
            }
        }
        good
    }
}

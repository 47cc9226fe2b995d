//! Traces: files of frames that the measured processes receive (`hook.c`).
//!
//! A trace in clear is played again and again. ESP is accepted once: planed's anti-replay window is on, so a sealed trace is sealed
//! anew, with higher numbers and in the same places of the file, before planed gets it again.

use dpdk_rs::ipsecmb::GcmKey;
use ravelin_dataplane::BURST;
use ravelin_esp::Direction;
use ravelin_wire::ethernet::Mac;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::case::{Case, Family};
use crate::control::MAGIC;
use crate::mix::{self, Lottery, random};
use crate::packets;

const HEAD_OCTETS: usize = 64;
const FRAME_HEAD_OCTETS: usize = 8;
/// Where frames start: on cache lines.
const ALIGN_OCTETS: usize = 64;
/// Frames of a trace: enough for a few milliseconds, and for every SA to come about twice.
const FRAMES_LEAST: usize = 16_384;
const FRAMES_PER_SA: usize = 2;

/// One frame of a trace.
struct Slot {
    offset: usize,
    inner_octets: usize,
    sa: u32,
}

/// A trace and its file.
pub struct Trace {
    pub id: u64,
    family: Family,
    mac: Mac,
    path: PathBuf,
    file: File,
    image: Vec<u8>,
    slots: Vec<Slot>,
    /// The last number of each SA; empty of a trace in clear.
    sequences: Vec<u32>,
    /// Octets of the frames in it and of those that should come out.
    pub octets_in: u64,
    pub octets_out: u64,
    pub inner_octets: u64,
}

impl Trace {
    /// Makes the trace of a case in `folder` for a gateway with this hardware address. `sequences` are the last numbers of the SAs,
    /// which go on counting; [`Trace::seal`] comes before the first pass.
    pub fn new(
        folder: &Path,
        id: u64,
        case: &Case<'_>,
        mac: Mac,
        sequences: Vec<u32>,
    ) -> Result<Self, Failure> {
        let family = case.setting.family;
        let path = folder.join(format!("trace.{id}.0"));
        let failed = |error| Failure::File {
            path: path.clone(),
            error,
        };
        let file = File::create(&path).map_err(failed)?;
        let mut trace = Self {
            id,
            family,
            mac,
            file,
            path: path.clone(),
            image: Vec::new(),
            slots: Vec::new(),
            sequences,
            octets_in: 0,
            octets_out: 0,
            inner_octets: 0,
        };
        trace.lay_out(case);
        if case.direction == Direction::Encrypt {
            trace.fill_clear();
            trace.write()?;
        }
        Ok(trace)
    }

    pub fn frames(&self) -> usize {
        self.slots.len()
    }

    /// Sizes and SAs in random order; every burst has the sizes of the mix.
    fn lay_out(&mut self, case: &Case<'_>) {
        let wanted = FRAMES_LEAST.max(FRAMES_PER_SA * case.setting.sas as usize);
        let mut lottery = Lottery::new(case.setting.sas);
        let mut state = mix::SEED;
        let mut sizes = case.mix.inner_octets;
        let mut offset = HEAD_OCTETS;
        for _ in 0..wanted / BURST {
            for last in (1..BURST).rev() {
                sizes.swap(last, random(&mut state) as usize % (last + 1));
            }
            for size in sizes {
                let inner_octets = self.family.inner_octets(size);
                let clear = packets::clear_octets(inner_octets);
                let sealed = packets::sealed_octets(self.family, inner_octets);
                let (octets_in, octets_out) = match case.direction {
                    Direction::Encrypt => (clear, sealed),
                    Direction::Decrypt => (sealed, clear),
                };
                self.octets_in += octets_in as u64;
                self.octets_out += octets_out as u64;
                self.inner_octets += inner_octets as u64;
                let sa = lottery.draw();
                self.slots.push(Slot {
                    offset,
                    inner_octets,
                    sa,
                });
                self.image.resize(offset, 0);
                self.image
                    .extend_from_slice(&(octets_in as u32).to_le_bytes());
                offset += (FRAME_HEAD_OCTETS + octets_in).next_multiple_of(ALIGN_OCTETS);
            }
        }
        self.image.resize(offset, 0);
        self.image[..8].copy_from_slice(&MAGIC.to_le_bytes());
        self.image[8..16].copy_from_slice(&(self.slots.len() as u64).to_le_bytes());
    }

    fn fill_clear(&mut self) {
        for slot in &self.slots {
            let start = slot.offset + FRAME_HEAD_OCTETS;
            let frame = &mut self.image[start..][..packets::clear_octets(slot.inner_octets)];
            packets::clear(frame, self.mac, self.family, slot.sa);
        }
    }

    /// Seals all frames with the next numbers of their SAs.
    pub fn seal(&mut self, keys: &[GcmKey]) -> Result<(), Failure> {
        for slot in &self.slots {
            let (Some(sequence), Some(key)) = (
                self.sequences.get_mut(slot.sa as usize),
                keys.get(slot.sa as usize),
            ) else {
                return Err(Failure::Cipher);
            };
            *sequence += 1;
            let octets = packets::sealed_octets(self.family, slot.inner_octets);
            let frame = &mut self.image[slot.offset + FRAME_HEAD_OCTETS..][..octets];
            packets::sealed(
                frame,
                self.mac,
                self.family,
                slot.inner_octets,
                slot.sa,
                *sequence,
                key,
            );
        }
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        let written = self.file.write_all_at(&self.image, 0);
        written.map_err(|error| Failure::File {
            path: self.path.clone(),
            error,
        })
    }

    /// Removes the file and gives back the numbers. Who has mapped it keeps its memory until the next trace.
    pub fn end(self) -> Vec<u32> {
        // It lies in a folder that goes with the run.
        let _ = std::fs::remove_file(&self.path);
        self.sequences
    }
}

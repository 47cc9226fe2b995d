//! Traces: files of frames that the measured processes receive (`hook.c`).
//!
//! A trace in clear is played again and again. ESP is accepted once: planed's anti-replay window is on, so a sealed trace is sealed
//! anew, with higher numbers and in the same places of the file, before planed gets it again.

use ravelin_dataplane::BURST;
use ravelin_esp::{Direction, PacketBuf};
use ravelin_wire::ethernet::Mac;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::case::{Case, Setting};
use crate::control::MAGIC;
use crate::mix::{self, Lottery, random};
use crate::packets;
use crate::seal::Sealer;

const HEAD_OCTETS: usize = 64;
const FRAME_HEAD_OCTETS: usize = 8;
/// Where frames start: on cache lines.
const ALIGN_OCTETS: usize = 64;
/// Frames of a trace: enough for a few milliseconds, and to come back to an SA after all the others.
const FRAMES_LEAST: usize = 16_384;
const FRAMES_PER_SA: usize = 1;
/// What finds room in the buffers of all programs, less than a half of them.
const FRAMES_AHEAD: usize = 4096;

/// How the frames of a trace come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Each is copied into a buffer when it is received, on one queue.
    Flowing,
    /// All lie in buffers before the first is given, in memory, where a NIC leaves them: what the CPU that receives them does not look
    /// at, another CPU does not have to fetch from it.
    Ahead {
        /// Receive queues.
        queues: usize,
    },
}

/// One frame of a trace.
struct Slot {
    queue: usize,
    offset: usize,
    inner_octets: usize,
    sa: u32,
}

/// What one receive queue gets.
struct Image {
    path: PathBuf,
    file: File,
    octets: Vec<u8>,
    frames: u64,
}

/// A trace and its files.
pub struct Trace {
    pub id: u64,
    frames: Frames,
    setting: Setting,
    mac: Mac,
    images: Vec<Image>,
    slots: Vec<Slot>,
    /// Octets of the frames in it and of those that should come out.
    pub octets_in: u64,
    pub octets_out: u64,
    pub inner_octets: u64,
}

impl Trace {
    /// Makes the trace of a case in `folder` for a gateway with this hardware address; of a sealed one, [`Trace::seal`]
    /// comes before the first pass.
    pub fn new(
        folder: &Path,
        id: u64,
        case: &Case<'_>,
        mac: Mac,
        frames: Frames,
    ) -> Result<Self, Failure> {
        let queues = match frames {
            Frames::Flowing => 1,
            Frames::Ahead { queues } => queues,
        };
        let image = |queue| {
            let path = folder.join(format!("trace.{id}.{queue}"));
            let file = File::create(&path).map_err(|error| Failure::File {
                path: path.clone(),
                error,
            })?;
            Ok(Image {
                path,
                file,
                octets: vec![0; HEAD_OCTETS],
                frames: 0,
            })
        };
        let mut trace = Self {
            id,
            frames,
            setting: case.setting,
            mac,
            images: (0..queues).map(image).collect::<Result<_, Failure>>()?,
            slots: Vec::new(),
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

    /// The frames of each receive queue.
    pub fn queues(&self) -> impl ExactSizeIterator<Item = u64> {
        self.images.iter().map(|image| image.frames)
    }

    pub fn is_ahead(&self) -> bool {
        self.frames != Frames::Flowing
    }

    pub fn frames(&self) -> usize {
        self.slots.len()
    }

    /// Sizes and SAs in random order; every burst has the sizes of the mix.
    fn lay_out(&mut self, case: &Case<'_>) {
        let wanted = match self.frames {
            Frames::Flowing => FRAMES_LEAST.max(FRAMES_PER_SA * case.setting.sas as usize),
            Frames::Ahead { .. } => FRAMES_AHEAD,
        };
        let mut lottery = Lottery::new(case.setting.sas);
        let mut state = mix::SEED;
        let mut sizes = case.mix.inner_octets;
        let queues = self.images.len();
        for _ in 0..wanted / BURST {
            for last in (1..BURST).rev() {
                sizes.swap(last, random(&mut state) as usize % (last + 1));
            }
            for size in sizes {
                let inner_octets = self.setting.family.inner_octets(size);
                let clear = packets::clear_octets(inner_octets);
                let sealed = packets::sealed_octets(self.setting, inner_octets);
                let (octets_in, octets_out) = match case.direction {
                    Direction::Encrypt => (clear, sealed),
                    Direction::Decrypt => (sealed, clear),
                };
                self.octets_in += octets_in as u64;
                self.octets_out += octets_out as u64;
                self.inner_octets += inner_octets as u64;
                let sa = lottery.draw();
                // As a NIC spreads flows: each to one queue, with no regard to the worker that owns its SA.
                let queue = (sa as usize / queues) % queues;
                let image = &mut self.images[queue];
                let offset = image.octets.len();
                self.slots.push(Slot {
                    queue,
                    offset,
                    inner_octets,
                    sa,
                });
                let length = (octets_in as u32).to_le_bytes();
                image.octets.extend_from_slice(&length);
                let room = (FRAME_HEAD_OCTETS + octets_in).next_multiple_of(ALIGN_OCTETS);
                image.octets.resize(offset + room, 0);
                image.frames += 1;
            }
        }
        for image in &mut self.images {
            image.octets[..8].copy_from_slice(&MAGIC.to_le_bytes());
            image.octets[8..16].copy_from_slice(&image.frames.to_le_bytes());
        }
    }

    fn fill_clear(&mut self) {
        let family = self.setting.family;
        for slot in &self.slots {
            let start = slot.offset + FRAME_HEAD_OCTETS;
            let image = &mut self.images[slot.queue].octets;
            let frame = &mut image[start..][..packets::clear_octets(slot.inner_octets)];
            packets::link(frame, self.mac, family);
            let inner = &mut frame[packets::ETHERNET_OCTETS..];
            packets::inner(inner, family, family.core(), family.remote(slot.sa));
        }
    }

    /// Seals all frames with the next numbers of their SAs.
    pub fn seal(&mut self, sealer: &mut Sealer) -> Result<(), Failure> {
        let family = self.setting.family;
        let (mut ops, mut done) = (vec![], vec![]);
        for (burst, slots) in self.slots.chunks(BURST).enumerate() {
            for (at, slot) in slots.iter().enumerate() {
                let mut inner = vec![0; slot.inner_octets];
                packets::inner(&mut inner, family, family.remote(slot.sa), family.core());
                ops.push(sealer.prepare(slot.sa, &inner, (burst * BURST + at) as u32)?);
            }
            sealer.run(&mut ops, &mut done);
            for op in done.drain(..) {
                let (at, packet) = Sealer::packet(op)?;
                let slot = &self.slots[at as usize];
                let octets = packets::sealed_octets(self.setting, slot.inner_octets);
                let image = &mut self.images[slot.queue].octets;
                let frame = &mut image[slot.offset + FRAME_HEAD_OCTETS..][..octets];
                packets::link(frame, self.mac, family);
                let packet = packet.data();
                let place = frame.get_mut(packets::ETHERNET_OCTETS..);
                let place = place.filter(|place| place.len() == packet.len());
                place.ok_or(Failure::Cipher)?.copy_from_slice(packet);
            }
        }
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        for image in &self.images {
            let written = image.file.write_all_at(&image.octets, 0);
            written.map_err(|error| Failure::File {
                path: image.path.clone(),
                error,
            })?;
        }
        Ok(())
    }

    /// Removes the files. Who has mapped one keeps its memory until the next trace.
    pub fn end(self) {
        for image in &self.images {
            // It lies in a folder that goes with the run.
            let _ = std::fs::remove_file(&image.path);
        }
    }
}

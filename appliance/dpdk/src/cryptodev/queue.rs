//! One queue pair: packets go in by bursts and come back in the order in which they went in.

use std::ptr::NonNull;
use std::sync::{Arc, PoisonError};

use super::suite::{AAD_OCTETS, ICV_OCTETS, IV_OCTETS, Session};
use super::{Inner, QUEUE_DEPTH};
use crate::eal::c_string;
use crate::mbuf::Mbuf;

/// Results taken from the device at once.
const RESULTS: usize = 64;
const MASK: usize = QUEUE_DEPTH - 1;
const _: () = assert!(QUEUE_DEPTH.is_power_of_two());

/// Where the ICV is.
#[derive(Clone, Copy, Debug)]
pub enum Icv {
    /// In the packet, at this octet.
    InPacket(u16),
    /// Beside it: the one that the packet came with, or none yet.
    Aside([u8; ICV_OCTETS]),
}

/// What a device does to a packet. Places are octets from its start.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// First octet of the text.
    pub text_at: u16,
    /// Its length.
    pub text_octets: u16,
    /// What a separate HMAC covers, first octet and length.
    pub covered: (u16, u16),
    /// The ICV.
    pub icv: Icv,
    /// IV; counter block of a counter mode.
    pub iv: [u8; IV_OCTETS],
    /// Additional authenticated data of an AEAD.
    pub aad: [u8; AAD_OCTETS],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the ICV was right.
    Done,
    /// The ICV was wrong. The packet's content must not be used.
    Forged,
    /// The device could not do it. The packet's content must not be used.
    Failed,
}

/// A packet that came back.
pub struct Completion<'a, X> {
    /// The packet.
    pub mbuf: Mbuf,
    /// What its owner gave along.
    pub payload: X,
    /// What became of it.
    pub outcome: Outcome,
    /// The ICV, if it is beside the packet.
    pub aside: &'a [u8; ICV_OCTETS],
}

/// A packet that was not taken: the queue is full, or the request does not fit packet and session.
pub struct Refused<X> {
    /// The packet.
    pub mbuf: Mbuf,
    /// What its owner gave along.
    pub payload: X,
    /// There is no room now; else there never will be.
    pub full: bool,
}

/// How a device may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It stops.
    Stops,
    /// It takes packets and gives none back.
    Silent,
    /// It gives packets back undone.
    Errs,
}

struct UnderWay<X> {
    mbuf: Mbuf,
    payload: X,
    /// Holds the keys.
    _session: Session,
    outcome: Option<Outcome>,
}

/// A queue pair of a device, for one thread.
pub struct CryptoQueue<X> {
    device: Arc<Inner>,
    id: u16,
    /// Operation of each place.
    operations: Box<[NonNull<dpdk_sys::rte_crypto_op>]>,
    places: Box<[Option<UnderWay<X>>]>,
    /// Places given back, handed to the device, and filled so far; each counts up.
    head: usize,
    handed: usize,
    tail: usize,
    fault: Option<Fault>,
}

// SAFETY: the operations are this queue's alone, and one thread has the queue.
unsafe impl<X: Send> Send for CryptoQueue<X> {}

impl<X> CryptoQueue<X> {
    pub(super) fn new(device: &Arc<Inner>, id: u16) -> Option<Self> {
        let name = c_string(&format!("crypto{}q{id}", device.id)).ok()?;
        let count = QUEUE_DEPTH as u32;
        // SAFETY: the name is NUL-terminated and copied.
        let pool = NonNull::new(unsafe { dpdk_sys::rv_crypto_ops_create(name.as_ptr(), count) })?;
        device
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pool);
        let mut raw = [std::ptr::null_mut(); QUEUE_DEPTH];
        // SAFETY: the pool has `count` operations, all free, and the array room for as many.
        if unsafe { dpdk_sys::rv_crypto_ops_take(pool.as_ptr(), raw.as_mut_ptr(), count) } != 0 {
            return None;
        }
        Some(Self {
            device: Arc::clone(device),
            id,
            operations: raw.into_iter().map(NonNull::new).collect::<Option<_>>()?,
            places: (0..QUEUE_DEPTH).map(|_| None).collect(),
            head: 0,
            handed: 0,
            tail: 0,
            fault: None,
        })
    }

    /// Packets under way.
    #[inline]
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.tail - self.head
    }

    /// Whether it takes no packet now.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.under_way() >= QUEUE_DEPTH
    }

    /// Whether the device runs.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.device.is_started()
    }

    /// Takes a packet. It goes to the device with the next [`CryptoQueue::poll`].
    ///
    /// # Errors
    /// The packet, when there is no room or the request does not fit.
    pub fn submit(
        &mut self,
        mbuf: Mbuf,
        payload: X,
        session: &Session,
        request: &Request,
    ) -> Result<(), Refused<X>> {
        let full = self.is_full();
        if full || !fits(&self.device, &mbuf, session, request) {
            return Err(Refused {
                mbuf,
                payload,
                full,
            });
        }
        let at = self.tail & MASK;
        let operation = self.operations[at].as_ptr();
        let icv_at = match &request.icv {
            Icv::InPacket(at) => u32::from(*at),
            Icv::Aside(icv) => {
                // SAFETY: the operation is ours and has room for so many octets.
                unsafe {
                    let room = dpdk_sys::rv_crypto_icv(operation);
                    std::ptr::copy_nonoverlapping(icv.as_ptr(), room, ICV_OCTETS);
                }
                dpdk_sys::RV_CRYPTO_ICV_ASIDE
            }
        };
        let job = dpdk_sys::rv_crypto_job {
            session: session.0.raw.as_ptr(),
            mbuf: mbuf.as_ptr(),
            text_at: u32::from(request.text_at),
            text_octets: u32::from(request.text_octets),
            covered_at: u32::from(request.covered.0),
            covered_octets: u32::from(request.covered.1),
            icv_at,
            iv: request.iv,
            aad: request.aad,
        };
        // SAFETY: `fits` has compared all places with the packet's one segment; packet and session stay in `places` until the device
        // has given the operation back.
        unsafe { dpdk_sys::rv_crypto_fill(operation, &job) }
        self.places[at] = Some(UnderWay {
            mbuf,
            payload,
            _session: session.clone(),
            outcome: None,
        });
        self.tail += 1;
        Ok(())
    }

    /// Hands waiting packets to the device, takes back what it has done, and gives away what is next in order. Returns how many.
    pub fn poll(&mut self, mut give: impl FnMut(Completion<'_, X>)) -> usize {
        if self.under_way() == 0 {
            return 0;
        }
        self.hand_over();
        while self.take_back() == RESULTS {}
        let before = self.head;
        while self.head < self.tail {
            let at = self.head & MASK;
            let done = (self.places[at].take_if(|place| place.outcome.is_some()))
                .and_then(|place| Some((place.outcome?, place)));
            let Some((outcome, place)) = done else { break };
            self.head += 1;
            // SAFETY: the operation is ours again; its room has so many initialised octets.
            let aside = unsafe {
                &*dpdk_sys::rv_crypto_icv(self.operations[at].as_ptr()).cast::<[u8; ICV_OCTETS]>()
            };
            give(Completion {
                mbuf: place.mbuf,
                payload: place.payload,
                outcome,
                aside,
            });
        }
        self.head - before
    }

    /// Hands over what was filled and not handed over yet, in two parts where the ring ends.
    fn hand_over(&mut self) {
        while self.handed < self.tail {
            let at = self.handed & MASK;
            let count = (self.tail - self.handed).min(QUEUE_DEPTH - at);
            // SAFETY: `count` filled operations from `at` on; NonNull is a pointer in memory. The device owns what it takes until it is
            // given back.
            let taken = unsafe {
                let first = self.operations.as_mut_ptr().add(at).cast();
                dpdk_sys::rv_crypto_enqueue(self.device.id, self.id, first, count as u16)
            };
            self.handed += usize::from(taken);
            if usize::from(taken) < count {
                return;
            }
        }
    }

    fn take_back(&mut self) -> usize {
        if self.fault == Some(Fault::Silent) {
            return 0;
        }
        let mut results = [dpdk_sys::rv_crypto_result {
            number: 0,
            status: 0,
        }; RESULTS];
        // SAFETY: room for as many results.
        let got = usize::from(unsafe {
            dpdk_sys::rv_crypto_dequeue(
                self.device.id,
                self.id,
                results.as_mut_ptr(),
                RESULTS as u16,
            )
        });
        for result in &results[..got] {
            if let Some(Some(place)) = self.places.get_mut(result.number as usize) {
                place.outcome = Some(match result.status {
                    _ if self.fault == Some(Fault::Errs) => Outcome::Failed,
                    dpdk_sys::RV_CRYPTO_DONE => Outcome::Done,
                    dpdk_sys::RV_CRYPTO_FORGED => Outcome::Forged,
                    _ => Outcome::Failed,
                });
            }
        }
        got
    }

    /// Lets the device fail, for tests of those who use one. False, and nothing happens, when it cannot fail so: a device that others may
    /// have queues of is not stopped.
    pub fn break_down(&mut self, fault: Fault) -> bool {
        if fault == Fault::Stops {
            if self.device.queues > 1 {
                return false;
            }
            // SAFETY: the device is open. Its queue's functions become the library's own, and nobody else calls them.
            unsafe { dpdk_sys::rte_cryptodev_stop(self.device.id) }
        }
        self.fault = Some(fault);
        true
    }

    /// Gives up the device: what its owners gave along is given away, the packets themselves are kept until the device is closed.
    pub fn give_up(mut self, mut give: impl FnMut(X)) {
        let mut kept = Vec::new();
        for at in self.head..self.tail {
            if let Some(place) = self.places[at & MASK].take() {
                give(place.payload);
                kept.push(place.mbuf);
            }
        }
        self.device.keep(kept.into_iter());
    }
}

impl<X> Drop for CryptoQueue<X> {
    fn drop(&mut self) {
        let left = self.places.iter_mut().filter_map(Option::take);
        self.device.keep(left.map(|place| place.mbuf));
    }
}

/// Whether all places of a request lie in the one segment of its packet, and the keys are this device's.
fn fits(device: &Arc<Inner>, mbuf: &Mbuf, session: &Session, request: &Request) -> bool {
    let octets = mbuf.data().len();
    let within = |at: u16, count: u16| usize::from(at) + usize::from(count) <= octets;
    let suite = &session.0.suite;
    let aead = matches!(suite.algorithms, super::Algorithms::Aead { .. });
    let icv = match request.icv {
        Icv::InPacket(at) => within(at, u16::from(suite.icv_octets)),
        Icv::Aside(_) => usize::from(suite.icv_octets) <= ICV_OCTETS,
    };
    Arc::ptr_eq(device, &session.0.device)
        && mbuf.is_contiguous()
        && aead == (request.covered.1 == 0)
        && within(request.text_at, request.text_octets)
        && within(request.covered.0, request.covered.1)
        && icv
}

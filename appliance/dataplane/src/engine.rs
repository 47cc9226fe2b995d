//! The ciphers of the workers: intel-ipsec-mb where the CPU can, RustCrypto's AES-GCM elsewhere. [`Engine`] is that alone and
//! synchronous; [`Accelerated`] has devices beside it.
//!
//! AES-GCM, AES-GMAC and ChaCha20-Poly1305 take each packet by itself. A cipher with a separate HMAC takes several at a time; it is in
//! [`separate`].

pub mod accelerated;
pub mod accelerator;
mod separate;

use std::sync::{Arc, Mutex, OnceLock};

use dpdk_rs::ipsecmb::chacha::{ChaCha, ChaChaKey};
use dpdk_rs::ipsecmb::gmac::{Gmac, GmacKey};
use dpdk_rs::ipsecmb::separate::Lanes;
use dpdk_rs::ipsecmb::{Gcm, GcmKey};
use dpdk_rs::prefetch;
use ravelin_esp::engine::{CpuKey, Job, KeyError, OpStatus, PortableKey, Synchronous};
use ravelin_esp::{Keys, SALT_OCTETS, covered_behind_ah};
use ravelin_types::{EspEncr, EspTransform};

pub use accelerated::Accelerated;
pub use accelerator::{Accelerator, DeviceKey};
pub use separate::{SeparateKey, WorkerLanes};

/// What the library has for this CPU.
struct Native {
    gcm: Gcm,
    gmac: Gmac,
    chacha: ChaCha,
    /// Expands keys of several threads.
    lanes: Mutex<Lanes>,
}

static NATIVE: OnceLock<Option<Native>> = OnceLock::new();

fn detect() -> Result<Native, dpdk_rs::Error> {
    Ok(Native {
        gcm: Gcm::detect()?,
        gmac: Gmac::detect()?,
        chacha: ChaCha::detect()?,
        lanes: Mutex::new(Lanes::new()?),
    })
}

/// The library's code for this CPU, looked for once; the outcome is logged.
fn native() -> Option<&'static Native> {
    let found = NATIVE.get_or_init(|| match detect() {
        Ok(native) => {
            log::info!("ciphers by intel-ipsec-mb, {}", native.gcm.code());
            Some(native)
        }
        Err(error) => {
            log::warn!("{error}: AES-GCM by the portable engine, no other cipher");
            None
        }
    });
    found.as_ref()
}

/// What the CPU's ciphers run, for `show`.
pub fn cpu_code() -> &'static str {
    native().map_or("portable AES-GCM", |native| native.gcm.code())
}

/// An expanded key; all kinds wipe themselves. Small: the engines' tables of them are as hot as the keys.
pub enum Key {
    /// AES-GCM.
    Gcm(GcmKey),
    /// For the portable engine.
    Portable(PortableKey),
    /// AES-GMAC.
    Gmac(Box<GmacKey>),
    /// ChaCha20-Poly1305.
    ChaCha(Box<ChaChaKey>),
    /// A cipher with a separate HMAC.
    Separate(Box<SeparateKey>),
    /// In a device, with a key of the CPU in reserve.
    Device(Box<DeviceKey>),
    /// One of the CPU that other workers have had too.
    Shared(Arc<Key>),
}

impl Key {
    /// The key that the CPU works with.
    #[inline]
    fn on_cpu(&self) -> &Key {
        match self {
            Key::Device(key) => key.reserve(),
            Key::Shared(key) => key,
            own => own,
        }
    }
}

/// One worker's engine: the best of this machine.
pub type Engine<P> = Synchronous<Key, P>;

fn expand(native: &Native, transform: EspTransform, keys: Keys<'_>) -> Result<Key, KeyError> {
    use EspEncr as E;
    let key = keys.cipher;
    if transform.integ().is_some() {
        return separate::expand(&native.lanes, transform, keys)
            .map(|key| Key::Separate(Box::new(key)));
    }
    match transform.encr() {
        E::Aes128Gmac | E::Aes192Gmac | E::Aes256Gmac => {
            (native.gmac.expand(key)).map(|key| Key::Gmac(Box::new(key)))
        }
        E::ChaCha20Poly1305 => (native.chacha.expand(key)).map(|key| Key::ChaCha(Box::new(key))),
        _ => native.gcm.expand(key).map(Key::Gcm),
    }
    .map_err(|_| KeyError::Length)
}

fn verdict(authentic: bool) -> OpStatus {
    if authentic {
        OpStatus::Done
    } else {
        OpStatus::AuthFailed
    }
}

/// What AES-GMAC covers. Of ESP: SPI and sequence number, then IV and text (RFC 4543 section 3.3). Of AH: the packet, and the upper half
/// of an extended number (section 4).
fn covered<'a>(nonce: &'a [u8; 12], aad: &'a [u8], text: &'a [u8]) -> [&'a [u8]; 3] {
    match covered_behind_ah(aad) {
        Some(behind) => [text, behind, &[]],
        None => [aad, &nonce[SALT_OCTETS..], text],
    }
}

fn keep(tag: [u8; 16], icv: &mut [u8]) -> OpStatus {
    match tag.get(..icv.len()) {
        Some(kept) => {
            icv.copy_from_slice(kept);
            OpStatus::Done
        }
        None => OpStatus::EngineFailed,
    }
}

impl CpuKey for Key {
    type Lanes = WorkerLanes;

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Self, KeyError> {
        let integ_octets = transform.integ().map_or(0, |integ| integ.key_octets());
        let wanted = (transform.encr().key_octets(), integ_octets);
        // The library would take any length of AES keys.
        if (keys.cipher.len(), keys.integ.len()) != wanted {
            return Err(KeyError::Length);
        }
        match native() {
            Some(native) => expand(native, transform, keys),
            None => PortableKey::expand(transform, keys).map(Key::Portable),
        }
    }

    #[inline(always)]
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &mut [u8]) -> OpStatus {
        // The rule, in line: its inputs stay in registers up to the library's code.
        if let Key::Gcm(key) = self {
            key.seal(nonce, aad, text, icv);
            return OpStatus::Done;
        }
        self.seal_other(nonce, aad, text, icv)
    }

    #[inline(always)]
    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> OpStatus {
        if let Key::Gcm(key) = self {
            return verdict(key.open(nonce, aad, text, icv));
        }
        self.open_other(nonce, aad, text, icv)
    }

    fn share(self) -> (Self, Option<Self>) {
        let shared = match self {
            Key::Device(_) => return (self, None),
            Key::Shared(key) => key,
            own => Arc::new(own),
        };
        (Key::Shared(Arc::clone(&shared)), Some(Key::Shared(shared)))
    }

    #[inline(always)]
    fn approach(place: &Option<Self>) {
        prefetch(place);
    }

    #[inline(always)]
    fn warm(&self, octets: usize) {
        if let Key::Gcm(key) = self {
            key.prefetch(octets);
        }
    }

    fn front_octets(&self) -> usize {
        match self {
            Key::Separate(key) => key.front_octets(),
            Key::Device(_) | Key::Shared(_) => self.on_cpu().front_octets(),
            _ => 0,
        }
    }

    fn run_jobs(lanes: &mut WorkerLanes, jobs: &mut [Job<'_, Self>]) {
        lanes.run(jobs);
    }
}

impl Key {
    #[inline(never)]
    fn seal_other(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        icv: &mut [u8],
    ) -> OpStatus {
        match self {
            Key::Gcm(key) => {
                key.seal(nonce, aad, text, icv);
                OpStatus::Done
            }
            Key::Portable(key) => key.seal(nonce, aad, text, icv),
            Key::Gmac(key) => keep(key.tag(nonce, &covered(nonce, aad, text)), icv),
            Key::ChaCha(key) => keep(key.seal(nonce, aad, text), icv),
            Key::Separate(_) => OpStatus::Pending,
            Key::Device(key) if key.serves() => OpStatus::Pending,
            Key::Device(_) | Key::Shared(_) => self.on_cpu().seal(nonce, aad, text, icv),
        }
    }

    #[inline(never)]
    fn open_other(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> OpStatus {
        match self {
            Key::Gcm(key) => verdict(key.open(nonce, aad, text, icv)),
            Key::Portable(key) => key.open(nonce, aad, text, icv),
            Key::Gmac(key) => verdict(key.verify(nonce, &covered(nonce, aad, text), icv)),
            Key::ChaCha(key) => verdict(key.open(nonce, aad, text, icv)),
            Key::Separate(_) => OpStatus::Pending,
            Key::Device(key) if key.serves() => OpStatus::Pending,
            Key::Device(_) | Key::Shared(_) => self.on_cpu().open(nonce, aad, text, icv),
        }
    }
}

#[cfg(test)]
mod tests;

//! The holder's side: a persistent device and the one detached queue that keeps it as it is.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use crate::{DeviceName, Error, Kind, sys};

/// The character device behind every queue.
const TUN_PATH: &str = "/dev/net/tun";

/// A device that stays while this handle does, and, being persistent, after it (then without carrier and routes once
/// no queue is left).
#[derive(Debug)]
pub struct Device {
    name: DeviceName,
    kind: Kind,
    queue: File,
}

impl Device {
    /// Makes the device, or adopts one of the same kind, and keeps a detached queue on it. A new device has no
    /// carrier until [`Device::set_carrier`]; an adopted one keeps what it has.
    ///
    /// # Errors
    /// [`Error::OtherKind`] when the name belongs to another device, [`Error::Kernel`], [`Error::Io`].
    pub fn hold(name: &DeviceName, kind: Kind) -> Result<Self, Error> {
        let queue = open_queue(name, kind, false)?;
        sys::set_persistent(&queue, true).map_err(Error::kernel(name, "make it persistent"))?;
        sys::set_active(&queue, name, false).map_err(Error::kernel(name, "detach the queue"))?;
        Ok(Device {
            name: name.clone(),
            kind,
            queue,
        })
    }

    /// Its kernel name.
    #[must_use]
    pub fn name(&self) -> &DeviceName {
        &self.name
    }

    /// What it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sets the carrier.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn set_carrier(&self, up: bool) -> Result<(), Error> {
        let set = || sys::set_carrier(&self.queue, up);
        let outcome = match set() {
            // A carrier rises only on a device with a queue in service: ours serves for that moment. Packets that it
            // gets meanwhile would have been dropped without it.
            Err(Errno::EPERM) => sys::set_active(&self.queue, &self.name, true).and_then(|()| {
                let outcome = set();
                sys::set_active(&self.queue, &self.name, false).and(outcome)
            }),
            other => other,
        };
        outcome.map_err(Error::kernel(&self.name, "set the carrier"))
    }

    /// The carrier.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn carrier(&self) -> Result<bool, Error> {
        sys::carrier(&self.name).map_err(Error::kernel(&self.name, "read the carrier"))
    }

    /// The MAC address; `None` for TUN.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn mac(&self) -> Result<Option<[u8; 6]>, Error> {
        match self.kind {
            Kind::Tun => Ok(None),
            Kind::Tap => sys::mac(&self.name)
                .map(Some)
                .map_err(Error::kernel(&self.name, "read the MAC address")),
        }
    }

    /// The MTU in octets.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn mtu(&self) -> Result<u32, Error> {
        sys::mtu(&self.name).map_err(Error::kernel(&self.name, "read the MTU"))
    }

    /// Lets the device go; it disappears as soon as no other process has a queue on it.
    ///
    /// # Errors
    /// [`Error::Kernel`]; the device then stays persistent.
    pub fn remove(self) -> Result<(), Error> {
        sys::set_persistent(&self.queue, false)
            .map_err(Error::kernel(&self.name, "end its persistence"))
    }
}

/// Opens `/dev/net/tun` and attaches it to the device without changing the device's carrier.
///
/// With `existing`, an absent device is an error instead of being made. (Between the look and the attachment somebody
/// may remove it; the device then made is not persistent and goes with the queue.)
pub(crate) fn open_queue(name: &DeviceName, kind: Kind, existing: bool) -> Result<File, Error> {
    let carrier = match sys::carrier(name) {
        Ok(up) => up,
        Err(Errno::ENODEV) if !existing => false,
        Err(errno) => {
            return Err(Error::Kernel {
                name: name.to_string(),
                step: "find it",
                errno,
            });
        }
    };
    let queue = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(TUN_PATH)
        .map_err(|source| Error::Io {
            name: name.to_string(),
            source,
        })?;
    match sys::attach(&queue.as_fd(), name, kind, carrier) {
        Ok(()) => Ok(queue),
        Err(Errno::EINVAL) => Err(Error::OtherKind(name.to_string())),
        Err(errno) => Err(Error::Kernel {
            name: name.to_string(),
            step: "attach a queue",
            errno,
        }),
    }
}

/// Interface index of any device in the calling thread's network namespace.
///
/// # Errors
/// [`Error::Kernel`] when there is none of this name.
pub fn index(name: &DeviceName) -> Result<u32, Error> {
    sys::index(name).map_err(Error::kernel(name, "find it"))
}

/// Sets the MTU in octets.
///
/// # Errors
/// [`Error::Kernel`].
pub fn set_mtu(name: &DeviceName, octets: u32) -> Result<(), Error> {
    sys::set_mtu(name, octets).map_err(Error::kernel(name, "set the MTU"))
}

/// Sets the MAC address of a TAP device.
///
/// # Errors
/// [`Error::Kernel`].
pub fn set_mac(name: &DeviceName, mac: [u8; 6]) -> Result<(), Error> {
    sys::set_mac(name, mac).map_err(Error::kernel(name, "set the MAC address"))
}

/// Sets the administrative state.
///
/// # Errors
/// [`Error::Kernel`].
pub fn set_up(name: &DeviceName, up: bool) -> Result<(), Error> {
    sys::set_up(name, up).map_err(Error::kernel(name, "set it up or down"))
}

//! The ioctls of `/dev/net/tun` and of interfaces. The only file of this crate with `unsafe`; every function here is
//! safe to call with any arguments.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::{DeviceName, Kind};

mod raw {
    use nix::libc::{c_int, ifreq};

    // linux/if_tun.h: the numbers carry the size of an int although some take a pointer to struct ifreq.
    nix::ioctl_write_ptr_bad!(
        tun_set_iff,
        nix::request_code_write!(b'T', 202, size_of::<c_int>()),
        ifreq
    );
    nix::ioctl_write_int_bad!(
        tun_set_persist,
        nix::request_code_write!(b'T', 203, size_of::<c_int>())
    );
    nix::ioctl_write_ptr_bad!(
        tun_set_queue,
        nix::request_code_write!(b'T', 217, size_of::<c_int>()),
        ifreq
    );
    nix::ioctl_write_ptr_bad!(
        tun_set_carrier,
        nix::request_code_write!(b'T', 226, size_of::<c_int>()),
        c_int
    );
    // linux/sockios.h
    nix::ioctl_write_ptr_bad!(set_flags, nix::libc::SIOCSIFFLAGS, ifreq);
    nix::ioctl_read_bad!(get_flags, nix::libc::SIOCGIFFLAGS, ifreq);
    nix::ioctl_write_ptr_bad!(set_mtu, nix::libc::SIOCSIFMTU, ifreq);
    nix::ioctl_write_ptr_bad!(set_mac, nix::libc::SIOCSIFHWADDR, ifreq);
    nix::ioctl_read_bad!(get_mac, nix::libc::SIOCGIFHWADDR, ifreq);
    nix::ioctl_read_bad!(get_mtu, nix::libc::SIOCGIFMTU, ifreq);
    nix::ioctl_read_bad!(get_index, nix::libc::SIOCGIFINDEX, ifreq);
    nix::ioctl_read_bad!(ethtool, nix::libc::SIOCETHTOOL, ifreq);
}

/// linux/if_tun.h: attach without changing an absent carrier (kernel 6.2 and later).
const IFF_NO_CARRIER: i32 = 0x0040;
/// linux/ethtool.h
const ETHTOOL_GLINK: u32 = 0x0000_000a;

/// linux/ethtool.h
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

fn request(name: &DeviceName) -> libc::ifreq {
    // SAFETY: ifreq is integers, arrays and pointers; all zeroes is valid for each member of its union.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // A DeviceName has at most IFNAMSIZ - 1 octets, so a terminator stays.
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// A socket for interface ioctls, in the network namespace of the calling thread.
fn control() -> Result<OwnedFd, Errno> {
    socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// Attaches `tun` to the device as one more queue, making the device if it is absent.
pub(crate) fn attach(
    tun: &impl AsFd,
    name: &DeviceName,
    kind: Kind,
    carrier: bool,
) -> Result<(), Errno> {
    let kind = match kind {
        Kind::Tap => libc::IFF_TAP,
        Kind::Tun => libc::IFF_TUN,
    };
    let carrier = if carrier { 0 } else { IFF_NO_CARRIER };
    let mut request = request(name);
    request.ifr_ifru.ifru_flags =
        (kind | libc::IFF_NO_PI | libc::IFF_MULTI_QUEUE | carrier) as libc::c_short;
    // SAFETY: an open descriptor and a request that lives through the call; any other file answers ENOTTY.
    unsafe { raw::tun_set_iff(tun.as_fd().as_raw_fd(), &raw const request) }.map(drop)
}

/// Keeps the device when its last queue closes, or lets it go.
pub(crate) fn set_persistent(tun: &impl AsFd, on: bool) -> Result<(), Errno> {
    // SAFETY: an open descriptor; the argument is a plain number.
    unsafe { raw::tun_set_persist(tun.as_fd().as_raw_fd(), i32::from(on)) }.map(drop)
}

/// Puts the queue into service, or takes it out: the kernel then sends no packets to it, but the device stays bound
/// to it.
pub(crate) fn set_active(tun: &impl AsFd, name: &DeviceName, on: bool) -> Result<(), Errno> {
    let mut request = request(name);
    let flag = if on {
        libc::IFF_ATTACH_QUEUE
    } else {
        libc::IFF_DETACH_QUEUE
    };
    request.ifr_ifru.ifru_flags = flag as libc::c_short;
    // SAFETY: as in `attach`.
    unsafe { raw::tun_set_queue(tun.as_fd().as_raw_fd(), &raw const request) }.map(drop)
}

/// Sets the carrier of the device that the queue belongs to; EPERM when it shall rise and no queue is in service.
pub(crate) fn set_carrier(tun: &impl AsFd, up: bool) -> Result<(), Errno> {
    let up = i32::from(up);
    // SAFETY: an open descriptor and a pointer to an int that lives through the call.
    unsafe { raw::tun_set_carrier(tun.as_fd().as_raw_fd(), &raw const up) }.map(drop)
}

/// The carrier, also of a device that is administratively down.
pub(crate) fn carrier(name: &DeviceName) -> Result<bool, Errno> {
    let mut value = EthtoolValue {
        cmd: ETHTOOL_GLINK,
        data: 0,
    };
    let mut request = request(name);
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the kernel reads and writes one EthtoolValue for this command; both live through the call.
    unsafe { raw::ethtool(control()?.as_raw_fd(), &raw mut request) }?;
    Ok(value.data != 0)
}

/// Interface index.
pub(crate) fn index(name: &DeviceName) -> Result<u32, Errno> {
    let mut request = request(name);
    // SAFETY: the kernel fills the request, which lives through the call, with an integer.
    let index = unsafe {
        raw::get_index(control()?.as_raw_fd(), &raw mut request)?;
        request.ifr_ifru.ifru_ifindex
    };
    u32::try_from(index).map_err(|_| Errno::ENODEV)
}

/// Sets the MTU.
pub(crate) fn set_mtu(name: &DeviceName, octets: u32) -> Result<(), Errno> {
    let mut request = request(name);
    request.ifr_ifru.ifru_mtu = i32::try_from(octets).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel only reads the request.
    unsafe { raw::set_mtu(control()?.as_raw_fd(), &raw const request) }.map(drop)
}

/// The MTU.
pub(crate) fn mtu(name: &DeviceName) -> Result<u32, Errno> {
    let mut request = request(name);
    // SAFETY: the kernel fills the request, which lives through the call, with an integer.
    let octets = unsafe {
        raw::get_mtu(control()?.as_raw_fd(), &raw mut request)?;
        request.ifr_ifru.ifru_mtu
    };
    u32::try_from(octets).map_err(|_| Errno::EINVAL)
}

/// Sets the MAC address of a TAP device.
pub(crate) fn set_mac(name: &DeviceName, mac: [u8; 6]) -> Result<(), Errno> {
    let mut request = request(name);
    let mut address = libc::sockaddr {
        sa_family: libc::ARPHRD_ETHER,
        sa_data: [0; 14],
    };
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_hwaddr = address;
    // SAFETY: the kernel only reads the request.
    unsafe { raw::set_mac(control()?.as_raw_fd(), &raw const request) }.map(drop)
}

/// The MAC address of a TAP device.
pub(crate) fn mac(name: &DeviceName) -> Result<[u8; 6], Errno> {
    let mut request = request(name);
    // SAFETY: the kernel fills the request, which lives through the call, with a sockaddr.
    let data = unsafe {
        raw::get_mac(control()?.as_raw_fd(), &raw mut request)?;
        request.ifr_ifru.ifru_hwaddr.sa_data
    };
    Ok(std::array::from_fn(|i| data[i] as u8))
}

/// Sets the administrative state.
pub(crate) fn set_up(name: &DeviceName, up: bool) -> Result<(), Errno> {
    let socket = control()?;
    let mut request = request(name);
    let flag = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel fills the flags, which are then an initialised integer, and only reads them afterwards.
    unsafe {
        raw::get_flags(socket.as_raw_fd(), &raw mut request)?;
        let flags = request.ifr_ifru.ifru_flags;
        request.ifr_ifru.ifru_flags = if up { flags | flag } else { flags & !flag };
        raw::set_flags(socket.as_raw_fd(), &raw const request).map(drop)
    }
}

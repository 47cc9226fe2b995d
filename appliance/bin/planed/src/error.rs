//! Why planed cannot start or cannot do what it was told. Each error names the object at fault.

use std::path::PathBuf;

use nix::errno::Errno;

/// An error of the daemon.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or socket.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The system refused something that every daemon needs, or another planed serves the same folder.
    #[error("{0}")]
    Platform(#[from] ravelin_platform::Error),
    /// The kernel refused something that concerns the whole process.
    #[error("{what}: {}", errno.desc())]
    System { what: &'static str, errno: Errno },
    /// A thread could not be started.
    #[error("thread {name}: {source}")]
    Thread {
        name: String,
        source: std::io::Error,
    },
    /// DPDK.
    #[error("{0}")]
    Dpdk(#[from] dpdk_rs::Error),
    /// A port, with the reason.
    #[error("port {port}: {source}")]
    Port {
        port: String,
        source: dpdk_rs::Error,
    },
    /// The device of a port is taken by another port.
    #[error("port {port}: device {device} belongs to port {owner}")]
    DeviceTaken {
        port: String,
        device: String,
        owner: String,
    },
    /// An open port whose packet buffers are too small for another MTU.
    #[error(
        "port {port}: MTU {wanted} needs larger packet buffers than the port was opened with (up to {most}); \
         commit without the port first"
    )]
    Buffers {
        port: String,
        wanted: u16,
        most: u16,
    },
    /// A port whose device cannot carry the MTU.
    #[error("port {port}: MTU {wanted} is above the {most} of its device")]
    Mtu {
        port: String,
        wanted: u16,
        most: u16,
    },
    /// A device name that nft or the kernel would misread.
    #[error("port {port}: `{device}` is no interface name")]
    BadInterface { port: String, device: String },
    /// The kernel could not be cut off from a port.
    #[error("interface {interface}: {step}: {reason}")]
    CutOff {
        interface: String,
        step: &'static str,
        reason: String,
    },
    /// netd did not do it.
    #[error("netd: {unit}: {reason}")]
    Netd { unit: String, reason: String },
    /// netd could not set signal routes.
    #[error("netd: {0}")]
    Signal(String),
    /// The control connection to netd.
    #[error("netd.sock: {0}")]
    NetdSocket(#[from] ravelin_ctl::StreamError),
    /// A TAP or TUN device.
    #[error("{0}")]
    Twin(#[from] ravelin_tuntap::Error),
    /// rtnetlink.
    #[error("{0}")]
    Kernel(#[from] ravelin_routing::RoutingError),
    /// A configuration that the data plane refuses.
    #[error("{0}")]
    Config(#[from] ravelin_dataplane::control::ConfigError),
    /// mgmtd asked to apply what was not prepared.
    #[error("generation {0} was not prepared")]
    NotPrepared(u64),
}

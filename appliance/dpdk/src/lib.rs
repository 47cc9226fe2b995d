//! Safe wrapper of DPDK 24.11 and intel-ipsec-mb 2.0.
//!
//! What it does: starts the environment ([`Eal`]), owns packet buffers ([`Mempool`], [`Mbuf`]), ports and their queues
//! ([`Port`], [`RxQueue`], [`TxQueue`]), bounded rings between threads ([`ring`]), quiescent-state reclaim ([`rcu`]),
//! a large IPv4 FIB ([`Fib`]), AES-GCM at the speed of the CPU ([`ipsecmb`]), ciphers of devices ([`cryptodev`]), and words in shared
//! memory ([`shm`]).
//!
//! What it does *not*: parse packets, run threads (workers are ordinary `std` threads that call
//! [`Eal::register_thread`]), or offer the device classes that Ravelin does not use yet (rte_flow).
//!
//! Soundness rests on ownership: an [`Mbuf`] is the only handle of its packet, a queue handle cannot be cloned and
//! keeps its port alive, pools live as long as the process. Every `unsafe` block names the rule it relies on.

pub mod cryptodev;
pub mod cycles;
pub mod eal;
mod error;
mod fib;
pub mod ipsecmb;
mod log_sink;
mod mbuf;
mod mempool;
pub mod offload;
pub mod packet_ring;
mod port;
mod port_types;
mod prefetch;
mod queue;
pub mod rcu;
pub mod ring;
pub mod shm;

pub use eal::{Eal, EalBuilder, RegisteredThread};
pub use error::{Errno, Error};
pub use fib::{Fib, FibConfig, FibReader, NextHopWidth};
pub use mbuf::{Checksum, META_WORDS, Mbuf};
pub use mempool::{Mempool, MempoolConfig, PoolEmpty};
pub use port::{MAX_PORTS, Port};
pub use port_types::{Capabilities, Link, MacAddress, PortConfig, PortStats};
pub use prefetch::{LINE_OCTETS, prefetch, prefetch_part};
pub use queue::{RxQueue, TxQueue};

/// The burst that the pipeline works on. 64 packets fill a vector driver's burst and 64 buffer headers stay in L1.
pub const BURST: usize = 64;
/// An owned burst of packets.
pub type Burst = arrayvec::ArrayVec<Mbuf, BURST>;

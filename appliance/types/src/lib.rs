//! Vocabulary shared by every crate: identifiers, prefixes, traffic selectors, interface names, algorithm names, secrets, time.
//!
//! Plain values only: no I/O, no clock, no randomness. Each type is cheap to copy or to clone, serialises with `serde`
//! (for the control sockets), and parses its text form with an error that names the text.
#![forbid(unsafe_code)]

pub mod dn;
mod error;
mod esp;
mod hardware;
mod id;
mod identity;
mod ike;
mod life;
mod name;
mod named;
pub mod numbers;
mod prefix;
mod secret;
mod selector;
mod spi;

mod time;

pub use error::ParseError;
pub use esp::{EspEncr, EspInteg, EspTransform, IpsecMode, IpsecProtocol};
pub use hardware::{Mac, PciAddress};
pub use id::{ChildId, Generation, InstanceId, MAX_INSTANCES, NodeId, PairId, VrfId};
pub use identity::Identity;
pub use ike::{
    AdditionalKe, AdditionalKeError, DhGroup, DhKind, IkeCipherMode, IkeEncr, IkeInteg, IkeSuite,
    MAX_ADDITIONAL_KE, Prf, UnknownIkeSuite, UnpairedIke,
};
pub use life::{LIFE_KILOBYTE_OCTETS, Volume, VolumeLife};
pub use name::{MAX_KERNEL_NAME_OCTETS, UnitName, instance_device};
pub use numbers::Numbers;
pub use prefix::Prefix;
pub use secret::SecretBytes;
pub use selector::TrafficSelector;
pub use spi::{SPI_MIN, SPI_NODE_BITS, SPI_SLOT_BITS, SPI_SLOTS, SPI_TAG_BITS, Spi};
pub use time::Time;

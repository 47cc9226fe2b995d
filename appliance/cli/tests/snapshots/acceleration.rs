//! Devices in every state.

use ravelin_ctl::acceleration::{Acceleration, DeviceState, Served};
use ravelin_ctl::operator::{DaemonReply, Reply};

pub fn acceleration() -> Reply {
    let served = |device: Option<&str>, why: Option<&str>, inbound, outbound| Served {
        device: device.map(str::to_owned),
        why: why.map(str::to_owned),
        inbound,
        outbound,
    };
    Reply::Daemon(DaemonReply::Acceleration(Acceleration {
        cpu: "intel-ipsec-mb, AVX-512 with VAES".to_owned(),
        devices: vec![
            DeviceState {
                name: "0000:3d:01.0".to_owned(),
                driver: Some("crypto_qat".to_owned()),
                serves: true,
                remark: None,
                queues: 2,
                keys: 131_072,
                max_keys: 131_072,
                packets: 16_000_000_000_000_000,
                errors: 3,
                lost: 0,
            },
            DeviceState {
                name: "crypto_openssl0".to_owned(),
                driver: Some("crypto_openssl".to_owned()),
                remark: Some("failed, the device does not answer".to_owned()),
                queues: 1,
                keys: 10,
                max_keys: 8192,
                packets: 77,
                lost: 12,
                ..DeviceState::default()
            },
            DeviceState {
                name: "0000:3d:01.7".to_owned(),
                remark: Some(
                    "c6xxvf drives it, and vfio-pci should (`show chassis hardware` tells why)"
                        .to_owned(),
                ),
                ..DeviceState::default()
            },
        ],
        engines: vec![
            served(Some("0000:3d:01.0"), None, 65_536, 65_536),
            served(None, Some("no device has the algorithms"), 4, 4),
            served(None, Some("crypto_openssl0 failed"), 5, 5),
        ],
    }))
}

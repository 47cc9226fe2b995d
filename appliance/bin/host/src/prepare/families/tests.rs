#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;

use super::*;

/// DPDK's QAT driver; it names the devices that it takes in a text for `dpdk-pmdinfo.py`.
const QAT_DRIVER: &str = "/usr/lib/x86_64-linux-gnu/librte_common_qat.so.25";
const PMD_INFO: &str = "PMD_INFO_STRING= ";
/// What the driver takes and its guide does not list as a virtual function.
const NOT_LISTED: [u16; 3] = [0x0da5, 0x1454, 0x578b];

#[test]
fn crypto_devices_are_those_of_the_driver() {
    let library = fs::read(QAT_DRIVER).unwrap();
    let library = String::from_utf8_lossy(&library);
    let mut infos = library.split('\0').filter_map(|s| s.strip_prefix(PMD_INFO));
    let info = infos.find(|info| info.contains("\"pci_ids\"")).unwrap();
    let info: serde_json::Value = serde_json::from_str(info).unwrap();
    let rows = info["pci_ids"].as_array().unwrap();
    let number = |value: &serde_json::Value| u16::try_from(value.as_u64().unwrap()).unwrap();
    let of_driver: BTreeSet<u16> = rows
        .iter()
        .filter(|row| number(&row[0]) == INTEL)
        .map(|row| number(&row[1]))
        .collect();
    let crypto = NUMBERS.iter().filter(|(_, _, f)| f.way == Way::Crypto);
    let ours = crypto.flat_map(|(_, devices, _)| devices.iter().copied());
    let accounted: BTreeSet<u16> = ours.chain(NOT_LISTED).collect();
    assert_eq!(accounted, of_driver);
    assert!(of_crypto(INTEL, 0x37c9).is_some());
    assert!(of_crypto(INTEL, 0x37c8).is_none(), "a physical function");
    assert!(of_crypto(INTEL, 0x1889).is_none(), "a NIC");
}

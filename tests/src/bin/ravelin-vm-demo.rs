//! `./x vm demo [--nic MODEL]`: the booted image does the main job against a kernel's own ESP.
#![forbid(unsafe_code)]

use ravelin_tests::vm::demo;
use std::process::ExitCode;

const USAGE: &str = "vm-demo: expected [--nic virtio|virtio-vfio|vmxnet3]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let model = match words.as_slice() {
        [] => "virtio",
        ["--nic", model] => model,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match demo::run(model) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vm-demo: FAILED {error}");
            ExitCode::FAILURE
        }
    }
}

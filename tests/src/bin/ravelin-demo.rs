//! `./x demo`: shows the main job and judges it.
#![forbid(unsafe_code)]

use ravelin_tests::demo::{Options, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--keep" => options.keep = true,
            other => {
                eprintln!("demo: unknown option `{other}`; expected --keep");
                return ExitCode::from(2);
            }
        }
    }
    match run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: failed: {error}");
            ExitCode::FAILURE
        }
    }
}

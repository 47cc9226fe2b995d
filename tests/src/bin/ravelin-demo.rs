//! `./x demo`: shows the main job and judges it.
#![forbid(unsafe_code)]

use ravelin_tests::demo::{Options, Reason, run};
use std::process::ExitCode;

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--keep" => options.keep = true,
            "--quick" => options.quick = true,
            "--break" => {
                let name = arguments.next().unwrap_or_default();
                options.fault = Some(Reason::of_break(&name).map_err(|e| e.to_string())?);
            }
            other => {
                return Err(format!(
                    "unknown option `{other}`; expected --keep, --quick or --break NAME"
                ));
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(verdict) if verdict.faults.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: FAILED reason=error {error}");
            ExitCode::FAILURE
        }
    }
}

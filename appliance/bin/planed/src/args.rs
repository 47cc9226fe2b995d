//! The command line.

use std::path::PathBuf;

use ravelin_dataplane::link::MAX_WORKERS;

/// Shown by `--help`.
pub const USAGE: &str =
    "usage: ravelin-planed [--run-dir DIR] [--state-dir DIR] [--workers N] [--memory-mib N]
  --run-dir DIR     where the daemons' sockets are (default /run/ravelin)
  --state-dir DIR   where its own state outlives it, on tmpfs (default: the run directory)
  --workers N       threads that move packets, 1 to 32 (default 1)
  --memory-mib N    memory for packets, 128 to 65536 (default 256)
  --version         print the version
  RUST_LOG          what to log: error, warn, info (default), debug
  RAVELIN_NO_HUGE   1: use ordinary pages, not hugepages";

/// Least memory that holds the packet pool.
const MEMORY_MIN_MIB: u32 = 128;
/// Most memory that makes sense for packets.
const MEMORY_MAX_MIB: u32 = 65_536;

/// What to run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// Folder of the control sockets.
    pub run_dir: PathBuf,
    /// Folder of the state that outlives the process; the one above unless told otherwise.
    pub state_dir: Option<PathBuf>,
    /// Threads that move packets.
    pub workers: usize,
    /// Memory for packets.
    pub memory_mib: u32,
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Move packets.
    Run(Args),
    /// Print this and end.
    Print(String),
}

/// A command line that is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// No such option.
    #[error("unexpected argument `{0}`")]
    Unexpected(String),
    /// An option at the end.
    #[error("{0} wants a value")]
    Missing(&'static str),
    /// Not a number in range.
    #[error("{option} `{value}`: a number from {least} to {most} is wanted")]
    Range {
        option: &'static str,
        value: String,
        least: u32,
        most: u32,
    },
}

/// Reads the arguments behind the program's name.
///
/// # Errors
/// Names the argument.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, ArgsError> {
    let mut args = Args {
        run_dir: PathBuf::from(ravelin_ctl::RUN_DIR),
        state_dir: None,
        workers: 1,
        memory_mib: 256,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--run-dir" => {
                args.run_dir = arguments
                    .next()
                    .map(PathBuf::from)
                    .ok_or(ArgsError::Missing("--run-dir"))?;
            }
            "--state-dir" => {
                let folder = arguments.next().map(PathBuf::from);
                args.state_dir = Some(folder.ok_or(ArgsError::Missing("--state-dir"))?);
            }
            "--workers" => {
                args.workers =
                    number(arguments.next(), "--workers", 1, MAX_WORKERS as u32)? as usize;
            }
            "--memory-mib" => {
                args.memory_mib = number(
                    arguments.next(),
                    "--memory-mib",
                    MEMORY_MIN_MIB,
                    MEMORY_MAX_MIB,
                )?;
            }
            "--help" | "-h" => return Ok(Command::Print(USAGE.to_owned())),
            "--version" => return Ok(Command::Print(env!("CARGO_PKG_VERSION").to_owned())),
            _ => return Err(ArgsError::Unexpected(argument)),
        }
    }
    Ok(Command::Run(args))
}

fn number(
    value: Option<String>,
    option: &'static str,
    least: u32,
    most: u32,
) -> Result<u32, ArgsError> {
    let value = value.ok_or(ArgsError::Missing(option))?;
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(ArgsError::Range {
            option,
            value,
            least,
            most,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, ArgsError> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_defaults() {
        let Ok(Command::Run(args)) = read("--run-dir /x --workers 2") else {
            panic!("not understood")
        };
        assert_eq!(
            (args.run_dir, args.workers, args.memory_mib),
            ("/x".into(), 2, 256)
        );
        assert_eq!(args.state_dir, None);
        let Ok(Command::Run(args)) = read("--state-dir /y") else {
            panic!("not understood")
        };
        assert_eq!(args.state_dir, Some("/y".into()));
        assert!(matches!(read("--version"), Ok(Command::Print(_))));
    }

    #[test]
    fn bad_values_are_named() {
        assert_eq!(read("-x"), Err(ArgsError::Unexpected("-x".to_owned())));
        assert_eq!(read("--state-dir"), Err(ArgsError::Missing("--state-dir")));
        assert_eq!(read("--workers"), Err(ArgsError::Missing("--workers")));
        assert!(matches!(
            read("--workers 0"),
            Err(ArgsError::Range {
                option: "--workers",
                ..
            })
        ));
        assert!(read("--memory-mib many").is_err());
    }
}

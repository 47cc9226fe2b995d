//! The `ravelin` program: one command (`ravelin show route`, `ravelin -c "show route | count"`), or a prompt without any.
//!
//! The exit code is 0 for an answer, 1 when there is none, 2 for a line that is no command.
#![forbid(unsafe_code)]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ravelin_cli::command::{Verb, parse};
use ravelin_cli::{CliError, Client, caret, evaluate, interact, is_local, monitor};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: ravelin [--run-dir DIR] [-c COMMAND | COMMAND WORDS...]
  without a command: interactive; `?` helps, Tab completes, exit leaves
  --run-dir DIR   where the daemons' sockets are (default: /run/ravelin)
  -c COMMAND      run one command given as one argument
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut run_dir = PathBuf::from(ravelin_ctl::RUN_DIR);
    let mut line = None;
    while let Some(argument) = arguments.peek() {
        match argument.as_str() {
            "--help" | "-h" => {
                print!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            "--run-dir" | "-c" => {
                let option = arguments.next();
                let Some(value) = arguments.next() else {
                    eprint!("{USAGE}");
                    return ExitCode::from(2);
                };
                if option.as_deref() == Some("-c") {
                    line = Some(value);
                } else {
                    run_dir = PathBuf::from(value);
                }
            }
            _ => break,
        }
    }
    let words: Vec<String> = arguments.collect();
    if !words.is_empty() {
        line = Some(words.join(" "));
    }
    let client = Client::new(&run_dir);
    let outcome = match &line {
        Some(line) => once(&client, line),
        None => interact(&client),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Command(error)) => {
            let line = line.unwrap_or_default();
            eprintln!("{line}\n{}\n{error}", caret(&line, error.at(), 0));
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command and prints its answer.
fn once(client: &Client, line: &str) -> Result<(), CliError> {
    let Some(parsed) = parse(line)? else {
        return Ok(());
    };
    if parsed.verb == Verb::Exit {
        return Ok(());
    }
    if is_local(parsed.verb) {
        return Err(CliError::Refused(vec![
            "only at the prompt of the CLI".to_owned(),
        ]));
    }
    if parsed.verb == Verb::MonitorTraffic {
        let (mut out, mut notes) = (io::stdout(), io::stderr());
        return monitor(client, &parsed, &mut out, &mut notes, &mut pause);
    }
    let text = evaluate(client, &parsed, &mut io::stdin())?;
    match io::stdout().write_all(text.as_bytes()) {
        // The reader of a pipe (`| head`) may have seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| CliError::Terminal(e.to_string())),
    }
}

/// Waits so long, and says whether nobody reads the output any more.
fn pause(wait: Duration) -> bool {
    let out = io::stdout();
    // Nothing is asked for: the end of the reader is always told.
    let mut asked = [PollFd::new(out.as_fd(), PollFlags::empty())];
    let milliseconds = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
    matches!(poll(&mut asked, milliseconds), Ok(count) if count > 0)
}

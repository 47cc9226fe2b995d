//! `ravelin-nonces FOLDER`: judges all captures that the tests left below FOLDER, those of one test together, so that a nonce is
//! found that an SA used on two links or in two captures. Copies are fine here: two captures may see the same packet.
#![forbid(unsafe_code)]

use ravelin_tests::nonces::{EXCUSED, Judge, Repeat, addresses, fault};
use ravelin_tests::{BenchError, Result, pcap};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: ravelin-nonces FOLDER");
        return ExitCode::from(2);
    };
    match judge_all(Path::new(&folder)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(faults) => {
            println!("{faults} tests with repeated nonces");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("ravelin-nonces: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many tests repeated a nonce.
fn judge_all(artifacts: &Path) -> Result<usize> {
    let (mut faults, mut packets) = (0, 0);
    for test in list(artifacts)?.into_iter().filter(|path| path.is_dir()) {
        let files = below(&test)?;
        if files.iter().any(|file| file.ends_with(EXCUSED)) {
            continue;
        }
        let mut sources = BTreeSet::new();
        for file in files.iter().filter(|file| file.ends_with("ravelin.conf")) {
            let text = std::fs::read_to_string(file)
                .map_err(|e| BenchError::io(format!("read {}", file.display()), e))?;
            sources.extend(addresses(&text));
        }
        let mut judge = Judge::of(sources);
        for file in files.iter().filter(|file| is_capture(file)) {
            judge.see(&pcap::read(file)?);
        }
        let (seen, associations) = judge.seen();
        packets += seen;
        if seen > 0 {
            let name = test.file_name().unwrap_or_default().to_string_lossy();
            println!("{name}: {seen} packets of {associations} SAs");
        }
        let repeats: Vec<Repeat> = (judge.repeats().iter().copied())
            .filter(|repeat| !repeat.copy)
            .collect();
        if let Some(text) = fault(&repeats) {
            println!("{}: {text}", test.display());
            faults += 1;
        }
    }
    if packets == 0 {
        return Err(BenchError::Unexpected(format!(
            "no capture below {} holds ESP of a gateway",
            artifacts.display()
        )));
    }
    Ok(faults)
}

fn is_capture(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "pcap")
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| BenchError::io(format!("list {}", folder.display()), e);
    let entries = std::fs::read_dir(folder).map_err(io)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::result::Result<_, _>>()
        .map_err(io)?;
    paths.sort();
    Ok(paths)
}

/// The files below a folder.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in list(&next)? {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

use super::{Owned, run, shell_line};
use crate::wait::wait_until;
use crate::{Lab, VmError, seconds};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

fn owned(lab: &Lab, script: &str) -> Owned {
    let arguments = ["-c", script].map(OsString::from);
    let output = lab.artifacts().join("script.log");
    Owned::start("script", OsStr::new("sh"), &arguments, &output).unwrap()
}

/// A process that has ended but is not waited for is a zombie.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or("").chars().next();
    state.is_some_and(|state| !"ZX".contains(state))
}

#[test]
fn the_process_is_the_program_itself() {
    let lab = Lab::new("process_is_the_program").unwrap();
    let mut process = owned(&lab, "echo $$; echo wrong >&2; exit 3");
    let status = process.wait(seconds(20)).unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(process.output(), format!("{}\nwrong", process.pid()));
    assert!(
        matches!(process.check(), Err(VmError::Ended { output, .. }) if output.contains("wrong"))
    );
}

#[test]
fn it_ends_with_its_owner() {
    let lab = Lab::new("process_ends_with_owner").unwrap();
    let process = owned(&lab, "while :; do sleep 1; done");
    let pid = process.pid();
    assert!(runs(pid));
    drop(process);
    assert!(!runs(pid));
}

#[test]
fn it_outlives_the_thread_that_asked_for_it() {
    let lab = Lab::new("process_outlives_thread").unwrap();
    let mut process = std::thread::scope(|scope| {
        let started = scope.spawn(|| owned(&lab, "echo up; read never </dev/zero"));
        started.join().unwrap()
    });
    let up = wait_until("the script", seconds(20), || {
        process.check()?;
        Ok::<_, VmError>(process.output().contains("up").then_some(()))
    });
    up.unwrap();
    process.check().unwrap();
}

#[test]
fn a_missing_program_is_reported_by_its_end() {
    let lab = Lab::new("process_missing_program").unwrap();
    let log = lab.artifacts().join("none.log");
    let mut process = Owned::start("none", OsStr::new("/nowhere/none"), &[], &log).unwrap();
    assert_eq!(process.wait(seconds(20)).unwrap().code(), Some(127));
    assert!(process.output().contains("/nowhere/none"));
}

/// The harness that is killed: starts a process, tells its id, and waits.
fn victim(folder: &Path) {
    let arguments = ["-c", "while :; do sleep 1; done"].map(OsString::from);
    let log = folder.join("victim.log");
    let process = Owned::start("victim", OsStr::new("sh"), &arguments, &log).unwrap();
    std::fs::write(folder.join("pid.new"), process.pid().to_string()).unwrap();
    std::fs::rename(folder.join("pid.new"), folder.join("pid")).unwrap();
    crate::wait::pause(seconds(120));
}

fn pid_of(folder: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join("pid")).ok()?;
    text.trim().parse().ok()
}

#[test]
fn it_dies_when_the_harness_is_killed() {
    if let Some(folder) = std::env::var_os("RAVELIN_VICTIM") {
        return victim(Path::new(&folder));
    }
    let lab = Lab::new("process_dies_with_harness").unwrap();
    let mut harness = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "process::tests::it_dies_when_the_harness_is_killed",
        ])
        .env("RAVELIN_VICTIM", lab.artifacts())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = wait_until("the victim's process", seconds(60), || {
        Ok::<_, VmError>(pid_of(lab.artifacts()))
    });
    let pid = pid.unwrap();
    assert!(runs(pid));
    harness.kill().unwrap();
    harness.wait().unwrap();
    wait_until("its end", seconds(10), || {
        Ok::<_, VmError>((!runs(pid)).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_failing_tool_is_quoted_with_what_it_printed() {
    let error = run(Command::new("sh").args(["-c", "echo no; exit 2"])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`sh -c 'echo no; exit 2'` failed"), "{text}");
    assert!(text.contains("no\n"), "{text}");
    assert_eq!(run(Command::new("echo").arg("yes")).unwrap(), "yes\n");
}

#[test]
fn the_line_reads_back_as_the_same_words() {
    let words = ["a", "", "b c", "d'e", "-x=1,y"].map(OsStr::new);
    let line = shell_line(words.iter().copied());
    assert_eq!(line, r"a '' 'b c' 'd'\''e' -x=1,y");
    let shell = run(Command::new("sh")
        .arg("-c")
        .arg(format!("printf '[%s]' {line}")))
    .unwrap();
    assert_eq!(shell, "[a][][b c][d'e][-x=1,y]");
}

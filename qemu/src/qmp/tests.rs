use super::Qmp;
use crate::{Lab, VmError, seconds};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// A monitor that has these lines for the requests it gets, after its greeting.
fn monitor(name: &str, answers: &'static [&'static str]) -> (Lab, Qmp) {
    let lab = Lab::new(name).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let mut output = theirs.try_clone().unwrap();
        let mut input = BufReader::new(theirs).lines();
        output.write_all(b"{\"QMP\": {}}\r\n").unwrap();
        for answer in ["{\"return\": {}}"].iter().chain(answers) {
            if input.next().is_none() {
                return;
            }
            // In two parts, as a stream may cut it.
            let (first, second) = answer.split_at(answer.len() / 2);
            output.write_all(first.as_bytes()).unwrap();
            output.flush().unwrap();
            output.write_all(second.as_bytes()).unwrap();
            output.write_all(b"\r\n").unwrap();
        }
    });
    let log = lab.artifacts().join("qmp.log");
    let qmp = Qmp::new("guest", ours, &log).unwrap();
    (lab, qmp)
}

#[test]
fn answers_and_events_are_told_apart() {
    let (lab, mut qmp) = monitor(
        "qmp_answers",
        &[
            "{\"event\": \"RESET\"}\r\n{\"event\": \"STOP\"}\r\n{\"return\": {\"status\": \"running\"}}",
        ],
    );
    let status = qmp.execute("query-status", Value::Null).unwrap();
    assert_eq!(status["status"], "running");
    assert_eq!(qmp.event("STOP", seconds(10)).unwrap()["event"], "STOP");
    let log = std::fs::read_to_string(lab.artifacts().join("qmp.log")).unwrap();
    assert!(
        log.contains("query-status") && log.contains("running"),
        "{log}"
    );
}

#[test]
fn a_refusal_names_guest_and_command() {
    let (_lab, mut qmp) = monitor(
        "qmp_refusal",
        &["{\"error\": {\"desc\": \"no such device\"}}"],
    );
    let error = qmp.execute("set_link", json!({"name": "x"})).unwrap_err();
    assert!(matches!(error, VmError::Qmp { .. }));
    let text = error.to_string();
    assert!(
        text.contains("guest: QMP `set_link`") && text.contains("no such device"),
        "{text}"
    );
}

#[test]
fn a_closed_monitor_is_an_error_and_no_hang() {
    let (_lab, mut qmp) = monitor("qmp_closed", &[]);
    assert!(qmp.execute("query-status", Value::Null).is_err());
}

#[test]
fn a_missing_event_runs_into_its_deadline() {
    let (_lab, mut qmp) = monitor(
        "qmp_missing",
        &["{\"return\": {}}\r\n{\"event\": \"RESET\"}", ""],
    );
    qmp.execute("system_reset", Value::Null).unwrap();
    let error = qmp.event("SHUTDOWN", std::time::Duration::from_millis(200));
    assert!(error.is_err());
}

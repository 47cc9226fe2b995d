//! What every `show` prints, against committed files: `RAVELIN_BLESS=1 cargo test -p ravelin-cli` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "snapshots/acceleration.rs"]
mod acceleration;
#[path = "snapshots/buffers.rs"]
mod buffers;
#[path = "snapshots/cpu.rs"]
mod cpu;
#[path = "snapshots/flight.rs"]
mod flight;
#[path = "snapshots/machine.rs"]
mod machine;
#[path = "snapshots/pki.rs"]
mod pki;
#[path = "snapshots/replies.rs"]
mod replies;

use ravelin_cli::command::parse;
use ravelin_cli::{CliError, Client, caret, render_reply};
use ravelin_ctl::flight::Flight;
use ravelin_ctl::operator::{DaemonReply, Reply, Request};
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::{Generation, InstanceId};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

fn shown(line: &str, reply: Reply) -> String {
    render_reply(&parse(line).unwrap().unwrap(), reply).unwrap()
}

fn compare(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/expected", name]
        .iter()
        .collect();
    if std::env::var_os("RAVELIN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{name} differs; now it is:\n{text}\nexpected:\n{expected}"
    );
}

fn snapshot(name: &str, line: &str, reply: impl Fn() -> Reply) {
    let text = shown(line, reply());
    for row in text.lines() {
        assert!(row.chars().count() <= 80, "{name}: {row}");
        assert_eq!(row, row.trim_end(), "{name}: blanks at the end");
    }
    compare(&format!("{name}.txt"), &text);
    let json = shown(&format!("{line} | display json"), reply());
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    compare(&format!("{name}.json"), &json);
}

#[test]
fn ike() {
    let list = "show security ike security-associations";
    snapshot("ike_sas", list, replies::ike_sas);
    snapshot(
        "ike_sas_detail",
        &format!("{list} detail"),
        replies::ike_sas,
    );
    snapshot(
        "ike_statistics",
        "show security ike statistics",
        replies::ike_statistics,
    );
    snapshot(
        "ike_gateways",
        "show security ike gateways",
        replies::ike_gateways,
    );
    snapshot(
        "ike_failures",
        "show security ike failures",
        replies::ike_failures,
    );
    snapshot("ike_trace", "show security ike trace", replies::ike_trace);
    let none = || Reply::Daemon(DaemonReply::IkeSas(Vec::new()));
    assert_eq!(shown(list, none()), "");
}

#[test]
fn ipsec() {
    let list = "show security ipsec security-associations";
    snapshot("ipsec_sas", list, replies::ipsec_sas);
    snapshot(
        "ipsec_sas_detail",
        &format!("{list} detail"),
        replies::ipsec_sas,
    );
    snapshot(
        "ipsec_statistics",
        "show security ipsec statistics",
        replies::ipsec_statistics,
    );
    let none = || Reply::Daemon(DaemonReply::IpsecSas(Vec::new()));
    assert_eq!(
        shown(list, none()),
        "  Total active tunnels: 0     Total Ipsec sas: 0\n"
    );
}

#[test]
fn interfaces_routes_system() {
    snapshot("interfaces", "show interfaces", replies::interfaces);
    snapshot(
        "interfaces_terse",
        "show interfaces terse",
        replies::interfaces,
    );
    snapshot("route", "show route", replies::routes);
    snapshot(
        "route_summary",
        "show route summary",
        replies::route_summary,
    );
    snapshot("drops", "show security drops", replies::drops);
    snapshot("processes", "show system processes", replies::processes);
    snapshot("buffers", "show system buffers", buffers::buffers);
    snapshot("cpu", "show system cpu", cpu::cpu);
    let show = "show security ipsec acceleration";
    snapshot("acceleration", show, acceleration::acceleration);
    snapshot("day0", "show system day-0", replies::day0);
    let none = shown("show system day-0", Reply::Day0(None));
    assert_eq!(none, "No day 0 on this machine\n");
    snapshot(
        "high_availability",
        "show chassis high-availability information",
        replies::high_availability,
    );
    snapshot(
        "high_availability_starting",
        "show chassis high-availability information",
        replies::high_availability_starting,
    );
}

#[test]
fn hardware_and_alarms() {
    snapshot("hardware", "show chassis hardware", machine::hardware);
    snapshot("alarms", "show system alarms", machine::alarms);
    assert_eq!(
        shown("show system alarms", Reply::Alarms(Vec::new())),
        "No alarms currently active\n"
    );
}

#[test]
fn flight_recorder() {
    let show = "show security ipsec flight-recorder";
    snapshot("flight_recorder", show, flight::recorded);
    let nothing = || Reply::Daemon(DaemonReply::Flight(Flight::default()));
    assert_eq!(shown(show, nothing()), "Nothing has been recorded\n");
    let order = |what: &str, count| {
        let line = format!("request security ipsec flight-recorder {what}");
        shown(&line, Reply::Daemon(DaemonReply::Done(count)))
    };
    assert_eq!(
        order("start peer 192.0.2.10", 2),
        "recording, by 2 security associations\n"
    );
    assert_eq!(order("stop", 1), "recording stopped\n");
    assert_eq!(order("stop", 0), "nothing was being recorded\n");
}

#[test]
fn filters() {
    let line = "show security ike security-associations";
    let filtered = |filter: &str| shown(&format!("{line} | {filter}"), replies::ike_sas());
    assert_eq!(filtered("count"), "Count: 4 lines\n");
    assert_eq!(filtered("match ^1"), filtered("match \"192.0.2.10$\""));
    assert_eq!(
        filtered("match ike | except UP | count"),
        "Count: 1 lines\n"
    );
    assert_eq!(filtered("no-more").lines().count(), 4);
    assert!(filtered("display json | match responder_spi").contains("4000000000000101"));
    let bad = parse(&format!("{line} | match (")).unwrap().unwrap();
    let error = render_reply(&bad, replies::ike_sas()).unwrap_err();
    assert_eq!(error.to_string(), "`(` is not a regular expression");
}

#[test]
fn orders_and_refusals() {
    let done = Reply::Daemon(DaemonReply::Done(2));
    assert_eq!(
        shown("clear security ike security-associations", done.clone()),
        "2 security associations deleted\n"
    );
    assert_eq!(
        shown("request security ipsec rekey all", done.clone()),
        "2 security associations being rekeyed\n"
    );
    let loaded = Reply::Loaded {
        generation: Generation(7),
        warnings: vec!["a.conf:3: group2 is weak".into()],
    };
    assert_eq!(
        shown("request system configuration load file a.conf", loaded),
        "warning: a.conf:3: group2 is weak\nload complete, generation 7\n"
    );
    let text = Reply::Configuration("system {\n    host-name secgw;\n}\n".into());
    assert_eq!(
        shown("show configuration | match host", text),
        "    host-name secgw;\n"
    );

    let parsed = parse("show route").unwrap().unwrap();
    let refused = Reply::Failed(vec!["a.conf:1: x".into(), "a.conf:2: y".into()]);
    let error = render_reply(&parsed, refused).unwrap_err();
    assert_eq!(error.to_string(), "a.conf:1: x\na.conf:2: y");
    assert!(matches!(
        render_reply(&parsed, done),
        Err(CliError::Mismatch)
    ));
}

#[test]
fn an_unreachable_daemon_and_bad_values_are_named() {
    let client = Client::new(Path::new("/nonexistent"));
    let fails = |line: &str| {
        let parsed = parse(line).unwrap().unwrap();
        ravelin_cli::evaluate(&client, &parsed, &mut std::io::empty())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fails("show route"),
        "cannot reach ravelin-mgmtd at /nonexistent/mgmtd.sock: control socket: \
         No such file or directory (os error 2); is it running?"
    );
    assert_eq!(
        fails("clear security ike security-associations enb"),
        "`enb` is not an IP address"
    );
    assert_eq!(
        fails("request security ike rekey index x"),
        "`x` is not an index"
    );
    assert!(
        fails("request system configuration load file /nonexistent").starts_with("/nonexistent: ")
    );
    assert_eq!(caret("show x", 5, 0), "     ^");
}

#[test]
fn a_typed_configuration_reaches_mgmtd_and_its_answer_the_screen() {
    let folder = std::env::temp_dir().join(format!("ravelin-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("mgmtd.sock")).unwrap();
    let mgmtd = std::thread::spawn(move || {
        let hello = Hello::new(Role::Mgmtd, InstanceId(1));
        let mut stream = Stream::open(listener.accept().unwrap().0, &hello).unwrap();
        assert_eq!(stream.peer().role, Role::Operator);
        let asked: Envelope<Request> = stream.receive().unwrap();
        let event = Envelope {
            id: 0,
            body: Reply::Processes(Vec::new()),
        };
        stream.send(&event).unwrap();
        let body = Reply::Loaded {
            generation: Generation(2),
            warnings: Vec::new(),
        };
        stream.send(&Envelope { id: asked.id, body }).unwrap();
        asked.body
    });
    let parsed = parse("request system configuration load terminal")
        .unwrap()
        .unwrap();
    let mut typed = "system { }\n".as_bytes();
    let text = ravelin_cli::evaluate(&Client::new(&folder), &parsed, &mut typed).unwrap();
    assert_eq!(text, "load complete, generation 2\n");
    let expected = Request::LoadConfiguration {
        origin: "terminal".into(),
        text: "system { }\n".into(),
    };
    assert_eq!(mgmtd.join().unwrap(), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}
